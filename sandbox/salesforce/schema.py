"""What the org's objects and fields look like: the model's tables, described as Salesforce describes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from sandbox.salesforce.options import SalesforceOptions


class World(Protocol):
    """What the Salesforce server needs of the business model (see `sandbox.world`)."""

    @property
    def now(self) -> datetime:
        """The business clock, UTC."""
        ...

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while the model changes."""
        ...

    def sql(self, sql: str, params: Any = None) -> Any:
        """Run a query on the model's database."""
        ...

    def columns(self, schema: str, table: str) -> Sequence[tuple[str, str]]:
        """Names and DuckDB types of a table's columns."""
        ...


KEY_PREFIXES = {
    "Account": "001", "Contact": "003", "User": "005", "Opportunity": "006", "Lead": "00Q", "Campaign": "701",
    "CampaignMember": "00v", "OpportunityLineItem": "00k",
}  # fmt: skip
_UNTIED_REFERENCES = {
    "CreatedById": "User", "LastModifiedById": "User", "OwnerId": "User", "ManagerId": "User", "UserRoleId": "UserRole",
    "ProfileId": "Profile", "Product2Id": "Product2", "PricebookEntryId": "PricebookEntry",
    "Pricebook2Id": "Pricebook2",
    "ConvertedAccountId": "Account", "ConvertedContactId": "Contact", "ConvertedOpportunityId": "Opportunity",
    "Campaign__c": "Campaign", "AccountId": "Account", "ContactId": "Contact", "LeadId": "Lead",
    "OpportunityId": "Opportunity", "CampaignId": "Campaign", "LeadOrContactId": "Name",
}  # fmt: skip
_PICKLISTS = {
    "Type", "Industry", "Ownership", "Rating", "AccountSource", "StageName", "LeadSource", "ForecastCategory",
    "ForecastCategoryName", "Status", "Salutation", "CurrencyIsoCode", "UserType", "TimeZoneSidKey", "Brand__c",
    "Primary_Brand__c", "Customer_Status__c", "Loss_Reason__c", "BillingCountryCode",
}  # fmt: skip
_CALCULATED = {("Opportunity", "ARR__c")}
"""Formula fields."""
_ADDRESS_PARTS = ("Street", "City", "State", "PostalCode", "Country", "CountryCode", "StateCode")
_NAME_PARTS = ("Salutation", "FirstName", "LastName")


@dataclass(frozen=True)
class Field:
    """One field. `column` is its column in the model; None for a compound address, which has `parts`."""

    name: str
    type: str
    column: str | None
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    calculated: bool = False
    compound: str | None = None
    reference_to: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """True for types that SOQL compares without regard to case."""
        return self.type not in ("boolean", "int", "double", "currency", "percent", "date", "datetime", "address")

    def describe(self) -> dict[str, Any]:
        """The field's entry in the describe answer (REST API Developer Guide, "sObject Describe")."""
        custom = self.name.endswith("__c")
        return {
            "aggregatable": self.type not in ("textarea", "address", "multipicklist"),
            "autoNumber": False,
            "byteLength": self.length * 3,
            "calculated": self.calculated,
            "caseSensitive": False,
            "compoundFieldName": self.compound,
            "createable": not self.calculated and self.name not in _SYSTEM_FIELDS,
            "custom": custom,
            "defaultedOnCreate": self.type == "boolean" or self.name in _SYSTEM_FIELDS,
            "deprecatedAndHidden": False,
            "digits": 9 if self.type == "int" else 0,
            "encrypted": False,
            "externalId": False,
            "filterable": self.type != "address" and self.length <= 4099,
            "groupable": self.type not in ("double", "currency", "percent", "datetime", "textarea", "address"),
            "idLookup": self.name == "Id",
            "label": _label(self.name),
            "length": self.length,
            "name": self.name,
            "nameField": self.name == "Name",
            "nillable": self.nillable,
            "permissionable": self.nillable,
            "picklistValues": [
                {"active": True, "defaultValue": False, "label": value, "validFor": None, "value": value}
                for value in self.values
            ],
            "precision": self.precision,
            "referenceTo": list(self.reference_to),
            "relationshipName": relationship(self.name) if self.reference_to else None,
            "restrictedPicklist": False,
            "scale": self.scale,
            "soapType": _SOAP_TYPES.get(self.type, "xsd:string"),
            "sortable": self.type not in ("textarea", "address", "multipicklist"),
            "type": self.type,
            "unique": self.name == "Id",
            "updateable": not self.calculated and self.name not in _SYSTEM_FIELDS,
        }


_SYSTEM_FIELDS = {
    "Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp",
}  # fmt: skip
_SOAP_TYPES = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "double": "xsd:double",
    "currency": "xsd:double", "percent": "xsd:double", "date": "xsd:date", "datetime": "xsd:dateTime",
    "address": "urn:address",
}  # fmt: skip


