"""Users, products and accounts."""

from __future__ import annotations

import numpy as np

from sandbox.model.brands import BRANDS, CATALOGUE, COMMERCIAL, CORP, ENTERPRISE, PRODUCT_BRAND, SELLING
from sandbox.model.calendar import BUSINESS_START, at, days, seconds
from sandbox.model.codes import PROSPECT
from sandbox.model.company import Company
from sandbox.model.frame import NO_DATE, NONE
from sandbox.model.history.stamps import changed_since, office_hours
from sandbox.model.vocabulary import PLACES

QUOTA = (0, 0, 400_000_000, 90_000_000, 60_000_000, 0, 0, 30_000_000)
LEADERS = 2 + SELLING
"""The first users: the integration user, the chief revenue officer, and one vice president per brand."""


def users(company: Company) -> None:
    """Sellers and helpers of every brand; Corporate users work for all brands."""
    n = max(36, round(60 * company.scale**0.5))
    keys = np.arange(n, dtype=np.int64)
    brand = company.chance.weighted("user brand", keys, (0.32, 0.26, 0.12, 0.11, 0.09, 0.10))
    brand[: LEADERS + 2 * (SELLING + 1)] = [CORP, CORP, *range(SELLING), *[*range(SELLING), CORP] * 2]
    role = company.chance.weighted("user role", keys, (0, 0, 0, 0.4, 0.2, 0.15, 0.1, 0.15))
    role[:LEADERS] = [0, 1] + [2] * SELLING
    manager = np.where(brand == CORP, 1, brand + 2)
    manager[:LEADERS] = [NONE, NONE] + [1] * SELLING
    active = ~company.chance.happens("user left", keys, 0.12)
    active[: LEADERS + 2 * (SELLING + 1)] = True
    created = at(BUSINESS_START + days(company.chance.pick("user hired", keys, 1000) * (keys >= LEADERS)), 9 * 3600)
    stamp = np.minimum(created + days(company.chance.pick("user changed", keys, 60)), company.now - seconds(7200))
    company.users.append(
        n,
        brand=brand,
        role=role,
        manager=manager,
        active=active,
        quota=np.array(QUOTA)[role],
        created=created,
        stamp=stamp,
    )


def products(company: Company) -> None:
    """The catalogue, the same in Zuora and NetSuite."""
    created = at(BUSINESS_START, 8 * 3600)
    company.products.append(len(CATALOGUE), brand=PRODUCT_BRAND, created=created, stamp=created + days(120))


def accounts(company: Company) -> None:
    """Salesforce accounts; `status` and `since` of customers are set when their contracts are made."""
    chance = company.chance
    n = company.count(1200)
    keys = np.arange(n, dtype=np.int64)
    span = float((company.today - BUSINESS_START).astype(int) - 2)
    order = np.sort(chance.uniform("account age", keys) ** 1.15)
    created = office_hours(company, "account", keys, BUSINESS_START + days((order * span).astype(np.int64)))
    brand = chance.weighted("account brand", keys, tuple(b.weight for b in BRANDS[:SELLING]))
    other = _other_brand(company, keys, brand)
    unknown = chance.happens("account without brand", keys, 0.003) & (other == NONE)
    modified, stamp = changed_since(company, "account", keys, created)
    parent = np.where(
        chance.happens("subsidiary", keys, 0.04) & (keys > 20),
        chance.pick("parent", keys, n) % np.maximum(keys, 1),
        NONE,
    )
    place = chance.weighted("account place", keys, tuple(p.weight for p in PLACES))
    active = np.where(chance.happens("account active", keys, 0.7), modified.astype("M8[D]"), NO_DATE)
    brand = np.where(unknown, NONE, brand)
    company.accounts.append(
        n,
        firm=keys,
        brand=brand,
        other_brand=other,
        place=place,
        parent=parent,
        status=PROSPECT,
        active_on=active,
        created=created,
        modified=modified,
        stamp=stamp,
        owner=company.sellers("account owner", keys, brand),
    )


def _other_brand(company: Company, keys: np.ndarray, brand: np.ndarray) -> np.ndarray:
    """The second brand of customers shared by two brands: mostly one of each segment, rarely two commercial ones."""
    chance = company.chance
    draw = chance.uniform("shared account", keys)
    commercial = np.isin(brand, COMMERCIAL)
    across = np.where(
        commercial,
        np.array(ENTERPRISE)[chance.pick("enterprise brand", keys, len(ENTERPRISE))],
        np.array(COMMERCIAL)[chance.weighted("commercial brand", keys, (0.6, 0.4))],
    )
    other = np.where(draw < 0.08, across, NONE)
    return np.where((draw >= 0.08) & (draw < 0.095) & commercial, 1 - brand, other)


def duplicates(company: Company) -> None:
    """A few prospects were entered twice; somebody will find and merge them."""
    a = company.accounts
    referred = np.concatenate(
        [company.billing_accounts["account"], company.customers["account"], company.leads["account"], a["parent"]]
    )
    free = np.setdiff1d(np.flatnonzero((a["status"] == PROSPECT) & (a["brand"] >= 0)), referred)
    chosen = company.chance.sample("entered twice", free[free > len(a) // 2], company.count(6, at_least=5))
    for brand in range(SELLING):
        originals = np.setdiff1d(np.flatnonzero((a["status"] == PROSPECT) & (a["brand"] == brand)), chosen)
        doubles = chosen[a["brand"][chosen] == brand]
        nearest = np.searchsorted(originals, doubles) - 1
        doubles, nearest = doubles[nearest >= 0], nearest[nearest >= 0]
        original = originals[nearest]
        a.update(doubles, twin=original, firm=a["firm"][original], place=a["place"][original])
