"""Deals that are won, and what happens to contracts: new, upgraded, downgraded, renewed, cancelled."""

from __future__ import annotations

import numpy as np

from sandbox.model.calendar import Dates, days, seconds
from sandbox.model.codes import (
    CANCELLATION,
    DOWNGRADE,
    EXPANSION,
    NEW,
    NEW_BUSINESS,
    RENEWAL,
    RENEWAL_DEAL,
    UPGRADE,
    WON,
)
from sandbox.model.day.clock import Day
from sandbox.model.day.leads import add_deals
from sandbox.model.day.pipeline import open_deals
from sandbox.model.frame import NO_DATE, NONE, Indexes
from sandbox.model.operations.customers import add_customers, open_billing_accounts
from sandbox.model.operations.deals import add_lines, clone_deals, primary_contacts, sold
from sandbox.model.operations.subscriptions import (
    SLOTS,
    Plans,
    add_versions,
    changed_plans,
    first_plans,
    start_subscriptions,
)


def wins(day: Day) -> None:
    """New business: customers, subscriptions, and a deal that somebody enters twice."""
    company, d, b = day.company, day.company.deals, day.company.billing_accounts
    candidates = np.intersect1d(open_deals(day), np.flatnonzero(d["kind"] == NEW_BUSINESS))
    deals = day.pick("won", candidates, day.count(2, at_least=2))
    pairs = d["account"][deals].astype(np.int64) * 8 + d["brand"][deals]
    deals = deals[np.sort(np.unique(pairs, return_index=True)[1])]
    stamps = day.office("won", len(deals), 15, 21)
    account, brand = d["account"][deals].astype(np.int64), d["brand"][deals].astype(np.int64)
    existing = {int(k): i for i, k in enumerate(b["account"].astype(np.int64) * 8 + b["brand"])}
    owner = np.array([existing.get(int(k), NONE) for k in account * 8 + brand], np.int64)
    fresh = owner < 0
    owner[fresh] = open_billing_accounts(company, account[fresh], brand[fresh], stamps[fresh] + seconds(900))
    add_customers(company, owner[fresh], stamps[fresh] + seconds(900))
    later = company.chance.between("start delay", day.keys(len(deals)), 0, 6)
    subscriptions = start_subscriptions(company, owner, day.date + days(later), stamps + seconds(960))
    versions = _amend(day, subscriptions, np.full(len(deals), NEW), stamps + seconds(960))
    _close(day, deals, versions, stamps)
    _enter_twice(day, deals)


def changes(day: Day) -> None:
    """Upgrades and renewals (each with a deal of its own), downgrades and cancellations."""
    s, v = day.company.subscriptions, day.company.versions
    end = v["term_end"][s["latest"]]
    running = np.flatnonzero(np.isnat(s["cancelled"]) & (s["effective"] <= day.date))
    due = np.intersect1d(running, np.flatnonzero(end <= day.date))
    leaving = due[day.company.chance.happens(f"leaves {day.date}", due, 0.13)]
    renewing = np.setdiff1d(due, leaving)
    if not len(renewing):
        rest = np.setdiff1d(running, due)
        renewing = rest[np.argsort(end[rest], kind="stable")[: day.count(1)]]
    taken = np.concatenate([leaving, renewing])
    upgraded = day.pick("upgraded", np.setdiff1d(running, taken), day.count(1.2, at_least=1))
    taken = np.concatenate([taken, upgraded])
    reduced = day.pick("downgraded", np.setdiff1d(running, taken), day.count(0.4))
    taken = np.concatenate([taken, reduced])
    leaving = np.union1d(leaving, day.pick("cancelled", np.setdiff1d(running, taken), day.count(0.3)))
    for rows, change in ((renewing, RENEWAL), (upgraded, UPGRADE)):
        _with_deal(day, rows, change)
    for rows, change in ((reduced, DOWNGRADE), (leaving, CANCELLATION)):
        versions = _amend(day, rows, np.full(len(rows), change), day.office(f"change {change}", len(rows)))
        v.update(versions, deal=v["deal"][v["previous"][versions]])
    ending = np.flatnonzero((s["cancelled"] > day.start.astype("M8[D]")) & (s["cancelled"] <= day.night))
    day.billed.append(s["billing_account"][ending].astype(np.int64))


