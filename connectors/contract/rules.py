"""Tries a table's quality rules on an empty table of its types: a rule that does not run would stop every load."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import duckdb

from connectors.contract.model import Column, DataType, QualityRule

_TYPES = {
    DataType.STRING: "VARCHAR",
    DataType.INT64: "BIGINT",
    DataType.NUMERIC: "DECIMAL(38, 9)",
    DataType.BOOL: "BOOLEAN",
    DataType.DATE: "DATE",
    DataType.TIMESTAMP: "TIMESTAMP",
}


def faults(rules: Sequence[QualityRule], columns: Sequence[Column]) -> dict[str, str]:
    """Why rules cannot be used, by their name; empty when all can."""
    if not rules or _fault([rule.expression for rule in rules], columns) is None:
        return {}
    found = ((rule.name, _fault([rule.expression], columns)) for rule in rules)
    return {name: reason for name, reason in found if reason}


@functools.cache
def _engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()  # 40 ms each, so all tables share one


def _fault(expressions: Sequence[str], columns: Sequence[Column]) -> str | None:
    empty = ", ".join(f'NULL::{_TYPES[column.type]} AS "{column.name}"' for column in columns)
    conditions = ", ".join(f"({expression})" for expression in expressions)
    statement = f"SELECT {conditions} FROM (SELECT {empty}) WHERE FALSE"  # noqa: S608 - expressions are SQL by design
    try:
        kinds = {str(kind) for kind in _engine().sql(statement).types}
    except duckdb.Error as error:
        return str(error).split("\n\nLINE", maxsplit=1)[0].replace("\n", " ")
    wrong = kinds - {"BOOLEAN"}
    return f"it gives {wrong.pop()}, not true or false" if wrong else None
