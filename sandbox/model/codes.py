"""What the small integers in the frames stand for."""

from __future__ import annotations

import numpy as np

from sandbox.model.vocabulary import PLACES

ROLES = (
    "System Integration",
    "Chief Revenue Officer",
    "VP Sales",
    "Account Executive",
    "Account Manager",
    "Sales Development",
    "Marketing Operations",
    "Customer Success Manager",
)

CAMPAIGN_KINDS = ("Email", "Webinar", "Conference", "Advertisement", "Direct Mail", "Referral Program", "Content")
MEMBER_STATUS = ("Sent", "Opened", "Registered", "Attended", "Responded")
RESPONDED = 2
"""Member statuses from here on count as a response."""

PROSPECT, ACTIVE, CHURNED = range(3)
CUSTOMER_STATUS = ("Prospect", "Active", "Churned")

STAGES = ("Prospecting", "Qualification", "Proposal", "Negotiation", "Closed Won", "Closed Lost")
WON, LOST = 4, 5
NEW_BUSINESS, EXPANSION, RENEWAL_DEAL = range(3)
DEAL_TYPES = ("New Business", "Expansion", "Renewal")

NEW, UPGRADE, DOWNGRADE, RENEWAL, CANCELLATION = range(5)
CHANGES = ("New", "Upgrade", "Downgrade", "Renewal", "Cancellation")

DRAFT, POSTED, CANCELED = range(3)
INVOICE_STATUS = ("Draft", "Posted", "Canceled")
PROCESSED, FAILED = range(2)
PAYMENT_STATUS = ("Processed", "Error")

NEW_LEAD, WORKING, NURTURING, UNQUALIFIED, CONVERTED = range(5)
LEAD_STATUS = ("New", "Working", "Nurturing", "Unqualified", "Converted")

PLACE_CURRENCY = np.array([p.currency for p in PLACES], np.int8)
PLACE_TAX = np.array([p.tax for p in PLACES], np.int64)
