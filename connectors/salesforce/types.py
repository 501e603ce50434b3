"""Salesforce's field types: which a query may select, and which column holds which. Pure functions.

Types: "Object Reference for the Salesforce Platform", Field Types; describe's `precision` and `scale`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.contract import Column, DataType

_TEXTS = {
    "id", "reference", "string", "textarea", "picklist", "multipicklist", "combobox", "phone", "email", "url",
    "encryptedstring", "masterrecord", "datacategorygroupreference", "time", "anyType",
}  # fmt: skip
_WHOLE = {"int", "long"}
_DECIMAL = {"double", "currency", "percent"}
_NUMERIC_SCALE = 9
"""Digits that NUMERIC keeps after the point. Salesforce has at most 18 in all."""
SELECTABLE = _TEXTS | _WHOLE | _DECIMAL | {"boolean", "date", "datetime"}
"""Not among them: `address` and `location`, which the Bulk API refuses (their components are fields of their own), and
`base64`, which costs one call a value."""
PRINTED_ALIKE = SELECTABLE - {"datetime"} - _DECIMAL
"""Types whose values are the same text in the answers of the REST and the Bulk API."""


def type_name(field: Mapping[str, Any]) -> str:
    """What we call the type of a described field: Salesforce's name, with digits where NUMERIC lacks room for them."""
    kind, scale = str(field["type"]), int(field.get("scale") or 0)
    if kind in _DECIMAL and scale > _NUMERIC_SCALE:
        return f"{kind}({field.get('precision')},{scale})"
    return kind


def fits(source_type: str, column: Column) -> bool:
    """Whether every value of the type fits the column. Whole numbers fit NUMERIC, and text holds whatever is printed;
    a date is no instant, a number in a text field is still text."""
    kind = re.sub(r"\(.*", "", source_type)
    match column.type:
        case DataType.STRING:
            return kind in SELECTABLE
        case DataType.INT64:
            return kind in _WHOLE
        case DataType.NUMERIC:
            return kind in _WHOLE or (kind in _DECIMAL and kind == source_type)
        case DataType.BOOL:
            return kind == "boolean"
        case DataType.DATE:
            return kind == "date"
        case DataType.TIMESTAMP:
            return kind == "datetime"
