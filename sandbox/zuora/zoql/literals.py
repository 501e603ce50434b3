"""ZOQL values as DuckDB literals of a field's type, and stamps as text in a zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sandbox.zuora.errors import QueryError
from sandbox.zuora.schema import Field, Kind
from sandbox.zuora.zoql.syntax import Constant

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)")
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(\.\d+)?)?\s?(Z|[+-]\d\d:?\d\d)?")


def literal(constant: Constant, field: Field, zone: ZoneInfo) -> str:
    """A DuckDB literal comparable with the field's column.

    Args:
        zone: the tenant's time zone, in which a datetime without offset is read.

    Raises:
        QueryError: the value does not fit the field's type.
    """
    text = constant.text
    if constant.form == "null":
        return "NULL"
    match field.kind:
        case Kind.TEXT if constant.form == "quoted":
            return quoted(text)
        case Kind.BOOLEAN if text.lower() in ("true", "false"):
            return text.lower()
        case Kind.INTEGER | Kind.DECIMAL if constant.form != "boolean" and _NUMBER.fullmatch(text):
            return f"CAST('{text}' AS DECIMAL(38, 9))"
        case Kind.DATE | Kind.DATETIME:
            moment = _moment(text, zone)
            if moment is not None and field.kind is Kind.DATETIME:
                return f"TIMESTAMP '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"
            if moment is not None:
                return f"DATE '{text[:10]}'"
        case _:
            pass
    raise QueryError(f"invalid value {text!r} for field {field.name} of type {field.kind}")


def quoted(text: str) -> str:
    """A DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"


def local_time(column: str, zone: str) -> str:
    """Expression of a UTC column as local time."""
    return f"timezone('{zone}', timezone('UTC', {column}))"


def offset_text(column: str, local: str, separator: str = "") -> str:
    """Expression of the offset between a UTC column and its local time, like `-0700`."""
    minutes = f"date_diff('minute', {column}, {local})"
    sign = f"CASE WHEN {minutes} < 0 THEN '-' ELSE '+' END"
    return f"printf('%s%02d{separator}%02d', {sign}, abs({minutes}) // 60, abs({minutes}) % 60)"


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    match = _STAMP.fullmatch(text.strip())
    if match is None:
        return None
    day, clock, fraction, offset = match.groups()
    try:
        if clock is None:
            return None if offset else datetime.combine(date.fromisoformat(day), datetime.min.time(), zone)
        moment = datetime.fromisoformat(f"{day}T{clock}{(fraction or '')[:7]}{(offset or '').replace('Z', '+00:00')}")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