@dataclass(frozen=True)
class SObject:
    """One object: its fields in describe order, found by name without regard to case."""

    name: str
    fields: tuple[Field, ...]
    replicateable: bool = True

    def field(self, name: str) -> Field | None:
        """The field of that name, or None."""
        wanted = name.lower()
        return next((field for field in self.fields if field.name.lower() == wanted), None)

    @property
    def soft_deletes(self) -> bool:
        """True when deleted rows go to the recycle bin first."""
        return self.field("IsDeleted") is not None

    def summary(self) -> dict[str, Any]:
        """The object's entry in the global describe, less its URLs."""
        label = _label(self.name)
        return {
            "activateable": False, "createable": True, "custom": self.name.endswith("__c"), "customSetting": False,
            "deletable": self.name != "User", "deprecatedAndHidden": False, "feedEnabled": True,
            "hasSubtypes": False, "isInterface": False, "isSubtype": False,
            "keyPrefix": KEY_PREFIXES.get(self.name, "a00"), "label": label, "labelPlural": _plural(label),
            "layoutable": True, "mergeable": self.name in ("Account", "Contact", "Lead"), "mruEnabled": True,
            "name": self.name, "queryable": True, "replicateable": self.replicateable, "retrieveable": True,
            "searchable": True, "triggerable": True, "undeletable": self.soft_deletes, "updateable": True,
        }  # fmt: skip


class Schema:
    """The objects of the org, read from the model anew at each question, so that a changed table shows at once."""

    def __init__(self, world: World, options: SalesforceOptions | None = None) -> None:
        self._world = world
        self._options = options or SalesforceOptions()

    def names(self) -> list[str]:
        """Names of all objects, sorted."""
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'salesforce' ORDER BY 1"
        return [str(row[0]) for row in self._world.sql(sql).fetchall() if str(row[0]) not in self._options.hidden]

    def object(self, name: str) -> SObject | None:
        """The object of that name (any case), or None."""
        known = next((known for known in self.names() if known.lower() == name.lower()), None)
        if known is None:
            return None
        hidden = {name.partition(".")[2] for name in self._options.hidden if name.startswith(f"{known}.")}
        columns = self._world.columns("salesforce", known)
        shown = [one for one in columns if not one[0].startswith("_") and one[0] not in hidden]
        fields = (
            replace(field, values=self._options.picklists.get(f"{known}.{field.name}", ()))
            for field in _fields(known, shown)
        )
        return SObject(known, tuple(fields), known not in self._options.unreplicated)


def _fields(table: str, columns: Sequence[tuple[str, str]]) -> list[Field]:
    names = {name for name, _ in columns}
    addresses = {
        prefix: tuple(prefix + part for part in _ADDRESS_PARTS if prefix + part in names)
        for prefix in ("Billing", "Shipping", "Mailing", "Other", "")
        if f"{prefix}Street" in names
    }
    compound = {part: f"{prefix}Address" for prefix, parts in addresses.items() for part in parts}
    if {"FirstName", "LastName", "Name"} <= names:
        compound |= dict.fromkeys(_NAME_PARTS, "Name")
    fields = [_field(table, name, kind.upper(), compound.get(name)) for name, kind in columns]
    for prefix, parts in addresses.items():
        last = max(index for index, field in enumerate(fields) if field.name in parts)
        fields.insert(last + 1, Field(f"{prefix}Address", "address", None, parts=parts))
    return fields


def _field(table: str, name: str, kind: str, compound: str | None) -> Field:
    nillable = name not in _SYSTEM_FIELDS and kind != "BOOLEAN" and name not in ("LastName", "Username")
    calculated = (table, name) in _CALCULATED
    references = _references(table, name)
    precision = scale = length = 0
    if decimal := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", kind):
        precision, scale = min(int(decimal[1]), 18), min(int(decimal[2]), 9)
        type_ = "percent" if name in ("Probability", "Discount") else "currency" if _is_money(name) else "double"
    elif kind in ("BIGINT", "INTEGER", "SMALLINT", "HUGEINT", "TINYINT"):
        type_ = "int"
    elif kind in ("DOUBLE", "FLOAT"):
        type_, precision, scale = "double", 18, 2
    elif kind == "BOOLEAN":
        type_ = "boolean"
    elif kind == "DATE":
        type_ = "date"
    elif kind.startswith("TIMESTAMP"):
        type_ = "datetime"
    elif kind == "BLOB":
        type_ = "base64"
    else:
        type_, length = _text_type(name, bool(references))
    return Field(name, type_, name, length, precision, scale, nillable, calculated, compound, references)


def _text_type(name: str, is_reference: bool) -> tuple[str, int]:
    if name == "Id":
        return "id", 18
    if is_reference:
        return "reference", 18
    if name == "Brands__c":
        return "multipicklist", 4099
    if name in _PICKLISTS:
        return "picklist", 255
    if name == "Description":
        return "textarea", 32000
    if name.endswith("Street"):
        return "textarea", 255
    if name.endswith("Phone"):
        return "phone", 40
    return {"Email": ("email", 80), "Website": ("url", 255)}.get(name, ("string", 255))


def _references(table: str, name: str) -> tuple[str, ...]:
    if name in ("ParentId", "MasterRecordId"):
        return (table,)
    return (_UNTIED_REFERENCES[name],) if name in _UNTIED_REFERENCES else ()


def _is_money(name: str) -> bool:
    return any(word in name for word in ("Amount", "Revenue", "Cost", "Price", "ARR", "Subtotal", "Quota", "MRR"))


def relationship(name: str) -> str:
    """The name by which a reference field's parent is reached (`Owner` of `OwnerId`)."""
    return f"{name.removesuffix('__c')}__r" if name.endswith("__c") else name.removesuffix("Id")


def _label(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.removesuffix("__c").replace("_", " "))
    return words.removesuffix(" Id") + " ID" if words.endswith(" Id") else words


def _plural(label: str) -> str:
    return f"{label[:-1]}ies" if label.endswith("y") else f"{label}s"
