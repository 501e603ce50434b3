"""Tries a table's quality rules on an empty table of its types: a rule that does not run would stop every load."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from connectors.contract.model import Column, DataType

_TYPES = {
    DataType.STRING: "VARCHAR",
    DataType.INT64: "BIGINT",
    DataType.NUMERIC: "DECIMAL(38, 9)",
    DataType.BOOL: "BOOLEAN",
    DataType.DATE: "DATE",
    DataType.TIMESTAMP: "TIMESTAMP",
}


def fault(expression: str, columns: Sequence[Column]) -> str | None:
    """Why a rule's expression cannot be used; None if it can."""
    empty = ", ".join(f'NULL::{_TYPES[column.type]} AS "{column.name}"' for column in columns)
    try:
        with duckdb.connect() as connection:
            result = connection.sql(f"SELECT ({expression}) FROM (SELECT {empty}) WHERE FALSE")  # noqa: S608
            kind = str(result.types[0])
    except duckdb.Error as error:
        return str(error).split("\n\nLINE", maxsplit=1)[0].replace("\n", " ")
    return None if kind == "BOOLEAN" else f"it gives {kind}, not true or false"
