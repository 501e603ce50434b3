"""Salesforce: Account, Opportunity and its line items, Campaign and its members."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.model import ids
from sandbox.model import vocabulary as v
from sandbox.model.arrow import choice, constant, date, digits, flag, hide, integer, join, money, number, stamp
from sandbox.model.brands import CATALOGUE, PRODUCT_PRICE
from sandbox.model.calendar import add_months, days
from sandbox.model.company import CUSTOMER_STATUS, DEAL_TYPES, LOST, PLACE_CURRENCY, RENEWAL_DEAL, STAGES, WON, Company
from sandbox.model.frame import NO_DATE, NONE, Indexes
from sandbox.model.history.campaigns import KINDS, MEMBER_STATUS, RESPONDED
from sandbox.model.money import rounded
from sandbox.model.tables import salesforce_common as sf
from sandbox.model.tables.projection import Columns, Projection
from sandbox.model.words import company_names, domains, phones, place_column, sometimes, streets

PROBABILITY = np.array([10, 25, 50, 75, 100, 0], np.int64)
FORECAST = ("Pipeline", "Pipeline", "BestCase", "Forecast", "Closed", "Omitted")
FORECAST_NAMES = ("Pipeline", "Pipeline", "Best Case", "Commit", "Closed", "Omitted")
PRODUCT_NAMES = tuple(p.name for p in CATALOGUE)
SKUS = tuple(p.sku for p in CATALOGUE)


def _account(company: Company, rows: Indexes) -> Columns:
    a, chance, n = company.accounts, company.chance, len(rows)
    place, status = a["place"][rows].astype(np.int64), a["status"][rows]
    brand, other = a["brand"][rows].astype(int), a["other_brand"][rows].astype(int)
    master = a["master"][rows]
    firm = company.firms(rows)
    both = join(choice(sf.BRAND_NAMES, brand), ";", choice(sf.BRAND_NAMES, other))
    brands = pc.if_else(pa.array(other >= 0), both, choice(sf.BRAND_NAMES, brand))
    employees = (np.exp(chance.uniform("employees", rows) * 8)).astype(np.int64) + 1
    street, shipped = streets(chance, rows), chance.happens("ships", rows, 0.35)
    described = chance.happens("described", rows, 0.10)
    customer = status > 0
    return sf.head(sf.ACCOUNT, a, rows) | {
        "MasterRecordId": sf.ref(sf.ACCOUNT, master), "Name": company_names(chance, firm),
        "Type": choice(("Prospect", "Customer", "Former Customer"), status), "ParentId": sf.ref(sf.ACCOUNT, a["parent"][rows]),
        "AccountNumber": ids.numbered("AC-", np.where(customer, rows, NONE)), "Brands__c": brands,
        "Primary_Brand__c": choice(sf.BRAND_NAMES, brand), "Customer_Status__c": choice(CUSTOMER_STATUS, status),
        "Industry": sometimes(chance, "industry", rows, 0.9, choice(v.INDUSTRIES, chance.pick("industry", rows, len(v.INDUSTRIES)))),
        "Sic": sometimes(chance, "sic", rows, 0.3, digits(chance.between("sic", rows, 111, 9721), 4)),
        "AnnualRevenue": money(employees * chance.between("revenue per head", rows, 40, 260) * 100_000, ~chance.happens("revenue known", rows, 0.6)),
        "NumberOfEmployees": integer(employees, ~chance.happens("employees known", rows, 0.75)),
        "Ownership": sometimes(chance, "ownership", rows, 0.3, choice(("Public", "Private", "Subsidiary", "Other"), chance.pick("ownership", rows, 4))),
        "Rating": sometimes(chance, "rating", rows, 0.4, choice(("Hot", "Warm", "Cold"), chance.pick("rating", rows, 3))),
        "AccountSource": sometimes(chance, "source", rows, 0.8, choice(v.LEAD_SOURCES, chance.pick("source", rows, len(v.LEAD_SOURCES)))),
        "Site": sometimes(chance, "site", rows, 0.1, choice(("Headquarters", "Branch", "Plant 2"), chance.pick("site", rows, 3))),
        "Phone": sometimes(chance, "phone", rows, 0.85, phones(chance, rows, place)),
        "Website": sometimes(chance, "website", rows, 0.8, join("https://www.", domains(chance, firm, place))),
        "Description": hide(_descriptions(company, rows), ~described),
        "BillingStreet": street, "BillingCity": place_column("city", place), "BillingState": place_column("state", place),
        "BillingPostalCode": place_column("postal_code", place), "BillingCountry": place_column("country", place),
        "BillingCountryCode": place_column("code", place), "ShippingStreet": hide(street, ~shipped),
        "ShippingCity": hide(place_column("city", place), ~shipped), "ShippingState": hide(place_column("state", place), ~shipped),
        "ShippingPostalCode": hide(place_column("postal_code", place), ~shipped), "ShippingCountry": hide(place_column("country", place), ~shipped),
        "CurrencyIsoCode": sf.currency(PLACE_CURRENCY[place]), "OwnerId": sf.ref(sf.USER, a["owner"][rows]),
        "Customer_Since__c": date(a["since"][rows]), "Health_Score__c": number(chance.between("health", rows, 150, 1000), 1, ~customer),
        "IsPartner": flag(chance.happens("partner", rows, 0.02)), "LastActivityDate": date(a["active_on"][rows]),
        "CleanStatus": constant("Pending", n),
    } | sf.audit(company, a, rows)  # fmt: skip


def _descriptions(company: Company, rows: Indexes) -> pa.Array:
    chosen = choice(v.DESCRIPTIONS, company.chance.pick("description", rows, len(v.DESCRIPTIONS)))
    return join(chosen, "\nRef ", digits(company.chance.pick("description reference", rows, 1_000_000), 6))


def _opportunity(company: Company, rows: Indexes) -> Columns:
    d, chance = company.deals, company.chance
    stage, kind = d["stage"][rows].astype(int), d["kind"][rows].astype(int)
    account, close, term = d["account"][rows].astype(np.int64), d["close"][rows], d["term"][rows].astype(int)
    open_, won = stage < WON, stage == WON
    unpriced = ~d["priced"][rows]
    name = join(company_names(chance, company.firms(account)), " - ", choice(DEAL_TYPES, kind), " ", digits(close.astype("M8[Y]").astype(int) + 1970))
    quarter = (close.astype("M8[M]").astype(int) % 12) // 3 + 1
    year = close.astype("M8[Y]").astype(int) + 1970
    subscription = d["subscription"][rows].astype(np.int64)
    return sf.head(sf.OPPORTUNITY, d, rows) | {
        "AccountId": sf.ref(sf.ACCOUNT, account), "Name": name,
        "Description": hide(choice(v.DESCRIPTIONS, chance.pick("deal description", rows, len(v.DESCRIPTIONS))), ~chance.happens("deal described", rows, 0.15)),
        "Brand__c": choice(sf.BRAND_NAMES, d["brand"][rows]), "Type": choice(DEAL_TYPES, kind), "StageName": choice(STAGES, stage),
        "Amount": money(d["amount"][rows], unpriced), "Probability": number(PROBABILITY[stage], 0),
        "ExpectedRevenue": money(rounded(d["amount"][rows] * PROBABILITY[stage], 100), unpriced),
        "TotalOpportunityQuantity": number(d["quantity"][rows], 2, d["lines"][rows] == 0), "ARR__c": money(d["arr"][rows], unpriced),
        "CurrencyIsoCode": sf.currency(d["currency"][rows]), "CloseDate": date(close),
        "NextStep": hide(choice(v.NEXT_STEPS, chance.pick("next step", rows, len(v.NEXT_STEPS))), ~(open_ & chance.happens("next step", rows, 0.6))),
        "LeadSource": sometimes(chance, "deal source", rows, 0.7, choice(v.LEAD_SOURCES, chance.pick("source", account, len(v.LEAD_SOURCES)))),
        "IsClosed": flag(~open_), "IsWon": flag(won), "ForecastCategory": choice(FORECAST, stage), "ForecastCategoryName": choice(FORECAST_NAMES, stage),
        "CampaignId": sf.ref(sf.CAMPAIGN, d["campaign"][rows]), "HasOpportunityLineItem": flag(d["lines"][rows] > 0),
        "Pricebook2Id": sf.ref(sf.PRICEBOOK, np.where(d["lines"][rows] > 0, d["brand"][rows], NONE)), "OwnerId": sf.ref(sf.USER, d["owner"][rows]),
        "ContactId": sf.ref(sf.CONTACT, d["contact"][rows]),
        "Loss_Reason__c": hide(choice(v.LOSS_REASONS, chance.pick("loss reason", rows, len(v.LOSS_REASONS))), stage != LOST),
        "Contract_Term_Months__c": integer(term, open_ & chance.happens("term unknown", rows, 0.3)),
        "Zuora_Subscription_Number__c": ids.numbered("A-S", subscription),
        "Renewal_Date__c": date(np.where(won, add_months(close, term), NO_DATE)), "Is_Renewal__c": flag(kind == RENEWAL_DEAL),
        "PushCount": integer(d["pushes"][rows]), "LastStageChangeDate": stamp(d["stage_changed"][rows]), "FiscalQuarter": integer(quarter),
        "FiscalYear": integer(year), "Fiscal": join(digits(year), " ", digits(quarter)), "LastActivityDate": date(d["active_on"][rows]),
    } | sf.audit(company, d, rows)  # fmt: skip


def _line(company: Company, rows: Indexes) -> Columns:
    x, d = company.lines, company.deals
    deal, product = x["deal"][rows].astype(np.int64), x["product"][rows].astype(np.int64)
    won = d["stage"][deal] == WON
    return sf.head(sf.LINE, x, rows) | {
        "OpportunityId": sf.ref(sf.OPPORTUNITY, deal), "Product2Id": sf.ref(sf.PRODUCT, product),
        "PricebookEntryId": sf.ref(sf.PRICEBOOK_ENTRY, product * 3 + d["currency"][deal]), "ProductCode": choice(SKUS, product),
        "Name": join(company_names(company.chance, company.firms(d["account"][deal])), " ", choice(PRODUCT_NAMES, product)),
        "Quantity": number(x["quantity"][rows], 2), "UnitPrice": number(x["unit"][rows], 4), "ListPrice": number(PRODUCT_PRICE[product] * 12, 4),
        "Discount": number(x["discount"][rows], 0, x["discount"][rows] == 0), "Subtotal": money(x["subtotal"][rows]),
        "TotalPrice": money(x["total"][rows]), "ServiceDate": date(np.where(won, d["close"][deal] + days(1), NO_DATE)),
        "SortOrder": integer(x["order"][rows]), "Description": sometimes(company.chance, "line note", rows, 0.05, constant('Priced per "unit", yearly', len(rows))),
        "CurrencyIsoCode": sf.currency(d["currency"][deal]),
    } | sf.audit(company, x, rows)  # fmt: skip


def _campaign(company: Company, rows: Indexes) -> Columns:
    c, chance = company.campaigns, company.chance
    counts = _campaign_counts(company)
    begun, over = c["start"][rows] <= company.today, c["end"][rows] < company.today
    status = np.where(over, 2, np.where(begun, 1, 0))
    budget = c["budget"][rows]
    kind, brand = c["kind"][rows].astype(int), c["brand"][rows].astype(int)
    title = join(
        choice(sf.BRAND_NAMES, brand), " ", choice(KINDS, kind), " ", digits(c["start"][rows].astype("M8[Y]").astype(int) + 1970), " #", digits(rows + 1, 3)
    )
    sent = counts["sent"][rows]
    return sf.head(sf.CAMPAIGN, c, rows) | {
        "Name": title, "ParentId": sf.ref(sf.CAMPAIGN, c["parent"][rows]), "Type": choice(KINDS, kind),
        "Status": choice(("Planned", "In Progress", "Completed"), status), "Brand__c": choice(sf.BRAND_NAMES, brand),
        "StartDate": date(c["start"][rows]), "EndDate": date(c["end"][rows], chance.happens("open end", rows, 0.05)), "IsActive": flag(begun & ~over),
        "BudgetedCost": money(budget), "ActualCost": money(budget * chance.between("cost", rows, 60, 130) // 100, ~begun),
        "ExpectedRevenue": money(budget * 5, ~chance.happens("revenue expected", rows, 0.7)),
        "ExpectedResponse": number(chance.between("response", rows, 50, 1200), 2), "NumberSent": number(sent * 3, 0),
        "NumberOfLeads": integer(counts["leads"][rows]), "NumberOfConvertedLeads": integer(counts["converted"][rows]),
        "NumberOfContacts": integer(counts["contacts"][rows]), "NumberOfResponses": integer(counts["responses"][rows]),
        "NumberOfOpportunities": integer(counts["deals"][rows]), "NumberOfWonOpportunities": integer(counts["won"][rows]),
        "AmountAllOpportunities": money(counts["amount"][rows]), "AmountWonOpportunities": money(counts["won_amount"][rows]),
        "CurrencyIsoCode": sf.currency(c["currency"][rows]), "OwnerId": sf.ref(sf.USER, c["owner"][rows]),
    } | sf.audit(company, c, rows)  # fmt: skip


def _campaign_counts(company: Company) -> dict[str, np.ndarray]:
    """Salesforce's roll-ups: members and opportunities of each campaign that are not deleted."""
    m, d, x, n = company.members, company.deals, company.leads, len(company.campaigns)
    live = ~m["deleted"] & np.isnat(m["gone"])
    campaign = m["campaign"]
    is_lead = live & (m["lead"] >= 0)
    converted = is_lead & (x["status"][m["lead"]] == 4) if len(x) else is_lead
    credited = (d["campaign"] >= 0) & ~d["deleted"] & np.isnat(d["gone"])
    won = credited & (d["stage"] == WON)

    def count(of: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.bincount(of[mask], minlength=n)

    def total(mask: np.ndarray) -> np.ndarray:
        out = np.zeros(n, np.int64)
        np.add.at(out, d["campaign"][mask], d["amount"][mask])
        return out

    return {
        "sent": count(campaign, live), "leads": count(campaign, is_lead), "contacts": count(campaign, live & ~is_lead),
        "converted": count(campaign, converted), "responses": count(campaign, live & (m["status"] >= RESPONDED)),
        "deals": count(d["campaign"], credited), "won": count(d["campaign"], won), "amount": total(credited), "won_amount": total(won),
    }  # fmt: skip


def _member(company: Company, rows: Indexes) -> Columns:
    m, x, c = company.members, company.leads, company.contacts
    lead, contact = m["lead"][rows].astype(np.int64), m["contact"][rows].astype(np.int64)
    is_lead = lead >= 0
    person = pc.if_else(pa.array(is_lead), sf.ref(sf.LEAD, lead), sf.ref(sf.CONTACT, contact))
    firm = np.where(is_lead, x["company"][lead] if len(x) else 0, company.firms(c["account"][contact]) if len(c) else 0)
    return sf.head(sf.MEMBER, m, rows) | {
        "CampaignId": sf.ref(sf.CAMPAIGN, m["campaign"][rows]), "LeadId": sf.ref(sf.LEAD, lead), "ContactId": sf.ref(sf.CONTACT, contact),
        "LeadOrContactId": person, "Type": choice(("Contact", "Lead"), is_lead.astype(int)), "Status": choice(MEMBER_STATUS, m["status"][rows]),
        "HasResponded": flag(m["status"][rows] >= RESPONDED), "FirstRespondedDate": date(m["responded"][rows]),
        "LeadSource": sometimes(company.chance, "member source", rows, 0.5, choice(v.LEAD_SOURCES, company.chance.pick("member source", rows, len(v.LEAD_SOURCES)))),
        "CompanyOrAccount": company_names(company.chance, firm),
    } | sf.audit(company, m, rows)  # fmt: skip


ACCOUNT = Projection("salesforce", "Account", "sfdc_account", "accounts", "contracts", "Id", _account)
OPPORTUNITY = Projection("salesforce", "Opportunity", "sfdc_opportunity", "deals", "deals", "Id", _opportunity)
OPPORTUNITY_LINE_ITEM = Projection("salesforce", "OpportunityLineItem", "sfdc_opportunity_line_item", "lines", "deals", "Id", _line)
CAMPAIGN = Projection("salesforce", "Campaign", "sfdc_campaign", "campaigns", "members", "Id", _campaign)
CAMPAIGN_MEMBER = Projection("salesforce", "CampaignMember", "sfdc_campaign_member", "members", "members", "Id", _member)
