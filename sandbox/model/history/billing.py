"""Three years of bill runs, payments, failures, refunds and open balances."""

from __future__ import annotations

import numpy as np

from sandbox.model.calendar import add_months, at, days, months_between, seconds
from sandbox.model.codes import CANCELED, DRAFT, POSTED, PROCESSED
from sandbox.model.company import Company
from sandbox.model.frame import NO_STAMP, Indexes
from sandbox.model.operations.billing import (
    BILL_RUN,
    add_invoices,
    add_payments,
    mirror,
    mrr_on,
    refresh_balances,
    refund,
)


def billing(company: Company) -> None:
    """Every invoice since the start, and what was paid of it."""
    _invoices(company)
    _one_offs(company)
    _payments(company)
    i, p = company.invoices, company.payments
    voided = (
        (i["status"] == CANCELED)
        & company.chance.happens("void mirrored", i.rows, 0.6)
        & (i["date"] < company.today - days(5))
    )
    mirror(company, np.flatnonzero((i["status"] == POSTED) | voided), np.flatnonzero(p["status"] == PROCESSED))
    refresh_balances(company, company.billing_accounts.rows)
    _stamps(company)


def _invoices(company: Company) -> None:
    s, chance = company.subscriptions, company.chance
    end = np.where(np.isnat(s["cancelled"]), company.today + days(1), s["cancelled"])
    runs = months_between(s["first_bill"], end) // s["period"] + 1
    runs = np.where(s["first_bill"] < end, np.maximum(runs, 0), 0)
    subscription = np.repeat(s.rows, runs)
    nth = np.arange(len(subscription)) - np.repeat(np.cumsum(runs) - runs, runs)
    date = add_months(s["first_bill"][subscription], nth * s["period"][subscription])
    due = (date < end[subscription]) & (date <= company.today)
    order = np.lexsort((subscription[due], date[due]))
    subscription, date = subscription[due][order], date[due][order]
    keys = np.arange(len(subscription), dtype=np.int64)
    overage = chance.happens("overage", keys, 0.06)
    net = mrr_on(company, subscription, date) * s["period"][subscription]
    net = net + np.where(overage, rounded_share(net, chance.between("overage share", keys, 1, 30)), 0)
    recent = date > company.today - days(3)
    draw = chance.uniform("invoice status", keys)
    status = np.where(recent & (draw < 0.2), DRAFT, np.where(draw > 0.988, CANCELED, POSTED))
    created = at(date, BILL_RUN + chance.pick("bill run", keys, 40) * 60)
    posted = np.where(status == DRAFT, NO_STAMP, created + seconds(1800))
    add_invoices(
        company, subscription, date, net, status=status, created=created, posted=posted, one_time=False, usage=overage
    )


def rounded_share(cents: np.ndarray, percent: np.ndarray) -> np.ndarray:
    """percent/100 of the cents, down."""
    return cents * percent // 100


def _one_offs(company: Company) -> None:
    """Services invoiced by hand, among them drafts of the last days."""
    s, chance = company.subscriptions, company.chance
    n = company.count(70, at_least=12)
    keys = np.arange(n, dtype=np.int64)
    begun = np.flatnonzero(s["effective"] < company.today - days(10))
    subscription = np.sort(begun[chance.pick("one-off", keys, len(begun))])
    span = (company.today - s["effective"][subscription]).astype(int)
    draft = keys >= n - company.count(6, at_least=6)
    age = np.where(draft, 1 + keys % 2, 3 + (chance.uniform("one-off age", keys) * (span - 3)).astype(int))
    date = company.today - days(age)
    created = at(date, BILL_RUN + 5400 + keys % 900)
    net = chance.between("one-off amount", keys, 8, 300) * 2500
    status = np.where(draft, DRAFT, POSTED)
    posted = np.where(draft, NO_STAMP, created + seconds(900))
    add_invoices(company, subscription, date, net, status=status, created=created, posted=posted, one_time=True)


def _payments(company: Company) -> None:
    i, b, chance, today = company.invoices, company.billing_accounts, company.chance, company.today
    keys = i.rows
    auto = b["auto_pay"][i["billing_account"]]
    late = chance.between("payment delay", keys, -12, 21)
    when = np.where(
        auto,
        i["date"] + days(chance.pick("auto pay day", keys, 2)),
        np.maximum(i["due"] + days(late), i["date"] + days(1)),
    )
    never = chance.happens("never paid", keys, 0.02)
    failed = chance.happens("payment fails", keys, 0.03)
    total = i["net"] + i["tax"]
    billed = (i["status"] == POSTED) & ~never & (total > 0)
    fails = np.flatnonzero(billed & failed & (when <= today))
    pays = np.flatnonzero(billed & (when + days(failed * 3) <= today))
    partly = chance.happens("pays in part", pays, 0.02)
    amount = np.where(partly, total[pays] * 60 // 100, total[pays])
    date = np.concatenate([when[fails], (when + days(failed * 3))[pays]])
    invoice = np.concatenate([fails, pays])
    amount = np.concatenate([total[fails], amount])
    bad = np.arange(len(invoice)) < len(fails)
    stamp = at(date, BILL_RUN + 2700 + chance.pick("payment minute", invoice, 60) * 60)
    order = np.lexsort((invoice, stamp))
    invoice, amount, date, stamp, bad = (c[order] for c in (invoice, amount, date, stamp, bad))
    add_payments(company, invoice, amount, date, stamp, failed=bad)
    _refunds(company)


def _refunds(company: Company) -> None:
    p, i, chance = company.payments, company.invoices, company.chance
    whole = (p["status"] == PROCESSED) & (p["amount"] == (i["net"] + i["tax"])[p["invoice"]])
    when = p["created"] + seconds(chance.between("refund after", p.rows, 3, 20) * 86_400)
    rows: Indexes = np.flatnonzero(whole & chance.happens("refunded", p.rows, 0.015) & (when < company.now))
    refund(company, rows, rounded_share(p["amount"][rows], chance.between("refund share", rows, 10, 60)), when[rows])


def _stamps(company: Company) -> None:
    """Billing accounts and customers last changed with their last document."""
    b, i, c, s = company.billing_accounts, company.invoices, company.customers, company.subscriptions
    stamp = b["created"].copy()
    np.maximum.at(stamp, i["billing_account"], i["stamp"])
    np.maximum.at(stamp, s["billing_account"], np.minimum(s["stamp"], company.now))
    b.update(b.rows, stamp=stamp)
    mirrored = np.flatnonzero(c["billing_account"] >= 0)
    synced = np.minimum(stamp[c["billing_account"][mirrored]] + seconds(1800), company.now - seconds(60))
    c.update(mirrored, stamp=np.maximum(c["created"][mirrored], synced))
