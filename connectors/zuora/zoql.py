"""Export ZOQL texts, made from the contract. Pure functions."""
# ruff: noqa: S608 - names come from the contract and from describe, values are typed

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from connectors.contract import Table
from connectors.window import Window


def select_rows(table: Table, window: Window, overlap: timedelta, expressions: Iterable[str]) -> str:
    """The rows of the table in the window.

    A snapshot has no upper end: a row changed after it would otherwise look deleted.

    Args:
        expressions: what to select, as a query writes it (`AccountId` may be `Account.Id`).
    """
    conditions: list[str] = []
    start = window.read_from(overlap)
    if start is not None and table.cursor:
        conditions.append(f"{table.cursor_field} >= {literal(start)}")
        conditions.append(f"{table.cursor_field} < {literal(window.hi)}")
    return _select(table, expressions, conditions)


def select_keys(table: Table, expressions: Iterable[str]) -> str:
    """Every living row of the table."""
    return _select(table, expressions, [])


def _select(table: Table, expressions: Iterable[str], conditions: list[str]) -> str:
    conditions = [*([f"({table.filter})"] if table.filter else []), *conditions]
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select {', '.join(expressions)} from {table.object}{where}"


def literal(stamp: datetime) -> str:
    """A UTC instant. The offset is spelled out: without one Zuora reads it in the tenant's own time zone."""
    return f"'{stamp.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00'"
