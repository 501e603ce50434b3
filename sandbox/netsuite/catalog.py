"""The metadata catalog: record types and their fields as OpenAPI and JSON Schema (Oracle NetSuite Help, "Metadata")."""

from __future__ import annotations

from typing import Any

from sandbox.netsuite.errors import RestError
from sandbox.netsuite.schema import Kind, Record, Schema

SWAGGER = "application/swagger+json"
JSON_SCHEMA = "application/schema+json"
_ALIASES = {"invoice": "transaction", "customerpayment": "transaction"}
_TYPES: dict[Kind, dict[str, str]] = {
    Kind.TEXT: {"type": "string"},
    Kind.INTEGER: {"type": "integer", "format": "int64"},
    Kind.DECIMAL: {"type": "number", "format": "double"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.DATETIME: {"type": "string", "format": "date-time"},
}


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
    return record


def _body(record: Record) -> dict[str, Any]:
    properties = {
        field.name: {
            **_TYPES[field.kind],
            "title": field.name,
            "nullable": field.name != "id",
            "x-ns-custom-field": field.is_custom,
        }
        for field in record.fields
    }
    return {"type": "object", "properties": properties, "x-ns-filterable": list(properties)}
