"""Salesforce: Opportunity and its line items."""

from __future__ import annotations

import numpy as np

from sandbox.model import ids
from sandbox.model import vocabulary as v
from sandbox.model.arrow import choice, constant, date, digits, flag, hide, integer, join, money, number, stamp
from sandbox.model.brands import CATALOGUE, PRODUCT_PRICE
from sandbox.model.calendar import add_months, days
from sandbox.model.codes import DEAL_TYPES, LOST, RENEWAL_DEAL, STAGES, WON
from sandbox.model.company import Company
from sandbox.model.frame import NO_DATE, NONE, Indexes
from sandbox.model.money import rounded
from sandbox.model.tables import salesforce_common as sf
from sandbox.model.tables.projection import Columns, Projection
from sandbox.model.words import company_names, sometimes

PROBABILITY = np.array([10, 25, 50, 75, 100, 0], np.int64)
FORECAST = ("Pipeline", "Pipeline", "BestCase", "Forecast", "Closed", "Omitted")
FORECAST_NAMES = ("Pipeline", "Pipeline", "Best Case", "Commit", "Closed", "Omitted")
PRODUCT_NAMES = tuple(p.name for p in CATALOGUE)
SKUS = tuple(p.sku for p in CATALOGUE)


def _opportunity(company: Company, rows: Indexes) -> Columns:
    d, chance = company.deals, company.chance
    stage, kind = d["stage"][rows].astype(int), d["kind"][rows].astype(int)
    account, close, term = d["account"][rows].astype(np.int64), d["close"][rows], d["term"][rows].astype(int)
    open_, won = stage < WON, stage == WON
    unpriced = ~d["priced"][rows]
    name = join(
        company_names(chance, company.firms(account)),
        " - ",
        choice(DEAL_TYPES, kind),
        " ",
        digits(close.astype("M8[Y]").astype(int) + 1970),
    )
    quarter = (close.astype("M8[M]").astype(int) % 12) // 3 + 1
    year = close.astype("M8[Y]").astype(int) + 1970
    subscription = d["subscription"][rows].astype(np.int64)
    return (
        sf.head(sf.OPPORTUNITY, d, rows)
        | {
            "AccountId": sf.ref(sf.ACCOUNT, account),
            "Name": name,
            "Description": hide(
                choice(v.DESCRIPTIONS, chance.pick("deal description", rows, len(v.DESCRIPTIONS))),
                ~chance.happens("deal described", rows, 0.15),
            ),
            "Brand__c": choice(sf.BRAND_NAMES, d["brand"][rows]),
            "Type": choice(DEAL_TYPES, kind),
            "StageName": choice(STAGES, stage),
            "Amount": money(d["amount"][rows], unpriced),
            "Probability": number(PROBABILITY[stage], 0),
            "ExpectedRevenue": money(rounded(d["amount"][rows] * PROBABILITY[stage], 100), unpriced),
            "TotalOpportunityQuantity": number(d["quantity"][rows], 2, d["lines"][rows] == 0),
            "ARR__c": money(d["arr"][rows], unpriced),
            "CurrencyIsoCode": sf.currency(d["currency"][rows]),
            "CloseDate": date(close),
            "NextStep": hide(
                choice(v.NEXT_STEPS, chance.pick("next step", rows, len(v.NEXT_STEPS))),
                ~(open_ & chance.happens("next step", rows, 0.6)),
            ),
            "LeadSource": sometimes(
                chance,
                "deal source",
                rows,
                0.7,
                choice(v.LEAD_SOURCES, chance.pick("source", account, len(v.LEAD_SOURCES))),
            ),
            "IsClosed": flag(~open_),
            "IsWon": flag(won),
            "ForecastCategory": choice(FORECAST, stage),
            "ForecastCategoryName": choice(FORECAST_NAMES, stage),
            "CampaignId": sf.ref(sf.CAMPAIGN, d["campaign"][rows]),
            "HasOpportunityLineItem": flag(d["lines"][rows] > 0),
            "Pricebook2Id": sf.ref(sf.PRICEBOOK, np.where(d["lines"][rows] > 0, d["brand"][rows], NONE)),
            "OwnerId": sf.ref(sf.USER, d["owner"][rows]),
            "ContactId": sf.ref(sf.CONTACT, d["contact"][rows]),
            "Loss_Reason__c": hide(
                choice(v.LOSS_REASONS, chance.pick("loss reason", rows, len(v.LOSS_REASONS))), stage != LOST
            ),
            "Contract_Term_Months__c": integer(term, open_ & chance.happens("term unknown", rows, 0.3)),
            "Zuora_Subscription_Number__c": ids.numbered("A-S", subscription),
            "Renewal_Date__c": date(np.where(won, add_months(close, term), NO_DATE)),
            "Is_Renewal__c": flag(kind == RENEWAL_DEAL),
            "PushCount": integer(d["pushes"][rows]),
            "LastStageChangeDate": stamp(d["stage_changed"][rows]),
            "FiscalQuarter": integer(quarter),
            "FiscalYear": integer(year),
            "Fiscal": join(digits(year), " ", digits(quarter)),
            "LastActivityDate": date(d["active_on"][rows]),
        }
        | sf.audit(company, d, rows)
    )


def _line(company: Company, rows: Indexes) -> Columns:
    x, d = company.lines, company.deals
    deal, product = x["deal"][rows].astype(np.int64), x["product"][rows].astype(np.int64)
    won = d["stage"][deal] == WON
    return (
        sf.head(sf.LINE, x, rows)
        | {
            "OpportunityId": sf.ref(sf.OPPORTUNITY, deal),
            "Product2Id": sf.ref(sf.PRODUCT, product),
            "PricebookEntryId": sf.ref(sf.PRICEBOOK_ENTRY, product * 3 + d["currency"][deal]),
            "ProductCode": choice(SKUS, product),
            "Name": join(
                company_names(company.chance, company.firms(d["account"][deal])), " ", choice(PRODUCT_NAMES, product)
            ),
            "Quantity": number(x["quantity"][rows], 2),
            "UnitPrice": number(x["unit"][rows], 4),
            "ListPrice": number(PRODUCT_PRICE[product] * 12, 4),
            "Discount": number(x["discount"][rows], 0, x["discount"][rows] == 0),
            "Subtotal": money(x["subtotal"][rows]),
            "TotalPrice": money(x["total"][rows]),
            "ServiceDate": date(np.where(won, d["close"][deal] + days(1), NO_DATE)),
            "SortOrder": integer(x["order"][rows]),
            "Description": sometimes(
                company.chance, "line note", rows, 0.05, constant('Priced per "unit", yearly', len(rows))
            ),
            "CurrencyIsoCode": sf.currency(d["currency"][deal]),
        }
        | sf.audit(company, x, rows)
    )


OPPORTUNITY = Projection("salesforce", "Opportunity", "sfdc_opportunity", "deals", "deals", "Id", _opportunity)
OPPORTUNITY_LINE_ITEM = Projection(
    "salesforce", "OpportunityLineItem", "sfdc_opportunity_line_item", "lines", "deals", "Id", _line
)
