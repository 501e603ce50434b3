"""Accounts in Zuora, customers in NetSuite, and what their contracts make of the Salesforce account."""

from __future__ import annotations

import numpy as np

from sandbox.model.calendar import Dates, seconds
from sandbox.model.codes import ACTIVE, CHURNED, PLACE_CURRENCY, PLACE_TAX
from sandbox.model.company import Company
from sandbox.model.frame import Indexes
from sandbox.model.vocabulary import INDUSTRIES, NOT_FOR_PROFIT


def open_billing_accounts(company: Company, account: Indexes, brand: Indexes, created: Dates) -> Indexes:
    """Zuora accounts for customers of a brand."""
    chance, keys = company.chance, account * 8 + brand
    place = company.accounts["place"][account]
    charity = chance.pick("industry", account, len(INDUSTRIES)) == NOT_FOR_PROFIT
    return company.billing_accounts.append(
        len(account),
        account=account,
        brand=brand,
        currency=PLACE_CURRENCY[place],
        place=place,
        cycle_day=chance.between("bill cycle", keys, 1, 28),
        terms=np.array([15, 30, 30, 45])[chance.pick("terms", keys, 4)],
        auto_pay=chance.happens("auto pay", keys, 0.6),
        exempt=charity & (PLACE_TAX[place] > 0),
        created=created,
        stamp=created,
    )


def add_customers(company: Company, billing_accounts: Indexes, created: Dates) -> Indexes:
    """The NetSuite customers that mirror Zuora accounts."""
    b = company.billing_accounts
    synced = np.minimum(created + seconds(900), company.now)
    return company.customers.append(
        len(billing_accounts),
        billing_account=billing_accounts,
        account=b["account"][billing_accounts],
        brand=b["brand"][billing_accounts],
        currency=b["currency"][billing_accounts],
        place=b["place"][billing_accounts],
        created=synced,
        stamp=synced,
    )


def add_lone_customers(company: Company, account: Indexes, created: Dates) -> Indexes:
    """NetSuite customers that somebody entered by hand for prospects: no Zuora account, no transactions."""
    a = company.accounts
    return company.customers.append(
        len(account),
        account=account,
        brand=a["brand"][account],
        currency=PLACE_CURRENCY[a["place"][account]],
        place=a["place"][account],
        created=created,
        stamp=created,
    )


def lone_customer_candidates(company: Company) -> Indexes:
    """Prospects that finance does not know yet."""
    a = company.accounts
    known = np.concatenate([company.billing_accounts["account"], company.customers["account"]])
    return np.setdiff1d(np.flatnonzero((a["brand"] >= 0) & ~a["deleted"]), known)


def refresh_customers(company: Company, billing_accounts: Indexes) -> Indexes:
    """Bring MRR of billing accounts and status of their Salesforce accounts up to date; returns changed accounts."""
    s, v, b, a = company.subscriptions, company.versions, company.billing_accounts, company.accounts
    alive = ~(s["cancelled"] <= company.today)
    mrr = np.bincount(s["billing_account"], np.where(alive, v["mrr"][s["latest"]], 0), len(b)).astype(np.int64)
    b.update(billing_accounts, mrr=mrr[billing_accounts])
    owner = b["account"][s["billing_account"]]
    active = np.bincount(owner, alive, len(a)) > 0
    since = np.full(len(a), np.datetime64("2200-01-01", "D"))
    np.minimum.at(since, owner, s["effective"])
    account = np.unique(b["account"][billing_accounts])
    status = np.where(active, ACTIVE, CHURNED)
    changed = account[(a["status"][account] != status[account]) | (a["since"][account] != since[account])]
    a.update(changed, status=status[changed], since=since[changed])
    return changed
