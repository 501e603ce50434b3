"""Zuora: Account, Subscription, RatePlan, Invoice, Payment, Product."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sandbox.model import ids
from sandbox.model.arrow import choice, constant, date, digits, flag, hide, integer, join, money, nothing, number, stamp
from sandbox.model.brands import CATALOGUE
from sandbox.model.calendar import BUSINESS_START, add_months, seconds
from sandbox.model.codes import CANCELLATION, CHANGES, INVOICE_STATUS, PAYMENT_STATUS, POSTED, PROCESSED
from sandbox.model.company import Company
from sandbox.model.frame import NO_STAMP, NONE, Frame, Indexes
from sandbox.model.tables import salesforce_common as sf
from sandbox.model.tables.projection import Columns, Projection
from sandbox.model.vocabulary import CANCEL_REASONS
from sandbox.model.words import company_names, first_names, last_names, sometimes

METHODS = ("CreditCard", "ACH", "BankTransfer", "Check")
PERIODS = {1: 0, 3: 1, 12: 2}
PERIOD_NAMES = ("Month", "Quarter", "Annual")
_PERIOD_INDEX = np.array([PERIODS.get(i, 0) for i in range(13)])


def account_numbers(rows: Indexes) -> pa.Array:
    """Like A00000123."""
    return ids.numbered("A", rows)


def subscription_names(rows: Indexes) -> pa.Array:
    """Like A-S00000123."""
    return ids.numbered("A-S", rows)


def invoice_numbers(rows: Indexes) -> pa.Array:
    """Like INV00000123."""
    return ids.numbered("INV", rows)


def payment_numbers(rows: Indexes) -> pa.Array:
    """Like P-00000123."""
    return ids.numbered("P-", rows)


def customer_names(company: Company, billing_accounts: Indexes) -> pa.Array:
    """The name of the Salesforce account behind a billing account."""
    return company_names(company.chance, company.firms(company.billing_accounts["account"][billing_accounts]))


def _audit(frame: Frame, rows: Indexes) -> Columns:
    return {
        "CreatedById": ids.zuora("user", rows % 3),
        "CreatedDate": stamp(frame["created"][rows]),
        "UpdatedById": ids.zuora("user", rows % 5),
        "UpdatedDate": stamp(frame["stamp"][rows]),
    }


def _account(company: Company, rows: Indexes) -> Columns:
    b, chance, n = company.billing_accounts, company.chance, len(rows)
    account = b["account"][rows].astype(np.int64)
    seller = company.accounts["owner"][account].astype(np.int64) + (1 << 50)
    return {
        "Id": ids.zuora("account", rows),
        "AccountNumber": account_numbers(rows),
        "Name": customer_names(company, rows),
        "Brand__c": choice(sf.BRAND_NAMES, b["brand"][rows]),
        "CrmId": sf.ref(sf.ACCOUNT, account),
        "SalesRepName": join(first_names(chance, seller), " ", last_names(chance, seller)),
        "ParentId": nothing(n),
        "Currency": sf.currency(b["currency"][rows]),
        "Status": constant("Active", n),
        "Batch": join("Batch", digits(rows % 20 + 1)),
        "BillCycleDay": integer(b["cycle_day"][rows]),
        "PaymentTerm": join("Net ", digits(b["terms"][rows])),
        "AutoPay": flag(b["auto_pay"][rows]),
        "Balance": money(b["balance"][rows]),
        "TotalInvoiceBalance": money(b["balance"][rows]),
        "CreditBalance": money(np.zeros(n, np.int64)),
        "Mrr": money(b["mrr"][rows]),
        "CommunicationProfileId": ids.zuora("communication profile", b["brand"][rows].astype(np.int64)),
        "BillToId": ids.zuora("bill to", rows),
        "SoldToId": ids.zuora("sold to", rows),
        "DefaultPaymentMethodId": ids.zuora("payment method", np.where(b["auto_pay"][rows], rows, NONE)),
        "LastInvoiceDate": date(b["last_invoice"][rows]),
        "InvoiceTemplateId": ids.zuora("template", b["brand"][rows].astype(np.int64)),
        "AllowInvoiceEdit": flag(np.zeros(n, bool)),
        "Notes": sometimes(
            chance, "billing note", rows, 0.08, constant('PO required, "no PO no pay"\nSend copies to AP', n)
        ),
    } | _audit(b, rows)


def _subscription(company: Company, rows: Indexes) -> Columns:
    v, s, b, chance, n = company.versions, company.subscriptions, company.billing_accounts, company.chance, len(rows)
    sub = v["subscription"][rows].astype(np.int64)
    owner = s["billing_account"][sub].astype(np.int64)
    latest, cancelled = v["latest"][rows], v["change"][rows] == CANCELLATION
    first = _first_versions(company)[sub]
    status = np.where(latest, np.where(cancelled, 1, 0), 2)
    effective = s["effective"][sub]
    return {
        "Id": ids.zuora("subscription", rows),
        "Name": subscription_names(sub),
        "AccountId": ids.zuora("account", owner),
        "InvoiceOwnerId": ids.zuora("account", owner),
        "Brand__c": choice(sf.BRAND_NAMES, b["brand"][owner]),
        "Version": integer(v["number"][rows]),
        "IsLatestVersion": flag(latest),
        "OriginalId": ids.zuora("subscription", first),
        "PreviousSubscriptionId": ids.zuora("subscription", v["previous"][rows].astype(np.int64)),
        "OriginalCreatedDate": stamp(v["created"][first]),
        "Status": choice(("Active", "Cancelled", "Expired"), status),
        "TermType": constant("TERMED", n),
        "AutoRenew": flag(s["auto_renew"][sub]),
        "InitialTerm": integer(s["term"][sub]),
        "InitialTermPeriodType": constant("Month", n),
        "CurrentTerm": integer(v["current_term"][rows]),
        "RenewalTerm": integer(np.full(n, 12)),
        "ContractEffectiveDate": date(effective),
        "ServiceActivationDate": date(effective),
        "ContractAcceptanceDate": date(effective),
        "SubscriptionStartDate": date(effective),
        "SubscriptionEndDate": date(np.where(cancelled, v["cancelled"][rows], v["term_end"][rows])),
        "TermStartDate": date(v["term_start"][rows]),
        "TermEndDate": date(np.where(cancelled, v["cancelled"][rows], v["term_end"][rows])),
        "LastBookingDate": date(v["booked"][rows]),
        "CancelledDate": date(v["cancelled"][rows]),
        "CancelReason": hide(
            choice(CANCEL_REASONS, chance.pick("cancel reason", rows, len(CANCEL_REASONS))), ~cancelled
        ),
        "Currency__c": sf.currency(b["currency"][owner]),
        "MRR__c": money(v["mrr"][rows]),
        "ARR__c": money(v["mrr"][rows] * 12),
        "SFDC_Opportunity_Id__c": sf.ref(sf.OPPORTUNITY, v["deal"][rows].astype(np.int64)),
        "Change_Type__c": choice(CHANGES, v["change"][rows]),
        "Notes": sometimes(chance, "subscription note", rows, 0.05, constant("Imported from order form; see PDF", n)),
    } | _audit(v, rows)


def _first_versions(company: Company) -> Indexes:
    v = company.versions
    first = np.full(len(company.subscriptions), NONE, np.int64)
    ones = np.flatnonzero(v["number"] == 1)
    first[v["subscription"][ones]] = ones
    return first


def _rate_plan(company: Company, rows: Indexes) -> Columns:
    x, v, s = company.plans, company.versions, company.subscriptions
    version, product = x["version"][rows].astype(np.int64), x["product"][rows].astype(np.int64)
    sub = v["subscription"][version].astype(np.int64)
    change = v["change"][version].astype(int)
    amended = np.where(change > 0, version, NONE)
    return {
        "Id": ids.zuora("rate plan", rows),
        "Name": choice([p.name for p in CATALOGUE], product),
        "SubscriptionId": ids.zuora("subscription", version),
        "ProductId": ids.zuora("product", product),
        "ProductRatePlanId": ids.zuora("product rate plan", product),
        "OriginalRatePlanId": ids.zuora("original rate plan", sub * 3 + x["slot"][rows]),
        "AmendmentId": ids.zuora("amendment", amended),
        "AmendmentType": choice(
            ("NewProduct", "UpdateProduct", "UpdateProduct", "Renewal", "Cancellation"),
            np.where(change > 0, change, NONE),
        ),
        "LastChangeType": choice(("Add", "Update", "Update", "Update", "Remove"), change),
        "Quantity__c": number(x["quantity"][rows], 2),
        "Unit_Price__c": number(x["unit"][rows], 4),
        "MRR__c": money(x["mrr"][rows]),
        "Billing_Period__c": choice(PERIOD_NAMES, _PERIOD_INDEX[s["period"][sub]]),
    } | _audit(x, rows)


def _invoice(company: Company, rows: Indexes) -> Columns:
    i, b, n = company.invoices, company.billing_accounts, len(rows)
    owner, status = i["billing_account"][rows].astype(np.int64), i["status"][rows]
    net, tax = i["net"][rows], i["tax"][rows]
    posted = i["posted"][rows]
    run = np.where(i["one_time"][rows], NONE, i["date"][rows].astype(np.int64))
    return {
        "Id": ids.zuora("invoice", rows),
        "InvoiceNumber": invoice_numbers(rows),
        "AccountId": ids.zuora("account", owner),
        "Brand__c": choice(sf.BRAND_NAMES, b["brand"][owner]),
        "Subscription_Number__c": subscription_names(i["subscription"][rows].astype(np.int64)),
        "Currency": sf.currency(b["currency"][owner]),
        "Status": choice(INVOICE_STATUS, status),
        "InvoiceDate": date(i["date"][rows]),
        "TargetDate": date(i["date"][rows]),
        "DueDate": date(i["due"][rows]),
        "Service_Start_Date__c": date(i["service_start"][rows]),
        "Service_End_Date__c": date(i["service_end"][rows]),
        "Amount": money(net + tax),
        "AmountWithoutTax": money(net),
        "TaxAmount": money(tax),
        "TaxExemptAmount": money(i["exempt"][rows]),
        "PaymentAmount": money(i["paid"][rows]),
        "AdjustmentAmount": money(i["refunded"][rows]),
        "RefundAmount": money(i["refunded"][rows]),
        "Balance": money(company.balance(rows)),
        "AutoPay": flag(b["auto_pay"][owner]),
        "IncludesRecurring": flag(~i["one_time"][rows]),
        "IncludesOneTime": flag(i["one_time"][rows]),
        "IncludesUsage": flag(i["usage"][rows]),
        "Source": choice(("BillRun", "AdHoc"), i["one_time"][rows].astype(int)),
        "SourceId": hide(join("BR-", digits(np.maximum(run, 0), 8)), run < 0),
        "Comments": hide(constant("Professional services, as agreed", n), ~i["one_time"][rows]),
        "PostedBy": ids.zuora("user", np.where(np.isnat(posted), NONE, rows % 2)),
        "PostedDate": stamp(posted),
        "LastEmailSentDate": stamp(np.where(status == POSTED, posted + seconds(60), NO_STAMP)),
    } | _audit(i, rows)


def _payment(company: Company, rows: Indexes) -> Columns:
    p, i, b, chance, n = company.payments, company.invoices, company.billing_accounts, company.chance, len(rows)
    invoice = p["invoice"][rows].astype(np.int64)
    owner = i["billing_account"][invoice].astype(np.int64)
    good = p["status"][rows] == PROCESSED
    auto = b["auto_pay"][owner]
    method = np.where(
        auto, chance.weighted("method", owner, (0.8, 0.2)), 2 + chance.weighted("slow method", owner, (0.7, 0.3))
    )
    amount = p["amount"][rows]
    nothing_cents = np.zeros(n, np.int64)
    created = p["created"][rows]
    return {
        "Id": ids.zuora("payment", rows),
        "PaymentNumber": payment_numbers(rows),
        "AccountId": ids.zuora("account", owner),
        "Invoice_Id__c": ids.zuora("invoice", invoice),
        "Brand__c": choice(sf.BRAND_NAMES, b["brand"][owner]),
        "Currency": sf.currency(b["currency"][owner]),
        "Type": choice(("External", "Electronic"), auto.astype(int)),
        "Status": choice(PAYMENT_STATUS, p["status"][rows]),
        "Source": choice(("API", "PaymentRun"), auto.astype(int)),
        "EffectiveDate": date(p["date"][rows]),
        "Amount": money(amount),
        "AppliedAmount": money(np.where(good, amount, 0)),
        "UnappliedAmount": money(nothing_cents),
        "RefundAmount": money(p["refunded"][rows]),
        "AppliedCreditBalanceAmount": money(nothing_cents),
        "PaymentMethodId": ids.zuora("payment method", np.where(auto, owner, NONE)),
        "Payment_Method_Type__c": choice(METHODS, method),
        "Gateway": hide(constant("Stripe", n), ~auto),
        "GatewayResponse": hide(
            choice(("Approved", "Card declined: insufficient funds"), (~good).astype(int)), ~auto & good
        ),
        "GatewayResponseCode": hide(choice(("approved", "card_declined"), (~good).astype(int)), ~auto & good),
        "GatewayState": choice(("Settled", "NotSubmitted"), (~good).astype(int)),
        "ReferenceId": hide(join("ch_", ids.zuora("charge", rows)), ~auto),
        "Comment": hide(constant("Partial refund agreed with customer success", n), p["refunded"][rows] == 0),
        "SubmittedOn": stamp(np.where(auto, created, NO_STAMP)),
        "SettledOn": stamp(np.where(good, created, NO_STAMP)),
        "CancelledOn": stamp(np.full(n, NO_STAMP)),
    } | _audit(p, rows)


def _product(company: Company, rows: Indexes) -> Columns:
    n = len(rows)
    sold = [CATALOGUE[int(r)] for r in rows]
    return {
        "Id": ids.zuora("product", rows),
        "Name": pa.array([p.name for p in sold], pa.string()),
        "SKU": pa.array([p.sku for p in sold], pa.string()),
        "ProductNumber": ids.numbered("PC-", rows),
        "Description": pa.array([f"{p.name}, billed per month" for p in sold], pa.string()),
        "Category": pa.array([p.category for p in sold], pa.string()),
        "Product_Family__c": pa.array([p.family for p in sold], pa.string()),
        "Brand__c": choice(sf.BRAND_NAMES, company.products["brand"][rows]),
        "AllowFeatureChanges": flag(np.zeros(n, bool)),
        "EffectiveStartDate": date(np.full(n, BUSINESS_START)),
        "EffectiveEndDate": date(np.full(n, add_months(BUSINESS_START, 240))),
        "List_Price__c": number(np.array([p.unit_price for p in sold], np.int64), 4),
        "NetSuite_Item_Id__c": digits(item_ids(rows)),
    } | _audit(company.products, rows)


def item_ids(rows: Indexes) -> Indexes:
    """NetSuite's internal ids of the products."""
    return rows + 1001


BILLING_ACCOUNT = Projection("zuora", "Account", "zuora_account", "billing_accounts", "billing", "Id", _account)
SUBSCRIPTION = Projection("zuora", "Subscription", "zuora_subscription", "versions", "deals", "Id", _subscription)
RATE_PLAN = Projection("zuora", "RatePlan", "zuora_rate_plan", "plans", "contracts", "Id", _rate_plan)
INVOICE = Projection("zuora", "Invoice", "zuora_invoice", "invoices", "billing", "Id", _invoice)
PAYMENT = Projection("zuora", "Payment", "zuora_payment", "payments", "billing", "Id", _payment)
PRODUCT = Projection("zuora", "Product", "zuora_product", "products", "products", "Id", _product)
