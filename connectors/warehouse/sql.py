"""Quoting: the only way names and values enter SQL text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime


def name(identifier: str) -> str:
    """An identifier, quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def names(identifiers: Iterable[str], prefix: str = "") -> str:
    """A comma-separated list of quoted identifiers, each after `prefix` (`s.`)."""
    return ", ".join(prefix + name(i) for i in identifiers)


def text(value: str | None) -> str:
    """A string literal, or NULL."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def stamp(value: datetime | None) -> str:
    """A TIMESTAMP literal holding the UTC instant, or NULL."""
    if value is None:
        return "NULL"
    return f"TIMESTAMP '{value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"


def number(value: int | float | None) -> str:
    """A number literal, or NULL."""
    return "NULL" if value is None else str(value)


def match(keys: Iterable[str], left: str, right: str) -> str:
    """The join condition on key columns that are never NULL."""
    return " AND ".join(f"{left}.{name(k)} = {right}.{name(k)}" for k in keys)


def either(conditions: Iterable[str]) -> str:
    """The conditions joined by OR; FALSE when there are none."""
    found = list(conditions)
    return "(" + " OR ".join(found) + ")" if found else "FALSE"
