"""NetSuite: customers, items and subscriptions, transactions (invoices and payments in one table), deleted records."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sandbox.model.arrow import choice, constant, date, digits, flag, hide, integer, join, money, number, stamp
from sandbox.model.brands import CATALOGUE
from sandbox.model.codes import CANCELED, CANCELLATION, POSTED
from sandbox.model.company import Company
from sandbox.model.frame import NONE, Frame, Indexes
from sandbox.model.tables import salesforce_common as sf
from sandbox.model.tables import zuora as z
from sandbox.model.tables.projection import Columns, Projection
from sandbox.model.words import company_names, domains, phones, place_column, streets

RATES = np.array([1_000_000_00, 1_272_500_00, 658_300_00], np.int64)
"""Units of 10^-8 USD per unit of each currency."""
CUSTOMER_BASE, SUBSCRIPTION_BASE, EMPLOYEE_BASE = 20_001, 300_001, 501
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def customer_ids(rows: Indexes) -> Indexes:
    """Internal ids of customers."""
    return np.where(rows < 0, rows, rows + CUSTOMER_BASE)


def invoice_ids(rows: Indexes) -> Indexes:
    """Internal ids of invoices: transactions share one counter, so invoices are odd and payments even."""
    return rows * 2 + 1_000_001


def payment_ids(rows: Indexes) -> Indexes:
    """Internal ids of payments."""
    return rows * 2 + 1_000_002


def customers_of(company: Company, billing_accounts: Indexes) -> Indexes:
    """The customer row that mirrors each billing account."""
    c = company.customers
    of = np.full(len(company.billing_accounts), NONE, np.int64)
    mirrored = np.flatnonzero(c["billing_account"] >= 0)
    of[c["billing_account"][mirrored]] = mirrored
    return of[billing_accounts]


def _customer(company: Company, rows: Indexes) -> Columns:
    c, b, chance, n = company.customers, company.billing_accounts, company.chance, len(rows)
    account, billing = c["account"][rows].astype(np.int64), c["billing_account"][rows].astype(np.int64)
    place = c["place"][rows].astype(np.int64)
    has = billing >= 0
    firm = company.firms(account)
    name = company_names(chance, firm)
    balance = np.where(has, b["balance"][billing], 0)
    overdue = np.where(has, _overdue(company)[billing], 0)
    number_ = hide(z.account_numbers(billing), ~has)
    effective = _first_orders(company)
    return {
        "id": integer(customer_ids(rows)),
        "entityid": join("CUST", digits(rows + 1, 6)),
        "externalid": number_,
        "companyname": name,
        "altname": name,
        "email": join("ap@", domains(chance, firm, place)),
        "phone": phones(chance, account, place),
        "url": hide(join("https://www.", domains(chance, firm, place)), ~chance.happens("url", rows, 0.5)),
        "isperson": flag(np.zeros(n, bool)),
        "isinactive": flag(np.zeros(n, bool)),
        "entitystatus": choice(("13", "6"), (~has).astype(int)),
        "category": choice(("Direct", "Agency", "Non Profit"), chance.weighted("category", account, (0.7, 0.2, 0.1))),
        "custentity_brand": choice(sf.BRAND_NAMES, c["brand"][rows]),
        "custentity_zuora_account_number": number_,
        "custentity_sfdc_account_id": sf.ref(sf.ACCOUNT, account),
        "subsidiary": integer(c["brand"][rows].astype(int) + 2),
        "currency": sf.currency(c["currency"][rows]),
        "terms": hide(join("Net ", digits(np.where(has, b["terms"][billing], 30))), ~has),
        "salesrep": integer(company.accounts["owner"][account] + EMPLOYEE_BASE),
        "parent": pa.nulls(n, pa.int64()),
        "balancesearch": money(balance),
        "overduebalancesearch": money(overdue),
        "unbilledorderssearch": money(np.zeros(n, np.int64)),
        "creditlimit": money(
            chance.between("credit limit", account, 1, 50) * 100_000, ~chance.happens("credit limit", account, 0.3)
        ),
        "defaultbillingaddress": join(
            streets(chance, account),
            "\n",
            place_column("city", place),
            " ",
            place_column("postal_code", place),
            "\n",
            place_column("country", place),
        ),
        "firstorderdate": date(np.where(has, effective[billing], np.datetime64("NaT", "D"))),
        "dateclosed": date(np.where(has, c["created"][rows].astype("M8[D]"), np.datetime64("NaT", "D"))),
        "datecreated": stamp(c["created"][rows]),
        "lastmodifieddate": stamp(c["stamp"][rows]),
    }


def _overdue(company: Company) -> np.ndarray:
    i = company.invoices
    late = np.flatnonzero((i["status"] == POSTED) & (i["due"] < company.today) & np.isnat(i["gone"]))
    out = np.zeros(len(company.billing_accounts), np.int64)
    np.add.at(out, i["billing_account"][late], company.balance(late))
    return out


def _first_orders(company: Company) -> np.ndarray:
    s = company.subscriptions
    first = np.full(len(company.billing_accounts), np.datetime64("2200-01-01", "D"))
    np.minimum.at(first, s["billing_account"], s["effective"])
    return first


def _transaction(company: Company, frame: Frame, rows: Indexes, billing: Indexes, dates: np.ndarray) -> Columns:
    """What invoices and payments have in common."""
    b = company.billing_accounts
    month = dates.astype("M8[M]").astype(int)
    currency = b["currency"][billing].astype(int)
    return {
        "entity": integer(customer_ids(customers_of(company, billing))),
        "custbody_brand": choice(sf.BRAND_NAMES, b["brand"][billing]),
        "custbody_zuora_account_number": z.account_numbers(billing),
        "trandate": date(dates),
        "postingperiod": join(choice(_MONTHS, month % 12), " ", digits(month // 12 + 1970)),
        "subsidiary": integer(b["brand"][billing].astype(int) + 2),
        "currency": sf.currency(currency),
        "exchangerate": number(RATES[currency], 8),
        "createddate": stamp(frame["mirrored"][rows]),
        "lastmodifieddate": stamp(frame["mirror_stamp"][rows]),
    }


def _invoice(company: Company, rows: Indexes) -> Columns:
    i, b, n = company.invoices, company.billing_accounts, len(rows)
    billing = i["billing_account"][rows].astype(np.int64)
    net, tax, balance = i["net"][rows], i["tax"][rows], company.balance(rows)
    voided = i["status"][rows] == CANCELED
    open_ = (balance > 0) & ~voided
    number_ = z.invoice_numbers(rows)
    return {
        "id": integer(invoice_ids(rows)),
        "type": constant("CustInvc", n),
        "transactionnumber": join("CUSTINVC", digits(rows + 1)),
        "tranid": number_,
        "externalid": number_,
        "custbody_zuora_invoice_number": number_,
        "status": choice(("B", "A", "V"), np.where(voided, 2, open_.astype(int))),
        "duedate": date(i["due"][rows]),
        "closedate": date(i["closed"][rows]),
        "posting": flag(~voided),
        "custbody_amount_net": money(net),
        "taxtotal": money(tax),
        "foreigntotal": money(net + tax),
        "foreignamountpaid": money(i["paid"][rows]),
        "foreignamountunpaid": money(balance),
        "memo": hide(constant("One-time services", n), ~i["one_time"][rows]),
        "terms": join("Net ", digits(b["terms"][billing])),
        "voided": flag(voided),
    } | _transaction(company, i, rows, billing, i["date"][rows])


def _payment(company: Company, rows: Indexes) -> Columns:
    p, i, n = company.payments, company.invoices, len(rows)
    invoice = p["invoice"][rows].astype(np.int64)
    billing = i["billing_account"][invoice].astype(np.int64)
    number_ = z.payment_numbers(rows)
    auto = company.billing_accounts["auto_pay"][billing]
    return {
        "id": integer(payment_ids(rows)),
        "type": constant("CustPymt", n),
        "transactionnumber": join("CUSTPYMT", digits(rows + 1)),
        "tranid": number_,
        "externalid": number_,
        "custbody_zuora_payment_number": number_,
        "custbody_applied_invoice": integer(invoice_ids(invoice)),
        "status": constant("C", n),
        "posting": flag(np.ones(n, bool)),
        "foreigntotal": money(p["amount"][rows]),
        "paymentmethod": choice(("Bank", "Card"), auto.astype(int)),
        "memo": hide(constant("Partly refunded", n), p["refunded"][rows] == 0),
        "voided": flag(np.zeros(n, bool)),
    } | _transaction(company, p, rows, billing, p["date"][rows])


def _subscription(company: Company, rows: Indexes) -> Columns:
    s, v, b = company.subscriptions, company.versions, company.billing_accounts
    billing, latest = s["billing_account"][rows].astype(np.int64), s["latest"][rows].astype(np.int64)
    mrr, cancelled = v["mrr"][latest], v["change"][latest] == CANCELLATION
    customer = customer_ids(customers_of(company, billing))
    name = z.subscription_names(rows)
    return {
        "id": integer(rows + SUBSCRIPTION_BASE),
        "name": name,
        "externalid": name,
        "customer": integer(customer),
        "billingaccount": integer(customer + 500_000),
        "custrecord_brand": choice(sf.BRAND_NAMES, b["brand"][billing]),
        "custrecord_zuora_subscription_number": name,
        "custrecord_zuora_account_number": z.account_numbers(billing),
        "billingsubscriptionstatus": choice(("ACTIVE", "TERMINATED"), cancelled.astype(int)),
        "subscriptionplan": integer(z.item_ids(_platforms(company)[latest])),
        "currency": sf.currency(b["currency"][billing]),
        "startdate": date(s["effective"][rows]),
        "enddate": date(np.where(cancelled, v["cancelled"][latest], v["term_end"][latest])),
        "initialterm": join(digits(s["term"][rows]), " Months"),
        "renewalnumber": integer(s["renewals"][rows]),
        "autorenewal": flag(s["auto_renew"][rows]),
        "frequency": choice(("MONTHLY", "QUARTERLY", "ANNUALLY"), np.array([0, 0, 0, 1] + [2] * 9)[s["period"][rows]]),
        "custrecord_monthly_amount": money(mrr),
        "custrecord_annual_amount": money(mrr * 12),
        "datecreated": stamp(s["synced"][rows]),
        "lastmodifieddate": stamp(s["stamp"][rows]),
    }


def _platforms(company: Company) -> Indexes:
    """The platform product of each version."""
    plans = company.plans
    of = np.zeros(len(company.versions), np.int64)
    platforms = np.flatnonzero(plans["slot"] == 0)
    of[plans["version"][platforms]] = plans["product"][platforms]
    return of


def _item(company: Company, rows: Indexes) -> Columns:
    n = len(rows)
    sold = [CATALOGUE[int(r)] for r in rows]
    sku, name = pa.array([p.sku for p in sold], pa.string()), pa.array([p.name for p in sold], pa.string())
    return {
        "id": integer(z.item_ids(rows)),
        "itemid": sku,
        "externalid": sku,
        "displayname": name,
        "fullname": join(choice(sf.BRAND_NAMES, company.products["brand"][rows]), " : ", sku),
        "salesdescription": join(name, ", billed per month"),
        "itemtype": constant("Service", n),
        "subtype": constant("Sale", n),
        "custitem_brand": choice(sf.BRAND_NAMES, company.products["brand"][rows]),
        "custitem_product_code": sku,
        "custitem_product_family": pa.array([p.family for p in sold], pa.string()),
        "isinactive": flag(np.zeros(n, bool)),
        "isfulfillable": flag(np.zeros(n, bool)),
        "incomeaccount": integer(np.full(n, 54)),
        "deferredrevenueaccount": integer(np.full(n, 117)),
        "custitem_base_price": number(np.array([p.unit_price for p in sold], np.int64), 4),
        "createddate": stamp(company.products["created"][rows]),
        "lastmodifieddate": stamp(company.products["stamp"][rows]),
    }


def _deleted(company: Company, rows: Indexes) -> Columns:
    x, n = company.deletions, len(rows)
    customer = x["customer"][rows].astype(np.int64)
    return {
        "recordid": integer(customer_ids(customer)),
        "recordtypeid": integer(np.full(n, -2)),
        "type": constant("customer", n),
        "name": company_names(company.chance, company.firms(company.customers["account"][customer])),
        "deleteddate": stamp(x["created"][rows]),
        "deletedby": integer(np.full(n, EMPLOYEE_BASE)),
    }


def _invoices_shown(company: Company, rows: Indexes) -> np.ndarray:
    return ~np.isnat(company.invoices["mirrored"][rows])


def _payments_shown(company: Company, rows: Indexes) -> np.ndarray:
    return ~np.isnat(company.payments["mirrored"][rows])


CUSTOMER = Projection("netsuite", "customer", "netsuite_customers", "customers", "billing", "id", _customer)
ITEM = Projection("netsuite", "item", "netsuite_products", "products", "products", "id", _item)
SUBSCRIPTION_MIRROR = Projection(
    "netsuite",
    "subscription",
    "netsuite_subscriptions",
    "subscriptions",
    "contracts",
    "id",
    _subscription,
    created="synced",
)
INVOICE_MIRROR = Projection(
    "netsuite", "transaction", "netsuite_invoices", "invoices", "billing", "id", _invoice, _invoices_shown, "mirrored"
)
PAYMENT_MIRROR = Projection(
    "netsuite", "transaction", "netsuite_payments", "payments", "billing", "id", _payment, _payments_shown, "mirrored"
)
DELETED_RECORD = Projection("netsuite", "DeletedRecord", None, "deletions", "users", "recordid", _deleted)
