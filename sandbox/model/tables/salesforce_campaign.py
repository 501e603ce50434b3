"""Salesforce: Campaign and its members."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.model import vocabulary as v
from sandbox.model.arrow import choice, date, digits, flag, integer, join, money, number
from sandbox.model.codes import CAMPAIGN_KINDS, CONVERTED, MEMBER_STATUS, RESPONDED, WON
from sandbox.model.company import Company
from sandbox.model.frame import Indexes
from sandbox.model.tables import salesforce_common as sf
from sandbox.model.tables.projection import Columns, Projection
from sandbox.model.words import company_names, sometimes


def _campaign(company: Company, rows: Indexes) -> Columns:
    c, chance = company.campaigns, company.chance
    counts = _campaign_counts(company)
    begun, over = c["start"][rows] <= company.today, c["end"][rows] < company.today
    status = np.where(over, 2, np.where(begun, 1, 0))
    budget = c["budget"][rows]
    kind, brand = c["kind"][rows].astype(int), c["brand"][rows].astype(int)
    title = join(
        choice(sf.BRAND_NAMES, brand),
        " ",
        choice(CAMPAIGN_KINDS, kind),
        " ",
        digits(c["start"][rows].astype("M8[Y]").astype(int) + 1970),
        " #",
        digits(rows + 1, 3),
    )
    sent = counts["sent"][rows]
    return (
        sf.head(sf.CAMPAIGN, c, rows)
        | {
            "Name": title,
            "ParentId": sf.ref(sf.CAMPAIGN, c["parent"][rows]),
            "Type": choice(CAMPAIGN_KINDS, kind),
            "Status": choice(("Planned", "In Progress", "Completed"), status),
            "Brand__c": choice(sf.BRAND_NAMES, brand),
            "StartDate": date(c["start"][rows]),
            "EndDate": date(c["end"][rows], chance.happens("open end", rows, 0.05)),
            "IsActive": flag(begun & ~over),
            "BudgetedCost": money(budget),
            "ActualCost": money(budget * chance.between("cost", rows, 60, 130) // 100, ~begun),
            "ExpectedRevenue": money(budget * 5, ~chance.happens("revenue expected", rows, 0.7)),
            "ExpectedResponse": number(chance.between("response", rows, 50, 1200), 2),
            "NumberSent": number(sent * 3, 0),
            "NumberOfLeads": integer(counts["leads"][rows]),
            "NumberOfConvertedLeads": integer(counts["converted"][rows]),
            "NumberOfContacts": integer(counts["contacts"][rows]),
            "NumberOfResponses": integer(counts["responses"][rows]),
            "NumberOfOpportunities": integer(counts["deals"][rows]),
            "NumberOfWonOpportunities": integer(counts["won"][rows]),
            "AmountAllOpportunities": money(counts["amount"][rows]),
            "AmountWonOpportunities": money(counts["won_amount"][rows]),
            "CurrencyIsoCode": sf.currency(c["currency"][rows]),
            "OwnerId": sf.ref(sf.USER, c["owner"][rows]),
        }
        | sf.audit(company, c, rows)
    )


def _campaign_counts(company: Company) -> dict[str, np.ndarray]:
    """Salesforce's roll-ups: members and opportunities of each campaign that are not deleted."""
    m, d, x, n = company.members, company.deals, company.leads, len(company.campaigns)
    live = ~m["deleted"] & np.isnat(m["gone"])
    campaign = m["campaign"]
    is_lead = live & (m["lead"] >= 0)
    converted = is_lead & (x["status"][m["lead"]] == CONVERTED) if len(x) else is_lead
    credited = (d["campaign"] >= 0) & ~d["deleted"] & np.isnat(d["gone"])
    won = credited & (d["stage"] == WON)

    def count(of: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.bincount(of[mask], minlength=n)

    def total(mask: np.ndarray) -> np.ndarray:
        out = np.zeros(n, np.int64)
        np.add.at(out, d["campaign"][mask], d["amount"][mask])
        return out

    return {
        "sent": count(campaign, live),
        "leads": count(campaign, is_lead),
        "contacts": count(campaign, live & ~is_lead),
        "converted": count(campaign, converted),
        "responses": count(campaign, live & (m["status"] >= RESPONDED)),
        "deals": count(d["campaign"], credited),
        "won": count(d["campaign"], won),
        "amount": total(credited),
        "won_amount": total(won),
    }


def _member(company: Company, rows: Indexes) -> Columns:
    m, x, c = company.members, company.leads, company.contacts
    lead, contact = m["lead"][rows].astype(np.int64), m["contact"][rows].astype(np.int64)
    is_lead = lead >= 0
    person = pc.if_else(pa.array(is_lead), sf.ref(sf.LEAD, lead), sf.ref(sf.CONTACT, contact))
    firm = np.where(is_lead, x["company"][lead] if len(x) else 0, company.firms(c["account"][contact]) if len(c) else 0)
    return (
        sf.head(sf.MEMBER, m, rows)
        | {
            "CampaignId": sf.ref(sf.CAMPAIGN, m["campaign"][rows]),
            "LeadId": sf.ref(sf.LEAD, lead),
            "ContactId": sf.ref(sf.CONTACT, contact),
            "LeadOrContactId": person,
            "Type": choice(("Contact", "Lead"), is_lead.astype(int)),
            "Status": choice(MEMBER_STATUS, m["status"][rows]),
            "HasResponded": flag(m["status"][rows] >= RESPONDED),
            "FirstRespondedDate": date(m["responded"][rows]),
            "LeadSource": sometimes(
                company.chance,
                "member source",
                rows,
                0.5,
                choice(v.LEAD_SOURCES, company.chance.pick("member source", rows, len(v.LEAD_SOURCES))),
            ),
            "CompanyOrAccount": company_names(company.chance, firm),
        }
        | sf.audit(company, m, rows)
    )


CAMPAIGN = Projection("salesforce", "Campaign", "sfdc_campaign", "campaigns", "members", "Id", _campaign)
CAMPAIGN_MEMBER = Projection(
    "salesforce", "CampaignMember", "sfdc_campaign_member", "members", "members", "Id", _member
)
