"""Values for a generated column: the literals it is compared with, what lies beside them, and the usual suspects."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from split.verify.lineage import Compared

_NUMBERS = re.compile(r"^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|INT\d+|LONG)$")
_FLOATS = ("DOUBLE", "FLOAT", "REAL")
_DECIMAL = re.compile(r"^(?:DECIMAL|NUMERIC)(?:\((\d+)(?:,\s*(\d+))?\))?$")
_NESTED = re.compile(r"^(STRUCT|MAP|UNION)\b|\[\d*\]$|^LIST\b|^JSON$|^BLOB$")
_DAY = dt.timedelta(days=1)
_DAYS = (dt.date(2023, 12, 31), dt.date(2024, 1, 1), dt.date(2024, 2, 29), dt.date(2024, 3, 31))


def duckdb_type(written: str, dialect: str) -> str | None:
    """A declared type in DuckDB's words; None for one that is not understood."""
    try:
        return re.sub(r"\bTEXT\b", "VARCHAR", exp.DataType.build(written, dialect=dialect).sql("duckdb"))
    except SqlglotError:
        return None


def candidates(kind: str, literals: Iterable[Compared]) -> list[Any]:
    """Values of a DuckDB type, sorted and without NULL; none for a type of which only NULL is generated."""
    listed = sorted(set(literals), key=str)
    name = kind.upper()
    if _NESTED.search(name):
        return []
    if name == "BOOLEAN":
        return [False, True]
    if _NUMBERS.match(name):
        near = {int(n) + step for c in listed if (n := _number(c.literal)) is not None for step in (-1, 0, 1)}
        return sorted({0, 1, 2, 7} | {n for n in near if abs(n) < 2**31})
    if name in _FLOATS:
        close = [(n, n - Decimal("0.01"), n + Decimal("0.01")) for c in listed if (n := _number(c.literal)) is not None]
        return sorted({0.0, 0.1, 0.2, 0.7, -1.5, 1234.5} | {float(n) for three in close for n in three})
    if found := _DECIMAL.match(name):
        return _decimals(listed, int(found.group(1) or 18), int(found.group(2) or (0 if found.group(1) else 3)))
    if name == "DATE":
        days = {d.date() + step for d in _moments(listed) for step in (-_DAY, dt.timedelta(0), _DAY)}
        return sorted({*_DAYS, *days})
    if name.startswith("TIMESTAMP") or name == "DATETIME":
        steps = (-_DAY, -dt.timedelta(seconds=1), dt.timedelta(0), dt.timedelta(seconds=1), _DAY)
        usual = {dt.datetime.combine(d, dt.time(hour)) for d in _DAYS for hour in (0, 23)}
        zone = dt.UTC if "TZ" in name or "ZONE" in name else None
        return sorted(m.replace(tzinfo=zone) for m in usual | {m + step for m in _moments(listed) for step in steps})
    if name == "TIME":
        return [dt.time(0, 0), dt.time(12, 30), dt.time(23, 59, 59)]
    if name.startswith(("VARCHAR", "TEXT", "STRING", "CHAR")):
        return _texts(listed)
    return []


def guessed_type(column: str, literals: Iterable[Compared], numeric: bool) -> str:
    """The DuckDB type of a column of which only its name and its use are known."""
    kinds = {c.is_text for c in literals if c.literal not in ("true", "false")}
    if any(c.literal in ("true", "false") and not c.is_text for c in literals) or column.startswith(("is_", "has_")):
        return "BOOLEAN"
    if numeric:
        return "DOUBLE"
    if column.endswith(("_at", "_ts", "timestamp")):
        return "TIMESTAMP"
    if column.endswith(("_date", "_day", "_on")) or column in ("date", "day"):
        return "DATE"
    if kinds == {False} or column == "id" or column.endswith("_id"):
        return "BIGINT" if kinds != {True} else "VARCHAR"
    return "VARCHAR"


def _texts(listed: list[Compared]) -> list[Any]:
    found = {"a", "b", "", "Zz"}
    for compared in listed:
        if not compared.is_text:
            found.add(compared.literal)
        elif compared.exact:
            found |= {compared.literal, compared.literal.swapcase(), f" {compared.literal}"}
        else:
            found.add(compared.literal.replace("%", "").replace("_", "x"))
            found.add(compared.literal.replace("%", "x").replace("_", "x"))
    return sorted(found)


def _decimals(listed: list[Compared], precision: int, scale: int) -> list[Any]:
    step = Decimal(1).scaleb(-scale)
    usual = {Decimal(0), Decimal(1), Decimal("10.50"), Decimal(-3)}
    near = {n + d for c in listed if (n := _number(c.literal)) is not None for d in (-step, Decimal(0), step)}
    most = Decimal(10) ** (precision - scale)
    return sorted({n.quantize(step) for n in usual | near if abs(n) < most})


def _number(literal: str) -> Decimal | None:
    try:
        found = Decimal(literal)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _moments(listed: list[Compared]) -> list[dt.datetime]:
    found: list[dt.datetime] = []
    for compared in listed:
        try:
            found.append(dt.datetime.fromisoformat(compared.literal).replace(tzinfo=None))
        except ValueError:
            continue
    return found
