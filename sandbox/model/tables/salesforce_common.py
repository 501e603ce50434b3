"""What every Salesforce object shows: references, and who touched it when."""

from __future__ import annotations

import pyarrow as pa

from sandbox.model import ids
from sandbox.model.arrow import choice, flag, stamp
from sandbox.model.brands import BRANDS, CURRENCIES
from sandbox.model.company import Company
from sandbox.model.frame import Frame, Indexes
from sandbox.model.tables.projection import Columns

ACCOUNT, CONTACT, LEAD, OPPORTUNITY, CAMPAIGN, MEMBER, LINE, USER = (
    "001",
    "003",
    "00Q",
    "006",
    "701",
    "00v",
    "00k",
    "005",
)
PRODUCT, PRICEBOOK, PRICEBOOK_ENTRY, ROLE, PROFILE = "01t", "01s", "01u", "00E", "00e"
BRAND_NAMES = tuple(b.name for b in BRANDS)


def ref(prefix: str, values: Indexes) -> pa.Array:
    """References to another object's rows."""
    return ids.salesforce(prefix, values)


def audit(company: Company, frame: Frame, rows: Indexes) -> Columns:
    """The audit fields; every third row was last touched by the integration user."""
    owner = frame["owner"][rows]
    by_integration = company.chance.happens("touched by integration", rows, 0.33)
    return {
        "CreatedDate": stamp(frame["created"][rows]),
        "CreatedById": ref(USER, owner),
        "LastModifiedDate": stamp(frame["modified"][rows]),
        "LastModifiedById": ref(USER, (~by_integration) * owner),
        "SystemModstamp": stamp(frame["stamp"][rows]),
    }


def head(prefix: str, frame: Frame, rows: Indexes) -> Columns:
    """Id and the soft-delete flag."""
    return {"Id": ref(prefix, rows), "IsDeleted": flag(frame["deleted"][rows])}


def currency(codes: Indexes) -> pa.Array:
    """ISO codes."""
    return choice(CURRENCIES, codes)
