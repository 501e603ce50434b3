"""Export ZOQL texts, made from the contract. Pure functions."""
# ruff: noqa: S608 - names come from the contract, values are typed

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from connectors.contract import Table
from connectors.window import Window


def select(table: Table, window: Window, overlap: timedelta, expressions: Mapping[str, str]) -> str:
    """The rows of the table in the window.

    A snapshot has no upper end: a row changed after it would otherwise look deleted.

    Args:
        expressions: how each field of the contract is written in a query (`AccountId` may be `Account.Id`).
    """
    conditions = [f"({table.filter})"] if table.filter else []
    start = window.read_from(overlap)
    if start is not None and table.cursor:
        conditions.append(f"{table.cursor_field} >= {literal(start)}")
        conditions.append(f"{table.cursor_field} < {literal(window.hi)}")
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select {', '.join(expressions[field] for field in table.fields)} from {table.object}{where}"


def literal(stamp: datetime) -> str:
    """A UTC instant. The offset is spelled out: without one Zuora reads it in the tenant's own time zone."""
    return f"'{stamp.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00'"
