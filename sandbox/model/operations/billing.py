"""Invoices and payments in Zuora, their mirrors in NetSuite, and what they post to the books."""

from __future__ import annotations

from typing import Any

import numpy as np

from sandbox.model.calendar import Dates, add_months, days, seconds
from sandbox.model.codes import CANCELED, FAILED, PLACE_TAX, POSTED, PROCESSED
from sandbox.model.company import Company
from sandbox.model.frame import Indexes
from sandbox.model.money import rounded

BILL_RUN = 2 * 3600
"""The nightly bill run, in seconds after midnight UTC."""
SYNC = 4 * 3600
"""When NetSuite begins to copy the night's documents."""


def mrr_on(company: Company, subscriptions: Indexes, dates: Dates) -> np.ndarray:
    """Monthly cents of the version in effect on each date (the first version before its booking)."""
    v = company.versions
    order = np.lexsort((v["number"], v["subscription"]))
    horizon = 1 << 20
    keys = v["subscription"][order].astype(np.int64) * horizon + v["booked"][order].astype(np.int64)
    wanted = subscriptions.astype(np.int64) * horizon + dates.astype("M8[D]").astype(np.int64)
    found = np.searchsorted(keys, wanted, side="right") - 1
    found = np.maximum(found, np.searchsorted(v["subscription"][order], subscriptions))
    return v["mrr"][order][found]


def add_invoices(
    company: Company,
    subscription: Indexes,
    date: Dates,
    net: Any,
    *,
    status: Any,
    created: Dates,
    posted: Dates,
    one_time: bool,
    usage: Any = False,
) -> Indexes:
    """Add invoices with the tax of the customer's place; posted ones go to the books and to NetSuite."""
    b, s = company.billing_accounts, company.subscriptions
    owner = s["billing_account"][subscription]
    net = np.asarray(net, np.int64)
    exempt = b["exempt"][owner]
    tax = np.where(exempt, 0, rounded(net * PLACE_TAX[b["place"][owner]], 10_000))
    stamp = np.where(np.isnat(posted), created, posted)
    rows = company.invoices.append(
        len(subscription),
        billing_account=owner,
        subscription=subscription,
        date=date,
        due=date + days(b["terms"][owner]),
        service_start=date,
        service_end=date if one_time else add_months(date, s["period"][subscription]) - days(1),
        net=net,
        tax=tax,
        exempt=np.where(exempt, net, 0),
        one_time=one_time,
        usage=usage,
        status=status,
        posted=posted,
        created=created,
        stamp=stamp,
    )
    _book(company, rows[np.asarray(status) == POSTED])
    return rows


def post(company: Company, invoices: Indexes, stamp: Dates) -> None:
    """Turn drafts into posted invoices."""
    company.invoices.update(invoices, status=POSTED, posted=stamp, stamp=stamp)
    _book(company, invoices)


def _book(company: Company, rows: Indexes) -> None:
    i, b = company.invoices, company.billing_accounts
    owner = i["billing_account"][rows]
    net, tax = i["net"][rows], i["tax"][rows]
    company.journal.post("invoiced", i["date"][rows], b["brand"][owner], b["currency"][owner], net + tax)
    company.journal.post("invoiced_net", i["date"][rows], b["brand"][owner], b["currency"][owner], net)


def cancel(company: Company, invoices: Indexes, stamp: Dates, *, mirrored: bool) -> None:
    """Cancel drafts or unpaid posted invoices (voided in NetSuite where mirrored), and take them off the books."""
    i, b = company.invoices, company.billing_accounts
    booked = invoices[i["status"][invoices] == POSTED]
    owner = i["billing_account"][booked]
    net, tax = i["net"][booked], i["tax"][booked]
    company.journal.post("invoiced", i["date"][booked], b["brand"][owner], b["currency"][owner], -net - tax)
    company.journal.post("invoiced_net", i["date"][booked], b["brand"][owner], b["currency"][owner], -net)
    i.update(invoices, status=CANCELED, stamp=stamp)
    if mirrored:
        i.update(invoices, mirror_stamp=stamp + seconds(1500))


