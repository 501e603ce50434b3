"""Subscriptions, their versions and rate plans: every change is a new version, and is posted to the books."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sandbox.model.brands import COMMERCIAL, PER_BRAND, PRODUCT_PRICE
from sandbox.model.calendar import Dates, add_months, days, seconds
from sandbox.model.codes import CANCELLATION, DOWNGRADE, RENEWAL, UPGRADE
from sandbox.model.company import Company
from sandbox.model.frame import NONE, Indexes
from sandbox.model.money import monthly

SLOTS = 3
"""A subscription has a platform, a volume product, and perhaps an add-on."""


class Plans(NamedTuple):
    """What subscriptions consist of, by subscription (or version) and slot.

    `product` is a catalogue row, -1 in an empty slot; `quantity` counts 1/100, `unit` is a month's price in 1/10,000.
    """

    product: np.ndarray
    quantity: np.ndarray
    unit: np.ndarray

    def at(self, rows: Indexes) -> Plans:
        """The plans of some rows, as a copy."""
        return Plans(*(column[rows] for column in self))

    def mrr(self) -> np.ndarray:
        """Cents a month by row and slot."""
        return np.where(self.product >= 0, monthly(self.quantity, self.unit), 0)


def start_subscriptions(company: Company, owner: Indexes, effective: Dates, created: Dates) -> Indexes:
    """Subscriptions without versions yet."""
    chance, b = company.chance, company.billing_accounts
    keys = np.arange(len(company.subscriptions), len(company.subscriptions) + len(owner), dtype=np.int64)
    month = effective.astype("M8[M]").astype("M8[D]")
    first = month + days(b["cycle_day"][owner].astype(int) - 1)
    first = np.where(first < effective, add_months(first, 1), first)
    return company.subscriptions.append(
        len(owner),
        billing_account=owner,
        effective=effective,
        period=np.array([1, 3, 12])[chance.weighted("period", keys, (0.6, 0.12, 0.28))],
        auto_renew=chance.happens("auto renew", keys, 0.8),
        term=np.array([12, 24, 36])[chance.weighted("term", keys, (0.8, 0.15, 0.05))],
        first_bill=first,
        created=created,
        synced=np.minimum(created + seconds(1200), company.now),
        stamp=np.minimum(created + seconds(1200), company.now),
    )


def first_plans(company: Company, subscriptions: Indexes) -> Plans:
    """What new subscriptions begin with."""
    chance = company.chance
    owner = company.subscriptions["billing_account"][subscriptions]
    brand = company.billing_accounts["brand"][owner].astype(int)
    commercial = np.isin(brand, COMMERCIAL)
    product = np.stack(
        [
            brand * PER_BRAND + chance.weighted("platform", subscriptions, (0.5, 0.33, 0.17)),
            brand * PER_BRAND + 3,
            np.where(
                chance.happens("add-on", subscriptions, 0.3),
                brand * PER_BRAND + 4 + chance.pick("which add-on", subscriptions, 2),
                NONE,
            ),
        ],
        axis=1,
    )
    contacts = np.exp(chance.uniform("audience", subscriptions) * 4.2 + np.where(commercial, 5.5, 10.0)).astype(
        np.int64
    )
    ones = np.full(len(subscriptions), 100, np.int64)
    quantity = np.stack([ones, contacts // 5 * 500 + chance.pick("odd lot", subscriptions, 4) * 25 + 500, ones], axis=1)
    off = 100 - chance.weighted("negotiated", subscriptions, (0.5, 0.0, 0.0, 0.0, 0.0, 0.2, 0.0, 0.1, 0.0, 0.0, 0.2))
    unit = PRODUCT_PRICE[np.maximum(product, 0)] * off[:, None] // 100
    return Plans(product, quantity, unit)


def changed_plans(company: Company, change: np.ndarray, keys: Indexes, plans: Plans) -> Plans:
    """The plans after a change: more or less volume, an add-on more, or a higher price at renewal."""
    chance = company.chance
    product, quantity, unit = (column.copy() for column in plans)
    up, down, renew = change == UPGRADE, change == DOWNGRADE, change == RENEWAL
    adds = up & (product[:, 2] < 0) & chance.happens("adds an add-on", keys, 0.35)
    platform = product[:, 0] - product[:, 0] % PER_BRAND
    product[:, 2] = np.where(adds, platform + 4 + chance.pick("added add-on", keys, 2), product[:, 2])
    unit[:, 2] = np.where(adds, PRODUCT_PRICE[np.maximum(product[:, 2], 0)], unit[:, 2])
    volume = quantity[:, 1]
    more = volume * chance.between("growth", keys, 115, 185) // 10_000 * 100 + 500
    less = volume * chance.between("shrink", keys, 45, 85) // 10_000 * 100 + 100
    quantity[:, 1] = np.where(up & ~adds, more, np.where(down, np.minimum(less, volume - 25), volume))
    raised = unit[:, 0] * (100 + chance.between("uplift", keys, 0, 6)) // 100
    unit[:, 0] = np.where(renew, raised, unit[:, 0])
    return Plans(product, quantity, unit)


def add_versions(
    company: Company,
    sub: Indexes,
    change: np.ndarray,
    booked: Dates,
    stamps: Dates,
    *,
    cancelled: Dates,
    plans: Plans,
) -> Indexes:
    """Append versions in order of time (a subscription may have several), with plans, and post the ARR they change."""
    s, v = company.subscriptions, company.versions
    mrr = plans.mrr().sum(axis=1)
    at_row = len(v) + np.arange(len(sub), dtype=np.int64)
    order = np.lexsort((at_row, sub))
    same = np.zeros(len(sub), bool)
    same[1:] = sub[order][1:] == sub[order][:-1]
    before = np.where(same, np.roll(at_row[order], 1), s["latest"][sub[order]])
    previous = np.empty(len(sub), np.int64)
    previous[order] = before
    rank = np.arange(len(sub)) - np.searchsorted(sub[order], sub[order])
    number = np.empty(len(sub), np.int64)
    number[order] = rank + 1 + _versions_so_far(company, sub[order])
    old_mrr = np.where(previous >= len(v), mrr[np.maximum(previous - len(v), 0)], 0)
    known = (previous >= 0) & (previous < len(v))
    old_mrr[known] = v["mrr"][previous[known]]
    renewals = _renewals_so_far(order, sub, change) + s["renewals"][sub]
    term = s["term"][sub].astype(int)
    start = np.where(renewals > 0, add_months(s["effective"][sub], term + 12 * (renewals - 1)), s["effective"][sub])
    current = np.where(renewals > 0, 12, term)
    rows = v.append(
        len(sub),
        subscription=sub,
        number=number,
        change=change,
        booked=booked,
        mrr=mrr,
        previous=previous,
        term_start=start,
        term_end=add_months(start, current),
        current_term=current,
        cancelled=cancelled,
        latest=False,
        created=stamps,
        stamp=stamps,
    )
    replaced = previous[previous >= 0]
    heirs = rows[previous >= 0]
    v.update(replaced, latest=False, stamp=v["created"][heirs])
    last = order[np.append(sub[order][1:] != sub[order][:-1], True)]
    v.update(rows[last], latest=True)
    s.update(
        sub[last],
        latest=rows[last],
        renewals=renewals[last],
        cancelled=cancelled[last],
        stamp=np.minimum(stamps[last] + seconds(1200), company.now),
    )
    _add_plans(company, rows, plans)
    _post_arr(company, rows, old_mrr)
    return rows


def _versions_so_far(company: Company, sub: Indexes) -> np.ndarray:
    latest = company.subscriptions["latest"][sub]
    if not len(company.versions):
        return np.zeros(len(sub), np.int64)
    return np.where(latest >= 0, company.versions["number"][latest], 0)


def _renewals_so_far(order: np.ndarray, sub: Indexes, change: np.ndarray) -> np.ndarray:
    renewed = (change[order] == RENEWAL).astype(np.int64)
    running = renewed.cumsum()
    first = np.searchsorted(sub[order], sub[order])
    out = np.empty(len(sub), np.int64)
    out[order] = running - running[first] + renewed[first]
    return out


def _add_plans(company: Company, versions: Indexes, plans: Plans) -> None:
    row, slot = np.nonzero(plans.product >= 0)
    stamps = company.versions["created"][versions[row]]
    company.plans.append(
        len(row),
        version=versions[row],
        slot=slot,
        product=plans.product[row, slot],
        quantity=plans.quantity[row, slot],
        unit=plans.unit[row, slot],
        mrr=plans.mrr()[row, slot],
        created=stamps,
        stamp=stamps,
    )


def _post_arr(company: Company, versions: Indexes, old_mrr: np.ndarray) -> None:
    """What the new versions add to (or take from) recurring revenue, on the day they take effect."""
    v, s, b = company.versions, company.subscriptions, company.billing_accounts
    sub = v["subscription"][versions]
    owner = s["billing_account"][sub]
    starts = np.maximum(v["booked"][versions], s["effective"][sub])
    gone = v["change"][versions] == CANCELLATION
    when = np.where(gone, np.maximum(v["cancelled"][versions], starts), starts)
    delta = 12 * np.where(gone, -old_mrr, v["mrr"][versions] - old_mrr)
    company.journal.post("arr", when, b["brand"][owner], b["currency"][owner], delta)
