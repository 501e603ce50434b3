"""Salesforce: Account."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.model import ids
from sandbox.model import vocabulary as v
from sandbox.model.arrow import choice, constant, date, digits, flag, hide, integer, join, money, number
from sandbox.model.codes import CUSTOMER_STATUS, PLACE_CURRENCY
from sandbox.model.company import Company
from sandbox.model.frame import NONE, Indexes
from sandbox.model.tables import salesforce_common as sf
from sandbox.model.tables.projection import Columns, Projection
from sandbox.model.words import company_names, domains, phones, place_column, sometimes, streets


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
    return (
        sf.head(sf.ACCOUNT, a, rows)
        | {
            "MasterRecordId": sf.ref(sf.ACCOUNT, master),
            "Name": company_names(chance, firm),
            "Type": choice(("Prospect", "Customer", "Former Customer"), status),
            "ParentId": sf.ref(sf.ACCOUNT, a["parent"][rows]),
            "AccountNumber": ids.numbered("AC-", np.where(customer, rows, NONE)),
            "Brands__c": brands,
            "Primary_Brand__c": choice(sf.BRAND_NAMES, brand),
            "Customer_Status__c": choice(CUSTOMER_STATUS, status),
            "Industry": sometimes(
                chance, "industry", rows, 0.9, choice(v.INDUSTRIES, chance.pick("industry", rows, len(v.INDUSTRIES)))
            ),
            "Sic": sometimes(chance, "sic", rows, 0.3, digits(chance.between("sic", rows, 111, 9721), 4)),
            "AnnualRevenue": money(
                employees * chance.between("revenue per head", rows, 40, 260) * 100_000,
                ~chance.happens("revenue known", rows, 0.6),
            ),
            "NumberOfEmployees": integer(employees, ~chance.happens("employees known", rows, 0.75)),
            "Ownership": sometimes(
                chance,
                "ownership",
                rows,
                0.3,
                choice(("Public", "Private", "Subsidiary", "Other"), chance.pick("ownership", rows, 4)),
            ),
            "Rating": sometimes(
                chance, "rating", rows, 0.4, choice(("Hot", "Warm", "Cold"), chance.pick("rating", rows, 3))
            ),
            "AccountSource": sometimes(
                chance, "source", rows, 0.8, choice(v.LEAD_SOURCES, chance.pick("source", rows, len(v.LEAD_SOURCES)))
            ),
            "Site": sometimes(
                chance, "site", rows, 0.1, choice(("Headquarters", "Branch", "Plant 2"), chance.pick("site", rows, 3))
            ),
            "Phone": sometimes(chance, "phone", rows, 0.85, phones(chance, rows, place)),
            "Website": sometimes(chance, "website", rows, 0.8, join("https://www.", domains(chance, firm, place))),
            "Description": hide(_descriptions(company, rows), ~described),
            "BillingStreet": street,
            "BillingCity": place_column("city", place),
            "BillingState": place_column("state", place),
            "BillingPostalCode": place_column("postal_code", place),
            "BillingCountry": place_column("country", place),
            "BillingCountryCode": place_column("code", place),
            "ShippingStreet": hide(street, ~shipped),
            "ShippingCity": hide(place_column("city", place), ~shipped),
            "ShippingState": hide(place_column("state", place), ~shipped),
            "ShippingPostalCode": hide(place_column("postal_code", place), ~shipped),
            "ShippingCountry": hide(place_column("country", place), ~shipped),
            "CurrencyIsoCode": sf.currency(PLACE_CURRENCY[place]),
            "OwnerId": sf.ref(sf.USER, a["owner"][rows]),
            "Customer_Since__c": date(a["since"][rows]),
            "Health_Score__c": number(chance.between("health", rows, 150, 1000), 1, ~customer),
            "IsPartner": flag(chance.happens("partner", rows, 0.02)),
            "LastActivityDate": date(a["active_on"][rows]),
            "CleanStatus": constant("Pending", n),
        }
        | sf.audit(company, a, rows)
    )


def _descriptions(company: Company, rows: Indexes) -> pa.Array:
    chosen = choice(v.DESCRIPTIONS, company.chance.pick("description", rows, len(v.DESCRIPTIONS)))
    return join(chosen, "\nRef ", digits(company.chance.pick("description reference", rows, 1_000_000), 6))


ACCOUNT = Projection("salesforce", "Account", "sfdc_account", "accounts", "contracts", "Id", _account)
