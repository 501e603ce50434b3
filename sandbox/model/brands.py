"""Brands, their segments, and what they sell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Brand:
    """One brand of the parent. `weight` is its share of accounts."""

    name: str
    code: str
    segment: str
    weight: float


BRANDS = (
    Brand("Campaign Monitor", "CM", "Commercial", 0.42),
    Brand("Emma", "EMMA", "Commercial", 0.28),
    Brand("Sailthru", "SAIL", "Enterprise", 0.12),
    Brand("Cheetah Digital", "CHEETAH", "Enterprise", 0.10),
    Brand("Selligent", "SELL", "Enterprise", 0.08),
    Brand("Corporate", "CORP", "Shared", 0.0),
)
CM, EMMA, SAIL, CHEETAH, SELL, CORP = range(6)
SELLING = 5
"""Brands below this index sell; Corporate is for internal users only."""
COMMERCIAL = (CM, EMMA)
ENTERPRISE = (SAIL, CHEETAH, SELL)
CURRENCIES = ("USD", "GBP", "AUD")


@dataclass(frozen=True)
class Product:
    """One catalogue entry. `unit_price` is per month, in 1/10,000 of the currency unit."""

    brand: int
    sku: str
    name: str
    family: str
    category: str
    unit_price: int


def _line(
    brand: int, stem: str, platforms: dict[str, int], volume: tuple[str, int], extras: dict[str, int]
) -> list[Product]:
    """One brand's products; prices of platforms and extras in whole currency units a month, of volume in 1/10,000."""

    def product(name: str, family: str, category: str, price: int) -> Product:
        code = "VOL" if family == "Volume" else name.split(maxsplit=1)[0].upper()
        return Product(brand, f"{stem}-{code}", f"{BRANDS[brand].name} {name}", family, category, price)

    return [
        *(product(name, "Platform", "Base Products", price * 10_000) for name, price in platforms.items()),
        product(volume[0], "Volume", "Base Products", volume[1]),
        *(product(name, "Add-on", "Add On Services", price * 10_000) for name, price in extras.items()),
    ]


PER_BRAND = 6
"""Each brand has three platforms, one volume product and two add-ons, in this order."""
CATALOGUE: tuple[Product, ...] = (
    *_line(
        CM, "CM", {"Lite": 29, "Essentials": 99, "Premier": 249}, ("Contacts", 95),
        {"SMS": 49, "Transactional": 79},
    ),
    *_line(
        EMMA, "EM", {"Pro": 99, "Teams": 199, "Corporate": 369}, ("Contacts", 120),
        {"Landing Pages": 45, "Deliverability": 120},
    ),
    *_line(
        SAIL, "ST", {"Core": 2400, "Growth": 4200, "Complete": 7800}, ("Messages", 42),
        {"Mobile": 900, "Personalisation": 1500},
    ),
    *_line(
        CHEETAH, "CD", {"Messaging": 3100, "Engagement": 5600, "Loyalty": 9900}, ("Messages", 38),
        {"Experiences": 1250, "Managed Service": 2600},
    ),
    *_line(
        SELL, "SE", {"Email": 1800, "Omnichannel": 3900, "Data": 6900}, ("Profiles", 55),
        {"Site": 700, "Consulting": 1400},
    ),
)  # fmt: skip
PRODUCT_BRAND = np.array([p.brand for p in CATALOGUE], np.int8)
PRODUCT_PRICE = np.array([p.unit_price for p in CATALOGUE], np.int64)
