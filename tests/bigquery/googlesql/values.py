"""Values and types between JSON and the analyzer's messages. Runs in the emulators' environment.

In JSON a NUMERIC is its decimal text, a DATE and a TIMESTAMP their ISO text (UTC, microseconds, `Z`), BYTES are hex; an
ARRAY is a list, a STRUCT a list of its fields; the rest are themselves. NULL is null.
"""

from __future__ import annotations

import datetime as dt
from decimal import Context, Decimal
from typing import Any

from zetasql.wasi._pb2.zetasql.public import type_pb2, value_pb2

SCALES = {"NUMERIC": 9, "BIGNUMERIC": 38}
EXACT = Context(prec=100)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
DAY_ZERO = dt.date(1970, 1, 1).toordinal()
SIMPLE = {
    "STRING": "string_value",
    "INT64": "int64_value",
    "BOOL": "bool_value",
    "FLOAT64": "double_value",
    "JSON": "json_value",
}


def type_name(type_: Any) -> str:
    """BigQuery's name of a type (without parameters such as the precision of a NUMERIC)."""
    kind = type_pb2.TypeKind.Name(type_.type_kind).removeprefix("TYPE_")
    if kind == "ARRAY":
        return f"ARRAY<{type_name(type_.array_type.element_type)}>"
    if kind == "STRUCT":
        return f"STRUCT<{', '.join(f'{f.field_name} {type_name(f.field_type)}' for f in type_.struct_type.field)}>"
    return {"DOUBLE": "FLOAT64"}.get(kind, kind)


def to_message(value: Any, type_: str) -> Any:
    """A JSON value of a simple type as the analyzer's message."""
    message = value_pb2.ValueProto()
    if value is None:
        return message
    if type_ in SIMPLE:
        setattr(message, SIMPLE[type_], value)
    elif type_ in SCALES:
        whole = int(Decimal(value).scaleb(SCALES[type_], EXACT))
        length = whole.bit_length() // 8 + 1
        setattr(message, f"{type_.lower()}_value", whole.to_bytes(length, "little", signed=True))
    elif type_ == "DATE":
        message.date_value = dt.date.fromisoformat(value).toordinal() - DAY_ZERO
    elif type_ == "TIMESTAMP":
        since = dt.datetime.fromisoformat(value) - EPOCH
        message.timestamp_value.seconds = since.days * 86_400 + since.seconds
        message.timestamp_value.nanos = since.microseconds * 1_000
    else:
        raise ValueError(f"no value of type {type_} can be given")
    return message


def to_json(message: Any, type_: Any) -> Any:
    """A value the evaluator answered, whose type is the message `type_`, as JSON."""
    field = message.WhichOneof("value")
    if field is None:
        return None
    value = getattr(message, field)
    kind = type_name(type_)
    if kind.startswith("ARRAY<"):
        return [to_json(element, type_.array_type.element_type) for element in value.element]
    if kind.startswith("STRUCT<"):
        return [to_json(v, f.field_type) for v, f in zip(value.field, type_.struct_type.field, strict=True)]
    if kind in SCALES:
        digits = Decimal(int.from_bytes(value, "little", signed=True)).scaleb(-SCALES[kind], EXACT)
        return f"{digits.normalize(EXACT):f}"
    if kind == "DATE":
        return dt.date.fromordinal(value + DAY_ZERO).isoformat()
    if kind == "TIMESTAMP":
        moment = EPOCH + dt.timedelta(seconds=value.seconds, microseconds=value.nanos // 1_000)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value.hex() if kind == "BYTES" else value
