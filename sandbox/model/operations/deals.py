"""Salesforce opportunities and their line items."""

from __future__ import annotations

from typing import Any

import numpy as np

from sandbox.model.brands import PER_BRAND, PRODUCT_PRICE, SELLING
from sandbox.model.calendar import Dates
from sandbox.model.company import WON, Company
from sandbox.model.frame import NO_STAMP, NONE, Indexes
from sandbox.model.money import rounded, yearly


def add_lines(company: Company, deal: Indexes, product: Any, quantity: Any, unit: Any, discount: Any, created: Dates) -> None:
    """Line items (unit price per month in 1/10,000; discount in whole percent), and the amounts they give their deals."""
    lines, deals = company.lines, company.deals
    discount = np.broadcast_to(np.asarray(discount, np.int64), deal.shape)
    subtotal = yearly(quantity, unit)
    total = rounded(subtotal * (100 - discount), 100)
    rank = np.arange(len(deal)) - np.searchsorted(deal, deal)
    lines.append(
        len(deal), deal=deal, product=product, quantity=quantity, unit=np.asarray(unit) * 12, discount=discount,
        subtotal=subtotal, total=total, order=rank + 1, owner=deals["owner"][deal], created=created, modified=created, stamp=created,
    )  # fmt: skip
    sums = np.zeros(len(deals), np.int64)
    np.add.at(sums, deal, total)
    amounts = np.zeros(len(deals), np.int64)
    np.add.at(amounts, deal, np.asarray(quantity, np.int64))
    count = np.bincount(deal, minlength=len(deals))
    touched = np.unique(deal)
    deals.update(
        touched, amount=sums[touched], arr=sums[touched], quantity=amounts[touched], lines=count[touched], priced=True
    )


def sold_plans(company: Company, versions: Indexes) -> tuple[Indexes, np.ndarray, np.ndarray, np.ndarray]:
    """What a won deal sold: (position in `versions`, product, quantity, unit), only the difference for an upgrade."""
    v, plans = company.versions, company.plans
    slots = np.full((len(v), 3), NONE, np.int64)
    slots[plans["version"], plans["slot"]] = plans.rows
    position, slot = np.nonzero(slots[versions] >= 0)
    plan = slots[versions[position], slot]
    upgraded = v["change"][versions[position]] == 1
    previous = np.where(upgraded, v["previous"][versions[position]], NONE)
    before = np.where(previous >= 0, slots[previous, slot], NONE)
    quantity = plans["quantity"][plan] - np.where(before >= 0, plans["quantity"][before], 0)
    sold = quantity > 0
    return position[sold], plans["product"][plan][sold], quantity[sold], plans["unit"][plan][sold]


def drawn_lines(company: Company, purpose: str, deals: Indexes) -> tuple[Indexes, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What an open or lost deal offers: (deal, product, quantity, unit, discount) of one to three lines each."""
    chance, d = company.chance, company.deals
    count = chance.weighted(f"{purpose} lines", deals, (0, 0.35, 0.45, 0.2))
    deal = np.repeat(deals, count)
    nth = np.arange(len(deal)) - np.repeat(np.cumsum(count) - count, count)
    keys = deal * 4 + nth
    brand = d["brand"][deal].astype(int)
    product = brand * PER_BRAND + np.where(nth == 0, chance.pick(f"{purpose} platform", keys, 3), np.where(nth == 1, 3, 4))
    volume = (np.exp(chance.uniform(f"{purpose} volume", keys) * 3.5 + np.where(brand < 2, 6.0, 10.5))).astype(np.int64) * 100
    quantity = np.where(nth == 1, volume, 100)
    discount = np.array([0, 0, 5, 10, 12, 15, 20])[chance.pick(f"{purpose} discount", deal, 7)]
    return deal, product, quantity, PRODUCT_PRICE[product], discount


def deal_campaigns(company: Company, purpose: str, keys: Indexes, brand: Any, currency: Any, created: Dates) -> Indexes:
    """The campaign a deal is credited to, if any: same brand and currency, begun before the deal."""
    chance, campaigns = company.chance, company.campaigns
    out = np.full(len(keys), NONE, np.int64)
    credited = chance.happens(f"{purpose} credited", keys, 0.45)
    for group in range(SELLING * 3):
        mine = np.flatnonzero(credited & (brand == group % SELLING) & (currency == group // SELLING))
        choice = np.flatnonzero((campaigns["brand"] == group % SELLING) & (campaigns["currency"] == group // SELLING) & ~campaigns["deleted"])
        if len(mine) and len(choice):
            picked = choice[chance.pick(f"{purpose} campaign", keys[mine], len(choice))]
            begun = campaigns["start"][picked] <= created[mine].astype("M8[D]")
            out[mine[begun]] = picked[begun]
    return out


def primary_contacts(company: Company, accounts: Indexes) -> Indexes:
    """The primary contact of each account, or none."""
    contacts = company.contacts
    alive = np.flatnonzero(contacts["primary"] & ~contacts["deleted"] & np.isnat(contacts["gone"]))
    of = np.full(len(company.accounts), NONE, np.int64)
    of[contacts["account"][alive]] = alive
    return of[accounts]


def clone_deals(company: Company, deals_: Indexes, created: np.ndarray) -> Indexes:
    """Copies of deals with their line items, as Salesforce's Clone button makes them."""
    d, lines = company.deals, company.lines
    copied = ("account", "brand", "currency", "kind", "stage", "close", "amount", "lines", "quantity", "arr", "term", "contact", "subscription", "owner")
    clones = d.append(
        len(deals_), **{name: d[name][deals_] for name in copied}, clone_of=deals_, created=created, modified=created, stamp=created,
        stage_changed=created, active_on=created.astype("M8[D]"),
    )  # fmt: skip
    for source, clone in zip(deals_, clones, strict=True):
        mine = np.flatnonzero((lines["deal"] == source) & ~lines["deleted"])
        names = ("product", "quantity", "unit", "discount", "subtotal", "total", "order", "owner")
        stamp = d["created"][clone]
        lines.append(len(mine), deal=clone, **{n: lines[n][mine] for n in names}, created=stamp, modified=stamp, stamp=stamp)
    return clones


def delete_deals(company: Company, deals_: Indexes, stamp: np.ndarray, *, booked: bool) -> None:
    """Move deals and their line items to the recycle bin; take back what had been booked."""
    d, lines = company.deals, company.lines
    stamp = np.broadcast_to(stamp, deals_.shape)
    d.update(deals_, deleted=True, stamp=stamp, modified=stamp)
    when = np.full(len(d), NO_STAMP)
    when[deals_] = stamp
    mine = np.flatnonzero(np.isin(lines["deal"], deals_) & ~lines["deleted"])
    lines.update(mine, deleted=True, stamp=when[lines["deal"][mine]], modified=when[lines["deal"][mine]])
    won = deals_[d["stage"][deals_] == WON]
    if booked:
        company.journal.post("bookings", d["close"][won], d["brand"][won], d["currency"][won], -d["amount"][won])