def _amend(day: Day, subscriptions: Indexes, change: np.ndarray, stamps: Dates) -> Indexes:
    """A new version of each subscription, booked on the day of its stamp."""
    company, s, v, x = day.company, day.company.subscriptions, day.company.versions, day.company.plans
    plans = first_plans(company, subscriptions)
    old = s["latest"][subscriptions].astype(np.int64)
    if (old >= 0).any():
        slots = np.full((len(v), SLOTS), NONE, np.int64)
        slots[x["version"], x["slot"]] = x.rows
        plan = slots[old]
        plans = Plans(np.where(plan >= 0, x["product"][plan], NONE), x["quantity"][plan], x["unit"][plan])
        plans = changed_plans(company, change, subscriptions * 4096 + v["number"][old] + 1, plans)
    booked = stamps.astype("M8[D]")
    notice = company.chance.happens(f"immediately {day.date}", subscriptions, 0.5)
    leaves = np.where(change == CANCELLATION, np.where(notice, booked, booked + days(30)), NO_DATE)
    versions = add_versions(company, subscriptions, change, booked, stamps, cancelled=leaves, plans=plans)
    day.billed.append(s["billing_account"][subscriptions].astype(np.int64))
    return versions


def _with_deal(day: Day, subscriptions: Indexes, change: int) -> None:
    """A deal, opened in the morning unless there is an open one, and won in the afternoon with the new version."""
    company, s, b, d = day.company, day.company.subscriptions, day.company.billing_accounts, day.company.deals
    owner = s["billing_account"][subscriptions].astype(np.int64)
    account, brand = b["account"][owner].astype(np.int64), b["brand"][owner].astype(np.int64)
    stamps = day.office(f"signed {change}", len(subscriptions), 17, 22)
    deals = np.full(len(subscriptions), NONE, np.int64)
    if change == UPGRADE:
        waiting = open_deals(day)
        waiting = waiting[d["kind"][waiting] == EXPANSION]
        of = {(int(d["account"][w]), int(d["brand"][w])): int(w) for w in waiting}
        deals = np.array(
            [of.pop((int(a), int(k)), NONE) for a, k in zip(account, brand, strict=True)], np.int64
        ).reshape(-1)
    missing = deals < 0
    opened = day.office(f"opened {change}", int(missing.sum()), 13, 16)
    kind = EXPANSION if change == UPGRADE else RENEWAL_DEAL
    deals[missing] = add_deals(
        day, account[missing], brand[missing], kind, opened, contact=primary_contacts(company, account[missing])
    )
    versions = _amend(day, subscriptions, np.full(len(subscriptions), change), stamps + seconds(600))
    _close(day, deals, versions, stamps)


def _close(day: Day, deals: Indexes, versions: Indexes, stamps: Dates) -> None:
    """Win the deals: what was offered is replaced by what was signed, and booked."""
    company, d, lines, v = day.company, day.company.deals, day.company.lines, day.company.versions
    when = np.full(len(d), stamps[0] if len(stamps) else day.start)
    when[deals] = stamps
    offered = np.flatnonzero(np.isin(lines["deal"], deals) & ~lines["deleted"])
    day.change(lines, offered, when[lines["deal"][offered]] - seconds(120), deleted=True)
    offer = sold(company, versions, deals)
    add_lines(company, offer, when[offer.deal] - seconds(60))
    day.change(
        d,
        deals,
        stamps,
        stage=WON,
        stage_changed=stamps,
        close=stamps.astype("M8[D]"),
        subscription=v["subscription"][versions],
        term=v["current_term"][versions],
        active_on=day.date,
    )
    v.update(versions, deal=deals)
    company.journal.post("bookings", d["close"][deals], d["brand"][deals], d["currency"][deals], d["amount"][deals])
    day.credited.append(d["campaign"][deals][d["campaign"][deals] >= 0].astype(np.int64))


def _enter_twice(day: Day, deals: Indexes) -> None:
    """One won deal is cloned by mistake. It counts as booked until somebody deletes it on another day."""
    company, d = day.company, day.company.deals
    chosen = day.pick("cloned", deals, 1)
    clones = clone_deals(company, chosen, d["stage_changed"][chosen] + seconds(1800))
    company.journal.post("bookings", d["close"][clones], d["brand"][clones], d["currency"][clones], d["amount"][clones])