def add_payments(
    company: Company, invoice: Indexes, amount: Any, date: Dates, stamp: Dates, *, failed: Any = False
) -> Indexes:
    """Payments of invoices (one per invoice and call); those that did not fail go to the invoice and to the books."""
    i, b = company.invoices, company.billing_accounts
    failed = np.broadcast_to(np.asarray(failed, bool), invoice.shape)
    amount = np.broadcast_to(np.asarray(amount, np.int64), invoice.shape)
    date, stamp = np.broadcast_to(date, invoice.shape), np.broadcast_to(stamp, invoice.shape)
    rows = company.payments.append(
        len(invoice),
        invoice=invoice,
        date=date,
        amount=amount,
        status=np.where(failed, FAILED, PROCESSED),
        created=stamp,
        stamp=stamp,
    )
    good = ~failed
    of, cents = invoice[good], amount[good]
    paid = i["paid"][of] + cents
    closed = np.where(paid >= i["net"][of] + i["tax"][of], date[good], np.datetime64("NaT", "D"))
    i.update(of, paid=paid, closed=closed, stamp=np.maximum(i["stamp"][of], stamp[good]))
    owner = i["billing_account"][of]
    company.journal.post("collected", date[good], b["brand"][owner], b["currency"][owner], cents)
    return rows


def refund(company: Company, payments: Indexes, cents: Any, stamp: Dates) -> None:
    """Pay part of a payment back, against a credit of the same amount: the invoice's balance stays as it was."""
    p, i, b = company.payments, company.invoices, company.billing_accounts
    cents = np.asarray(cents, np.int64)
    invoice = p["invoice"][payments]
    p.update(payments, refunded=p["refunded"][payments] + cents, stamp=stamp)
    i.update(invoice, refunded=i["refunded"][invoice] + cents, stamp=np.maximum(i["stamp"][invoice], stamp))
    owner = i["billing_account"][invoice]
    company.journal.post("collected", p["date"][payments], b["brand"][owner], b["currency"][owner], -cents)


def mirror(company: Company, invoices: Indexes, payments: Indexes, stamp: Dates | None = None) -> None:
    """Bring NetSuite's copies up to date; `stamp` is when, by default the sync after the document's last change."""
    for frame, rows in ((company.invoices, invoices), (company.payments, payments)):
        changed = frame["stamp"][rows]
        when = np.broadcast_to(_next_sync(company, changed) if stamp is None else stamp, rows.shape)
        first = frame["mirrored"][rows]
        created = when if stamp is not None else np.minimum(_next_sync(company, frame["created"][rows]), when)
        frame.update(rows, mirrored=np.where(np.isnat(first), created, first), mirror_stamp=when)


def _next_sync(company: Company, stamps: Dates) -> Dates:
    """The first sync at or after each stamp, spread over 90 minutes, but before now."""
    midnight = stamps.astype("M8[D]").astype("M8[s]")
    tonight = midnight + seconds(SYNC + (midnight - stamps).astype(np.int64) % 5400)
    synced = np.where(tonight >= stamps, tonight, tonight + seconds(86_400))
    return np.minimum(synced, company.now - seconds(60))


def refresh_balances(company: Company, billing_accounts: Indexes) -> None:
    """Bring the open balance and last invoice date of billing accounts up to date."""
    i, b = company.invoices, company.billing_accounts
    live = np.flatnonzero((i["status"] == POSTED) & np.isnat(i["gone"]))
    owner = i["billing_account"][live]
    balance = np.zeros(len(b), np.int64)
    np.add.at(balance, owner, company.balance(live))
    last = np.full(len(b), np.datetime64("1970-01-01", "D"))
    np.maximum.at(last, owner, i["date"][live])
    known = last > np.datetime64("1970-01-01", "D")
    last = np.where(known, last, np.datetime64("NaT", "D"))
    b.update(billing_accounts, balance=balance[billing_accounts], last_invoice=last[billing_accounts])
