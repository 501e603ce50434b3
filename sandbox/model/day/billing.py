"""The night: drafts of before, the bill run, payments, failures, refunds, and the copy to NetSuite."""

from __future__ import annotations

import numpy as np

from sandbox.model.calendar import days, months_between, seconds
from sandbox.model.codes import DRAFT, POSTED, PROCESSED
from sandbox.model.day.clock import Day
from sandbox.model.frame import NO_STAMP, Indexes
from sandbox.model.operations.billing import (
    BILL_RUN,
    SYNC,
    add_invoices,
    add_payments,
    cancel,
    mirror,
    mrr_on,
    post,
    refresh_balances,
    refund,
)
from sandbox.model.operations.customers import refresh_customers


def drafts(day: Day) -> None:
    """Drafts of earlier days: one is deleted, one cancelled when there are enough, the others are posted."""
    i = day.company.invoices
    waiting = np.flatnonzero((i["status"] == DRAFT) & np.isnat(i["gone"]))
    one_off = waiting[i["one_time"][waiting]]
    deleted = day.pick("draft deleted", one_off, day.count(0.5))
    i.update(deleted, gone=day.office("draft deleted", len(deleted)))
    rest = np.setdiff1d(waiting, deleted)
    dropped = day.pick("draft cancelled", rest, day.count(0.3)) if len(rest) > 2 else rest[:0]
    cancel(day.company, dropped, day.office("draft cancelled", len(dropped)), mirrored=False)
    posted = np.setdiff1d(rest, dropped)
    post(day.company, posted, np.broadcast_to(day.tonight(BILL_RUN + 1200), posted.shape))


def bill_run(day: Day) -> None:
    """Invoices of subscriptions whose billing day it is, and some written by hand."""
    company, s, b, chance = day.company, day.company.subscriptions, day.company.billing_accounts, day.company.chance
    owner = s["billing_account"]
    turn = (b["cycle_day"][owner] == int((day.night - day.night.astype("M8[M]").astype("M8[D]")).astype(int)) + 1) & (
        s["first_bill"] <= day.night
    )
    months = months_between(s["first_bill"], day.night)
    rows = np.flatnonzero(turn & (months % s["period"] == 0) & ~(s["cancelled"] <= day.night))
    date = np.full(len(rows), day.night)
    net = mrr_on(company, rows, date) * s["period"][rows]
    over = chance.happens(f"overage {day.night}", rows, 0.06)
    net = net + np.where(over, net * chance.between(f"overage share {day.night}", rows, 1, 30) // 100, 0)
    draft = chance.happens(f"draft {day.night}", rows, 0.12)
    created = day.tonight(BILL_RUN + chance.pick(f"bill run {day.night}", rows, 15) * 60)
    _add(day, rows, net, draft=draft, created=created, one_time=False, usage=over)
    running = np.flatnonzero(np.isnat(s["cancelled"]) & (s["effective"] <= day.date))
    by_hand = day.pick("one-off", running, day.count(6, at_least=6))
    net = chance.between(f"one-off amount {day.night}", by_hand, 8, 300) * 2500
    draft = np.arange(len(by_hand)) % 2 == 0
    _add(
        day,
        by_hand,
        net,
        draft=draft,
        created=day.tonight(BILL_RUN + 600 + np.arange(len(by_hand)) % 600),
        one_time=True,
        usage=False,
    )


def _add(
    day: Day,
    rows: Indexes,
    net: np.ndarray,
    *,
    draft: np.ndarray,
    created: np.ndarray,
    one_time: bool,
    usage: np.ndarray | bool,
) -> None:
    add_invoices(
        day.company,
        rows,
        np.full(len(rows), day.night),
        net,
        status=np.where(draft, DRAFT, POSTED),
        created=created,
        posted=np.where(draft, NO_STAMP, created + seconds(600)),
        one_time=one_time,
        usage=usage,
    )


def collections(day: Day) -> None:
    """Payments for what is due, one that fails, a refund, an invoice taken back; NetSuite and the balances follow."""
    company, i, b, p, chance = (
        day.company,
        day.company.invoices,
        day.company.billing_accounts,
        day.company.payments,
        day.company.chance,
    )
    owed = np.flatnonzero((i["status"] == POSTED) & (company.balance(i.rows) > 0))
    auto = b["auto_pay"][i["billing_account"][owed]]
    tonight = i["posted"][owed] >= day.tonight(0)
    ripe = owed[~tonight & (i["date"][owed] < day.night - days(8)) & (i["paid"][owed] == 0)]
    fresh = owed[auto & tonight & chance.happens("card works", owed, 0.97)]
    declined = np.union1d(owed[auto & tonight & ~np.isin(owed, fresh)], day.pick("declined", ripe, day.count(0.3)))
    paying = day.pick("paying", np.setdiff1d(ripe, declined), max(day.count(2, at_least=2), len(ripe) // 20))
    for invoices, failed in ((declined, True), (np.union1d(fresh, paying), False)):
        stamps = day.tonight(BILL_RUN + 2700 + chance.pick(f"payment minute {failed} {day.night}", invoices, 55) * 60)
        add_payments(
            company, invoices, company.balance(invoices), np.full(len(invoices), day.night), stamps, failed=failed
        )
    whole = (p["status"] == PROCESSED) & (p["refunded"] == 0) & (p["amount"] == (i["net"] + i["tax"])[p["invoice"]])
    recent = np.flatnonzero(
        whole & (p["created"] < day.start) & (p["date"] > day.date - days(90)) & (p["amount"] > 100)
    )
    refunded = day.pick("refunded", recent, day.count(0.5))
    refund(company, refunded, p["amount"][refunded] * 30 // 100, day.office("refunded", len(refunded)))
    tried = np.isin(i.rows, p["invoice"])
    unpaid = np.flatnonzero(
        (i["status"] == POSTED) & ~tried & (i["created"] < day.start) & (i["date"] > day.date - days(60))
    )
    dropped = day.pick("taken back", np.setdiff1d(unpaid, i.touched()), day.count(0.3))
    cancel(company, dropped, day.office("taken back", len(dropped)), mirrored=True)
    _follow(day)


def _follow(day: Day) -> None:
    company, i, p, b, c = (
        day.company,
        day.company.invoices,
        day.company.payments,
        day.company.billing_accounts,
        day.company.customers,
    )
    invoices = i.touched()
    sync = day.tonight(SYNC + 1500)
    payments = p.touched()
    mirror(
        company,
        invoices[(i["status"][invoices] == POSTED) | ~np.isnat(i["mirrored"][invoices])],
        payments[p["status"][payments] == PROCESSED],
        sync,
    )
    billed = np.unique(np.concatenate([i["billing_account"][invoices].astype(np.int64), *day.billed]))
    refresh_balances(company, billed)
    changed = refresh_customers(company, billed)
    day.change(company.accounts, changed, day.tonight(BILL_RUN + 300))
    b.update(billed, stamp=np.maximum(b["stamp"][billed], day.tonight(BILL_RUN + 6600)))
    mirrored = np.flatnonzero(np.isin(c["billing_account"], billed))
    c.update(mirrored, stamp=sync + seconds(600))
