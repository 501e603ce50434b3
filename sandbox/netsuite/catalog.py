"""The metadata catalog: record types and their fields as OpenAPI and JSON Schema (Oracle NetSuite Help, "Metadata")."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from connectors.contract import load_contract
from sandbox.netsuite.errors import RestError
from sandbox.netsuite.schema import Kind, Record, Schema

SWAGGER = "application/swagger+json"
JSON_SCHEMA = "application/schema+json"
_ALIASES = {"invoice": "transaction", "customerpayment": "transaction"}
_REFERENCES = {"entity", "subsidiary", "subscriptionplan", "billingaccount", "incomeaccount", "deferredrevenueaccount"}
"""Fields that name another record: an object to the record service, the id in it to SuiteQL."""
_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.INTEGER: {"type": "integer", "format": "int64"},
    Kind.DECIMAL: {"type": "number", "format": "double"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.DATETIME: {"type": "string", "format": "date-time"},
}
_REFERENCE: dict[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "refName": {"type": "string"}, "externalId": {"type": "string"}},
}
_TRANSACTIONS = {"invoice": "netsuite_invoices", "customerpayment": "netsuite_payments"}


def listing(schema: Schema, url: str) -> dict[str, Any]:
    """Names of all record types."""
    items = [
        {
            "name": name.lower(),
            "links": [
                {"rel": "canonical", "href": f"{url}/{name.lower()}", "mediaType": "application/json"},
                {"rel": "describes", "href": f"{url}/{name.lower()}", "mediaType": JSON_SCHEMA},
            ],
        }
        for name in schema.names()
    ]
    return {"links": [{"rel": "self", "href": url}], "items": items}


def openapi(schema: Schema, selected: list[str]) -> dict[str, Any]:
    """OpenAPI of the record types named, or of all. Raises RestError 404 for an unknown one."""
    names = selected or schema.names()
    return {
        "openapi": "3.0.1",
        "info": {"title": "NetSuite REST API", "version": "v1"},
        "paths": {},
        "components": {"schemas": {name.lower(): _body(_known(schema, name)) for name in names}},
    }


def json_schema(schema: Schema, name: str) -> dict[str, Any]:
    """JSON Schema of one record type. Raises RestError 404 for an unknown one."""
    return {"$schema": "http://json-schema.org/draft-06/hyper-schema#", **_body(_known(schema, name))}


def _known(schema: Schema, name: str) -> Record:
    record = schema.record(_ALIASES.get(name.lower(), name))
    if record is None:
        raise RestError(404, "NONEXISTENT_ID", f"Record type '{name}' does not exist.", where=("o:errorUrl", name))
    if name.lower() not in _ALIASES:
        return record
    foreign = _of_other_types(name.lower()) | {"type"}
    return replace(record, fields=tuple(field for field in record.fields if field.name not in foreign))


@functools.cache
def _of_other_types(name: str) -> frozenset[str]:
    """Fields of `transaction` that only rows of another type have."""
    contract = load_contract()
    own = {field.lower() for field in contract.table(_TRANSACTIONS[name]).fields}
    others = {
        f.lower() for other, table in _TRANSACTIONS.items() if other != name for f in contract.table(table).fields
    }
    return frozenset(others - own)


def _body(record: Record) -> dict[str, Any]:
    properties = {
        field.name: {
            **(_REFERENCE if field.name in _REFERENCES else _TYPES[field.kind]),
            "title": field.name,
            "nullable": field.name != "id",
            "x-ns-custom-field": field.is_custom,
        }
        for field in record.fields
    }
    properties["links"] = {"type": "array", "readOnly": True}
    properties["addressBook"] = {"type": "object", "properties": {"totalResults": {"type": "integer"}}}
    return {"type": "object", "properties": properties, "x-ns-filterable": list(properties)}
