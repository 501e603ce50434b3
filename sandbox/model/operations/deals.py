"""Salesforce opportunities and their line items."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sandbox.model.brands import COMMERCIAL, PER_BRAND, PRODUCT_PRICE, SELLING
from sandbox.model.calendar import Dates
from sandbox.model.codes import UPGRADE, WON
from sandbox.model.company import Company
from sandbox.model.frame import NO_STAMP, NONE, Indexes
from sandbox.model.money import rounded, yearly
from sandbox.model.operations.subscriptions import SLOTS


class Offer(NamedTuple):
    """Lines of deals, ordered by deal: quantities in 1/100, monthly unit prices in 1/10,000, discounts in percent."""

    deal: Indexes
    product: np.ndarray
    quantity: np.ndarray
    unit: np.ndarray
    discount: np.ndarray

    @classmethod
    def ordered(cls, *columns: np.ndarray) -> Offer:
        """The lines in the order of their deals."""
        order = np.argsort(columns[0], kind="stable")
        return cls(*(column[order] for column in columns))


def add_lines(company: Company, offer: Offer, created: Dates) -> None:
    """Line items, priced per year, and the amounts they give their deals; `created` is by line."""
    lines, deals = company.lines, company.deals
    subtotal = yearly(offer.quantity, offer.unit)
    total = rounded(subtotal * (100 - offer.discount), 100)
    touched, position, count = np.unique(offer.deal, return_inverse=True, return_counts=True)
    lines.append(
        len(offer.deal),
        deal=offer.deal,
        product=offer.product,
        quantity=offer.quantity,
        unit=offer.unit * 12,
        discount=offer.discount,
        subtotal=subtotal,
        total=total,
        order=np.arange(len(position)) - np.searchsorted(offer.deal, offer.deal) + 1,
        owner=deals["owner"][offer.deal],
        created=created,
        modified=created,
        stamp=created,
    )
    amount, quantity = np.zeros((2, len(touched)), np.int64)
    np.add.at(amount, position, total)
    np.add.at(quantity, position, offer.quantity)
    deals.update(touched, amount=amount, arr=amount, quantity=quantity, lines=count, priced=True)


def sold(company: Company, versions: Indexes, deals: Indexes) -> Offer:
    """What each version's deal sold: all of a new or renewed contract, only the difference of an upgrade."""
    v, plans = company.versions, company.plans
    slots = np.full((len(v), SLOTS), NONE, np.int64)
    slots[plans["version"], plans["slot"]] = plans.rows
    position, slot = np.nonzero(slots[versions] >= 0)
    plan = slots[versions[position], slot]
    upgraded = v["change"][versions[position]] == UPGRADE
    previous = np.where(upgraded, v["previous"][versions[position]], NONE)
    before = np.where(previous >= 0, slots[previous, slot], NONE)
    quantity = plans["quantity"][plan] - np.where(before >= 0, plans["quantity"][before], 0)
    position, plan, quantity = (column[quantity > 0] for column in (position, plan, quantity))
    return Offer.ordered(
        deals[position], plans["product"][plan], quantity, plans["unit"][plan], np.zeros(len(plan), np.int64)
    )


def drawn(company: Company, deals: Indexes) -> Offer:
    """What open or lost deals offer: one to three lines each. `deals` ascending."""
    chance, d = company.chance, company.deals
    count = chance.weighted("deal lines", deals, (0, 0.35, 0.45, 0.2))
    deal = np.repeat(deals, count)
    nth = np.arange(len(deal)) - np.repeat(np.cumsum(count) - count, count)
    keys = deal * 4 + nth
    brand = d["brand"][deal].astype(int)
    platform = chance.pick("deal platform", keys, 3)
    product = brand * PER_BRAND + np.where(nth == 0, platform, np.where(nth == 1, 3, 4))
    size = chance.uniform("deal volume", keys) * 3.5 + np.where(np.isin(brand, COMMERCIAL), 6.0, 10.5)
    quantity = np.where(nth == 1, np.exp(size).astype(np.int64) * 100, 100)
    discount = np.array([0, 0, 5, 10, 12, 15, 20])[chance.pick("deal discount", deal, 7)]
    return Offer(deal, product, quantity, PRODUCT_PRICE[product], discount)


def deal_campaigns(
    company: Company, purpose: str, *, keys: Indexes, brand: Any, currency: Any, created: Dates
) -> Indexes:
    """The campaign a deal is credited to, if any: same brand and currency, begun before the deal."""
    chance, campaigns = company.chance, company.campaigns
    out = np.full(len(keys), NONE, np.int64)
    credited = chance.happens(f"{purpose} credited", keys, 0.45)
    for group in range(SELLING * 3):
        mine = np.flatnonzero(credited & (brand == group % SELLING) & (currency == group // SELLING))
        choice = np.flatnonzero(
            (campaigns["brand"] == group % SELLING)
            & (campaigns["currency"] == group // SELLING)
            & ~campaigns["deleted"]
        )
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
    copied = (
        "account",
        "brand",
        "currency",
        "kind",
        "stage",
        "close",
        "amount",
        "lines",
        "quantity",
        "arr",
        "term",
        "contact",
        "subscription",
        "owner",
    )
    clones = d.append(
        len(deals_),
        **{name: d[name][deals_] for name in copied},
        clone_of=deals_,
        created=created,
        modified=created,
        stamp=created,
        stage_changed=created,
        active_on=created.astype("M8[D]"),
    )
    clone_of = np.full(len(d), NONE, np.int64)
    clone_of[deals_] = clones
    mine = np.flatnonzero((clone_of[lines["deal"]] >= 0) & ~lines["deleted"])
    clone = clone_of[lines["deal"][mine]]
    stamp = d["created"][clone]
    names = ("product", "quantity", "unit", "discount", "subtotal", "total", "order", "owner")
    lines.append(
        len(mine), deal=clone, **{n: lines[n][mine] for n in names}, created=stamp, modified=stamp, stamp=stamp
    )
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
