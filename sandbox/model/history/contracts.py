"""Who bought what: billing accounts, subscriptions, their versions and rate plans, and the deals that were won."""

from __future__ import annotations

import numpy as np

from sandbox.model.calendar import Dates, add_months, days, seconds
from sandbox.model.codes import CANCELLATION, DOWNGRADE, NEW, RENEWAL, UPGRADE
from sandbox.model.company import Company
from sandbox.model.frame import NO_DATE, Indexes
from sandbox.model.history.stamps import office_hours
from sandbox.model.operations.customers import (
    add_customers,
    add_lone_customers,
    lone_customer_candidates,
    open_billing_accounts,
    refresh_customers,
)
from sandbox.model.operations.subscriptions import (
    SLOTS,
    Plans,
    add_versions,
    changed_plans,
    first_plans,
    start_subscriptions,
)


def contracts(company: Company) -> None:
    """Turn accounts into customers and let their subscriptions change over the years."""
    bought = _first_purchases(company)
    _billing_accounts(company, *bought)
    _subscriptions(company)
    refresh_customers(company, company.billing_accounts.rows)


def _first_purchases(company: Company) -> tuple[Indexes, Indexes, Dates]:
    """(account, brand, date of the first booking) per customer and brand, in order of time."""
    a, chance = company.accounts, company.chance
    old_enough = a["created"] < company.now - days(15)
    buys = (chance.happens("customer", a.rows, 0.27) | (a["other_brand"] >= 0)) & old_enough & (a["brand"] >= 0)
    account = np.concatenate([np.flatnonzero(buys), np.flatnonzero(buys & (a["other_brand"] >= 0))])
    second = np.arange(len(account)) >= int(buys.sum())
    brand = np.where(second, a["other_brand"][account], a["brand"][account])
    keys = account * 8 + brand
    created = a["created"][account].astype("M8[D]")
    cycle = chance.between("sales cycle", keys, 12, 110) + second * chance.between("second brand", keys, 40, 500)
    room = (company.today - created).astype(int) - 2
    fits = cycle <= room
    cycle = np.where(fits, cycle, 3 + (chance.uniform("short cycle", keys) * (room - 3)).astype(int))
    booked = created + days(cycle)
    order = np.argsort(booked, kind="stable")
    return account[order], brand[order], booked[order]


def _billing_accounts(company: Company, account: Indexes, brand: Indexes, booked: Dates) -> None:
    created = office_hours(company, "billing account", account * 8 + brand, booked)
    open_billing_accounts(company, account, brand, created)
    add_customers(company, company.billing_accounts.rows, created)
    _customers_without_billing(company)


def _customers_without_billing(company: Company) -> None:
    a = company.accounts
    chosen = company.chance.sample("lone customer", lone_customer_candidates(company), company.count(10, at_least=4))
    add_lone_customers(company, chosen, a["created"][chosen] + seconds(1800))


def _subscriptions(company: Company) -> None:
    b, chance = company.billing_accounts, company.chance
    twice = chance.happens("second subscription", b.rows, 0.06) & (b["created"] < company.now - days(80))
    owner = np.concatenate([b.rows, np.flatnonzero(twice)])
    second = np.arange(len(owner)) >= len(b)
    delay = second * chance.between("second subscription after", owner, 20, 75)
    booked = b["created"][owner].astype("M8[D]") + days(delay)
    order = np.argsort(booked, kind="stable")
    owner, booked = owner[order], booked[order]
    keys = np.arange(len(owner), dtype=np.int64)
    effective = booked + days(
        np.where(chance.happens("starts later", keys, 0.15), chance.between("start delay", keys, 1, 20), 0)
    )
    created = np.where(
        second[order], office_hours(company, "subscription", keys, booked), b["created"][owner] + seconds(60)
    )
    start_subscriptions(company, owner, effective, created)
    _changes(company, booked)


def _changes(company: Company, booked: Dates) -> None:
    """Draw every subscription's changes up to today and write versions and plans in order."""
    s = company.subscriptions
    sub, when, change, cancelled = _planned_changes(company, booked)
    order = np.lexsort((change, when, sub))
    sub, when, change, cancelled = sub[order], when[order], change[order], cancelled[order]
    number = np.arange(len(sub)) - np.searchsorted(sub, sub) + 1
    plans = Plans(*np.zeros((3, len(sub), SLOTS), np.int64))
    current = first_plans(company, s.rows)
    for version in range(1, int(number.max(initial=0)) + 1):
        at_version = np.flatnonzero(number == version)
        mine = sub[at_version]
        state = current.at(mine)
        if version > 1:
            state = changed_plans(company, change[at_version], mine * 64 + version, state)
        for held, new, out in zip(current, state, plans, strict=True):
            held[mine] = new
            out[at_version] = new
    stamps = np.where(number == 1, s["created"][sub], office_hours(company, "version", sub * 64 + number, when))
    time = np.lexsort((sub, when))
    add_versions(
        company, sub[time], change[time], when[time], stamps[time], cancelled=cancelled[time], plans=plans.at(time)
    )


def _planned_changes(company: Company, booked: Dates) -> tuple[Indexes, Dates, np.ndarray, Dates]:
    s, chance, today = company.subscriptions, company.chance, company.today
    found = [(s.rows, booked, np.full(len(s), NEW), np.full(len(s), NO_DATE))]
    alive = np.ones(len(s), bool)
    term_left = s["term"].astype(int)
    for year in range(3):
        keys = s.rows * 4 + year
        start = add_months(s["effective"], 12 * year)
        for change, share in ((UPGRADE, 0.33), (DOWNGRADE, 0.08)):
            when = start + days(chance.between(f"day of {change}", keys, 45, 330))
            rows = np.flatnonzero(alive & chance.happens(f"change {change}", keys, share) & (when <= today))
            found.append((rows, when[rows], np.full(len(rows), change), np.full(len(rows), NO_DATE)))
        end = add_months(start, 12)
        leaves_early = chance.happens("cancels early", keys, 0.05)
        leaves = alive & (leaves_early | ((term_left <= 12) & chance.happens("cancels", keys, 0.13)))
        told = np.where(
            leaves_early,
            start + days(chance.between("told early", keys, 331, 350)),
            end - days(chance.pick("notice", keys, 12)),
        )
        rows = np.flatnonzero(leaves & (told <= today))
        notice = np.where(chance.happens("immediately", keys, 0.4), told, np.maximum(end, told))
        found.append((rows, told[rows], np.full(len(rows), CANCELLATION), notice[rows]))
        alive = alive & ~leaves
        rows = np.flatnonzero(alive & (term_left <= 12) & (end <= today))
        found.append((rows, end[rows], np.full(len(rows), RENEWAL), np.full(len(rows), NO_DATE)))
        term_left = np.where(term_left <= 12, 12, term_left - 12)
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))  # type: ignore[return-value]
