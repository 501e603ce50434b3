"""The business as rows: one projection per table of a source system, columns named by the source's field names."""

from __future__ import annotations

from sandbox.model.tables.netsuite import (
    CUSTOMER,
    DELETED_RECORD,
    INVOICE_MIRROR,
    ITEM,
    PAYMENT_MIRROR,
    SUBSCRIPTION_MIRROR,
)
from sandbox.model.tables.projection import Projection
from sandbox.model.tables.salesforce_account import ACCOUNT
from sandbox.model.tables.salesforce_campaign import CAMPAIGN, CAMPAIGN_MEMBER
from sandbox.model.tables.salesforce_opportunity import OPPORTUNITY, OPPORTUNITY_LINE_ITEM
from sandbox.model.tables.salesforce_people import CONTACT, LEAD, USER
from sandbox.model.tables.zuora import BILLING_ACCOUNT, INVOICE, PAYMENT, PRODUCT, RATE_PLAN, SUBSCRIPTION

PROJECTIONS: tuple[Projection, ...] = (
    USER,
    ACCOUNT,
    CONTACT,
    LEAD,
    CAMPAIGN,
    CAMPAIGN_MEMBER,
    OPPORTUNITY,
    OPPORTUNITY_LINE_ITEM,
    BILLING_ACCOUNT,
    SUBSCRIPTION,
    RATE_PLAN,
    INVOICE,
    PAYMENT,
    PRODUCT,
    CUSTOMER,
    ITEM,
    SUBSCRIPTION_MIRROR,
    INVOICE_MIRROR,
    PAYMENT_MIRROR,
    DELETED_RECORD,
)

__all__ = ["PROJECTIONS", "Projection"]
