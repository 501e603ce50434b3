"""Texts of Data Query (Trino SQL), made from the contract. Pure functions.

Columns have the fields' names in lower case; the key of a parent is a column of its own (`Account.Id`: `accountid`).
"""
# ruff: noqa: S608 - names come from the contract and from describe, values are typed

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from connectors.contract import DataType, Table
from connectors.window import Window
from connectors.zuora.aqua import DELETED_COLUMN


def column_of(expression: str) -> str:
    """The column of a field, given its name in ZOQL."""
    lower = expression.lower()
    return lower.removesuffix(".id") + "id" if lower.endswith(".id") else lower


def select_rows(table: Table, window: Window, overlap: timedelta, columns: Iterable[str], *, deleted: bool) -> str:
    """The rows of the table in the window, as `zoql.select_rows`. With `deleted` the pseudo-column of that name is
    selected, and so deleted rows come as well."""
    conditions: list[str] = []
    start = window.read_from(overlap)
    if start is not None and table.cursor:
        cursor = _quoted(column_of(table.cursor_field))
        conditions += [f"{cursor} >= {literal(start)}", f"{cursor} < {literal(window.hi)}"]
    flag = [f"{_quoted('deleted')} as {DELETED_COLUMN}"] if deleted else []
    return _select(table, columns, flag, conditions)


def select_keys(table: Table, columns: Iterable[str]) -> str:
    """Every living row of the table."""
    return _select(table, columns, [], [])


def _select(table: Table, columns: Iterable[str], more: list[str], conditions: list[str]) -> str:
    stamps = {column_of(column.field) for column in table.columns if column.type is DataType.TIMESTAMP}
    # As it is, a stamp is printed in the tenant's zone with a blank before the offset.
    chosen = [f"to_iso8601({_quoted(c)}) as {_quoted(c)}" if c in stamps else _quoted(c) for c in columns]
    conditions = [*([f"({_as_sql(table.filter)})"] if table.filter else []), *conditions]
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select {', '.join([*chosen, *more])} from {_quoted(table.object.lower())}{where}"


def literal(stamp: datetime) -> str:
    """A UTC instant."""
    return f"timestamp '{stamp.astimezone(UTC):%Y-%m-%d %H:%M:%S} +00:00'"


def _as_sql(zoql: str) -> str:
    """A filter of the contract; ZOQL compares with null, in SQL that is never true."""
    without = re.sub(r"(!=|<>)\s*null\b", "is not null", zoql, flags=re.IGNORECASE)
    return re.sub(r"=\s*null\b", "is null", without, flags=re.IGNORECASE)


def _quoted(name: str) -> str:
    return f'"{name}"'
