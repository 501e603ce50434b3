"""The metadata catalog: which fields a record type has, and of which type (Oracle help, REST metadata catalog).

It describes the record service, not SuiteQL. What it calls `companyName` is `companyname` to SuiteQL, its objects and
lists (addresses, sublists) are no columns at all, and some of its fields cannot be queried: whoever wants one has to
ask for it. It speaks of one record type at a time, so that the schema of an invoice holds no field of a payment, though
both are rows of `transaction`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from connectors.contract import Column, DataType, Table
from connectors.netsuite.suiteql import is_identifier

CATALOG_PATH = "/services/rest/record/v1/metadata-catalog/"
JSON_SCHEMA = "application/schema+json"
REFERENCE = "reference"
"""Our name for the type of a field that names another record: the catalog shows an object, SuiteQL the id in it."""

_RECORD_TYPES: dict[str, tuple[str, ...]] = {
    "item": (
        "inventoryItem", "nonInventorySaleItem", "serviceSaleItem", "otherChargeSaleItem", "kitItem", "assemblyItem",
        "discountItem", "subscriptionPlan", "item",
    ),
    "type = 'CustInvc'": ("invoice",),
    "type = 'CustPymt'": ("customerPayment",),
}  # fmt: skip
"""Record types by filter or object of the table, where they differ from the object's own name."""
_FITTING: dict[DataType, set[str]] = {
    DataType.INT64: {"integer"},
    DataType.NUMERIC: {"integer", "number"},
    DataType.BOOL: {"boolean"},
    DataType.DATE: {"date"},
    DataType.TIMESTAMP: {"date-time"},
}
_TIMES = {"date": DataType.DATE, "date-time": DataType.TIMESTAMP}


@dataclass(frozen=True)
class CatalogField:
    """One field as the catalog knows it; `name` as SuiteQL would call it."""

    name: str
    type: str
    is_custom: bool


def record_types(table: Table) -> tuple[str, ...]:
    """The record types whose rows the table holds."""
    return _RECORD_TYPES.get(table.filter or "") or _RECORD_TYPES.get(table.object) or (table.object,)


def fields_of(schemas: Iterable[Mapping[str, Any]]) -> dict[str, CatalogField]:
    """The fields of some JSON Schemas that can be columns, by lower-case name."""
    found: dict[str, CatalogField] = {}
    for schema in schemas:
        properties: Any = schema.get("properties")
        if not isinstance(properties, dict):
            continue
        for name, described in cast("dict[str, Any]", properties).items():
            of = _type(described)
            if of and is_identifier(name) and name != "links":
                found.setdefault(
                    name.lower(), CatalogField(name.lower(), of, described.get("x-ns-custom-field") is True)
                )
    return found


def fits(source_type: str, column: Column) -> bool:
    """Whether every value of the catalog's type fits the column. A text holds them all."""
    return column.type is DataType.STRING or source_type in _FITTING[column.type]


def time_types(fields: Sequence[str], catalog: Mapping[str, CatalogField]) -> dict[str, DataType]:
    """The fields among these that are dates or times: they must be asked for in a format of our own."""
    return {name: _TIMES[catalog[name].type] for name in fields if name in catalog and catalog[name].type in _TIMES}


def _type(described: Any) -> str | None:
    if not isinstance(described, dict):
        return None
    schema = cast("dict[str, Any]", described)
    of = schema.get("type")
    if of == "string":
        return schema["format"] if schema.get("format") in _TIMES else "string"
    if of in ("integer", "number", "boolean"):
        return str(of)
    properties: Any = schema.get("properties")
    return REFERENCE if of == "object" and isinstance(properties, dict) and "refName" in properties else None
