"""The query for a table and a window. Pure functions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from connectors.contract import Table
from connectors.errors import ConfigurationError
from connectors.window import Window

_NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", re.ASCII)


def select(table: Table, window: Window, overlap: timedelta) -> str:
    """SOQL for the rows of `table` that changed in `[window.lo - overlap, window.hi)`.

    A snapshot has no condition on the cursor: a row that changes between `hi` and the read would otherwise be
    absent, and what is absent from a snapshot counts as deleted. Never ORDER BY nor LIMIT: they turn off the
    chunking by primary key and lead to timeouts (Bulk API guide, "Create a Query Job").

    Raises:
        ConfigurationError: the contract names something that cannot be a Salesforce name, or a window
            is asked of a table without a cursor.
    """
    strange = [name for name in (table.object, *table.fields) if not _NAME.fullmatch(name)]
    if strange:
        raise ConfigurationError(
            f"{table.name}: not a Salesforce name: {', '.join(map(repr, strange))}",
            remedy="Correct `object` or `field` in the contract file.",
        )
    conditions = [*([f"({table.filter})"] if table.filter else []), *_in_window(table, window, overlap)]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(table.fields)} FROM {table.object}{where}"  # noqa: S608 - names were checked


def _in_window(table: Table, window: Window, overlap: timedelta) -> list[str]:
    start = window.read_from(overlap)
    if start is None:
        return []
    if table.cursor is None:
        raise ConfigurationError(
            f"{table.name} has no cursor, so a window of it cannot be read",
            remedy="Declare `cursor` in the contract file.",
        )
    return [f"{table.cursor_field} >= {literal(start)}", f"{table.cursor_field} < {literal(window.hi)}"]


def literal(stamp: datetime) -> str:
    """A SOQL datetime literal: UTC, milliseconds, unquoted (`2026-01-02T00:00:00.000Z`)."""
    return stamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"


def parse(text: str) -> datetime:
    """A datetime as the REST API writes it (`2026-01-02T00:00:00.000+0000`), in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
