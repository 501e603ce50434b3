"""Salesforce: User, Contact, Lead."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.model import vocabulary as v
from sandbox.model.arrow import choice, constant, date, digits, flag, hide, integer, join, money, nothing, stamp
from sandbox.model.calendar import days
from sandbox.model.codes import CONVERTED, LEAD_STATUS, ROLES
from sandbox.model.company import Company
from sandbox.model.frame import NO_STAMP, Indexes
from sandbox.model.tables import salesforce_common as sf
from sandbox.model.tables.projection import Columns, Projection
from sandbox.model.words import (
    company_names,
    domains,
    emails,
    first_names,
    last_names,
    phones,
    place_column,
    sometimes,
    streets,
)

_ZONES = ("America/New_York", "America/Chicago", "Europe/London", "Australia/Sydney")
_DIVISION_SLUGS = ("cm", "emma", "sailthru", "cheetah", "selligent", "corp")


def _user(company: Company, rows: Indexes) -> Columns:
    u, chance, n = company.users, company.chance, len(rows)
    person = rows + (1 << 50)
    first, last = first_names(chance, person), last_names(chance, person)
    role, brand = u["role"][rows].astype(int), u["brand"][rows].astype(int)
    login = join("u", digits(rows, 5), "@", choice(_DIVISION_SLUGS, brand), ".example.com")
    zone = chance.weighted("zone", rows, (0.5, 0.3, 0.12, 0.08))
    seen = np.where(
        u["active"][rows], company.today.astype("M8[s]") - days(1 + chance.pick("login", rows, 9)), NO_STAMP
    )
    return {
        "Id": sf.ref(sf.USER, rows),
        "Username": login,
        "FirstName": first,
        "LastName": last,
        "Name": join(first, " ", last),
        "Email": login,
        "Title": choice(ROLES, role),
        "Department": choice(("IT", "Sales", "Marketing"), np.where(role == 0, 0, np.where(role == 6, 2, 1))),
        "Division": choice(sf.BRAND_NAMES, brand),
        "CompanyName": constant("Marigold Holdings", n),
        "IsActive": flag(u["active"][rows]),
        "UserRoleId": sf.ref(sf.ROLE, role),
        "User_Role_Name__c": choice(ROLES, role),
        "ProfileId": sf.ref(sf.PROFILE, np.minimum(role, 3)),
        "UserType": constant("Standard", n),
        "ManagerId": sf.ref(sf.USER, u["manager"][rows]),
        "EmployeeNumber": sometimes(chance, "employee number", rows, 0.9, digits(rows + 1, 6)),
        "Country": choice(("United States", "United States", "United Kingdom", "Australia"), zone),
        "TimeZoneSidKey": choice(_ZONES, zone),
        "Annual_Quota__c": money(u["quota"][rows], u["quota"][rows] == 0),
        "LastLoginDate": stamp(seen),
        "CreatedDate": stamp(u["created"][rows]),
        "LastModifiedDate": stamp(u["stamp"][rows]),
        "SystemModstamp": stamp(u["stamp"][rows]),
    }


def _contact(company: Company, rows: Indexes) -> Columns:
    c, chance = company.contacts, company.chance
    account, person = c["account"][rows].astype(np.int64), c["person"][rows]
    place = company.accounts["place"][account].astype(np.int64)
    first = sometimes(chance, "first name", person, 0.97, first_names(chance, person))
    last = last_names(chance, person)
    bounced = chance.happens("bounced", rows, 0.03)
    source = chance.pick("contact source", rows, len(v.LEAD_SOURCES))
    return (
        sf.head(sf.CONTACT, c, rows)
        | {
            "MasterRecordId": sf.ref(sf.CONTACT, c["master"][rows]),
            "AccountId": sf.ref(sf.ACCOUNT, account),
            "Salutation": sometimes(
                chance, "salutation", person, 0.4, choice(v.SALUTATIONS, chance.pick("salutation", person, 5))
            ),
            "FirstName": first,
            "LastName": last,
            "Name": _full_name(first, last),
            "Title": sometimes(
                chance, "title", person, 0.8, choice(v.TITLES, chance.pick("title", person, len(v.TITLES)))
            ),
            "Department": sometimes(
                chance,
                "department",
                person,
                0.35,
                choice(v.DEPARTMENTS, chance.pick("department", person, len(v.DEPARTMENTS))),
            ),
            "Email": sometimes(chance, "email", person, 0.96, emails(chance, person, company.firms(account), place)),
            "Phone": sometimes(chance, "phone", person, 0.6, phones(chance, person, place)),
            "MobilePhone": sometimes(chance, "mobile", person, 0.25, phones(chance, person + 1, place)),
            "MailingStreet": sometimes(chance, "mailing", rows, 0.5, streets(chance, account)),
            "MailingCity": sometimes(chance, "mailing", rows, 0.5, place_column("city", place)),
            "MailingState": sometimes(chance, "mailing", rows, 0.5, place_column("state", place)),
            "MailingPostalCode": sometimes(chance, "mailing", rows, 0.5, place_column("postal_code", place)),
            "MailingCountry": sometimes(chance, "mailing", rows, 0.5, place_column("country", place)),
            "LeadSource": sometimes(chance, "contact source", rows, 0.6, choice(v.LEAD_SOURCES, source)),
            "Is_Primary__c": flag(c["primary"][rows]),
            "HasOptedOutOfEmail": flag(c["opted_out"][rows]),
            "DoNotCall": flag(chance.happens("do not call", rows, 0.04)),
            "EmailBouncedDate": stamp(np.where(bounced, c["modified"][rows], NO_STAMP)),
            "OwnerId": sf.ref(sf.USER, c["owner"][rows]),
            "LastActivityDate": date(c["active_on"][rows]),
        }
        | sf.audit(company, c, rows)
    )


def _lead(company: Company, rows: Indexes) -> Columns:
    x, chance = company.leads, company.chance
    person, firm, place = x["person"][rows], x["company"][rows], x["place"][rows].astype(np.int64)
    first = sometimes(chance, "first name", person, 0.97, first_names(chance, person))
    last = last_names(chance, person)
    addressed = chance.happens("lead address", rows, 0.55)
    return (
        sf.head(sf.LEAD, x, rows)
        | {
            "MasterRecordId": nothing(len(rows)),
            "FirstName": first,
            "LastName": last,
            "Name": _full_name(first, last),
            "Title": sometimes(
                chance, "title", person, 0.8, choice(v.TITLES, chance.pick("title", person, len(v.TITLES)))
            ),
            "Company": company_names(chance, firm),
            "Email": sometimes(chance, "email", person, 0.96, emails(chance, person, firm, place)),
            "Phone": sometimes(chance, "phone", person, 0.6, phones(chance, person, place)),
            "Website": sometimes(chance, "lead website", rows, 0.3, join("https://", domains(chance, firm, place))),
            "Street": hide(streets(chance, firm), ~addressed),
            "City": hide(place_column("city", place), ~addressed),
            "State": place_column("state", place),
            "PostalCode": hide(place_column("postal_code", place), ~addressed),
            "Country": place_column("country", place),
            "Brand__c": choice(sf.BRAND_NAMES, x["brand"][rows]),
            "LeadSource": choice(v.LEAD_SOURCES, chance.pick("lead source", rows, len(v.LEAD_SOURCES))),
            "Status": choice(LEAD_STATUS, x["status"][rows]),
            "Rating": sometimes(
                chance, "lead rating", rows, 0.5, choice(("Hot", "Warm", "Cold"), chance.pick("lead rating", rows, 3))
            ),
            "Industry": sometimes(
                chance,
                "lead industry",
                rows,
                0.7,
                choice(v.INDUSTRIES, chance.pick("industry", firm, len(v.INDUSTRIES))),
            ),
            "AnnualRevenue": money(
                chance.between("lead revenue", rows, 1, 900) * 5_000_000, ~chance.happens("lead revenue", rows, 0.2)
            ),
            "NumberOfEmployees": integer(
                chance.between("lead employees", rows, 1, 5000), ~chance.happens("lead employees", rows, 0.4)
            ),
            "OwnerId": sf.ref(sf.USER, x["owner"][rows]),
            "HasOptedOutOfEmail": flag(chance.happens("lead opted out", rows, 0.05)),
            "IsConverted": flag(x["status"][rows] == CONVERTED),
            "ConvertedDate": date(x["converted"][rows]),
            "ConvertedAccountId": sf.ref(sf.ACCOUNT, x["account"][rows]),
            "ConvertedContactId": sf.ref(sf.CONTACT, x["contact"][rows]),
            "ConvertedOpportunityId": sf.ref(sf.OPPORTUNITY, x["deal"][rows]),
            "Campaign__c": sf.ref(sf.CAMPAIGN, x["campaign"][rows]),
            "LastActivityDate": date(x["active_on"][rows]),
        }
        | sf.audit(company, x, rows)
    )


def _full_name(first: pa.Array, last: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(first, last, " ", null_handling="skip")


USER = Projection("salesforce", "User", "sfdc_user", "users", "users", "Id", _user)
CONTACT = Projection("salesforce", "Contact", "sfdc_contact", "contacts", "contacts", "Id", _contact)
LEAD = Projection("salesforce", "Lead", "sfdc_lead", "leads", "leads", "Id", _lead)
