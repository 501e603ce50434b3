"""The account's records and fields as SuiteQL sees them, read from the model's tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

SCHEMA = "netsuite"


class World(Protocol):
    """What the NetSuite server needs of the business model (see `sandbox.world`)."""

    @property
    def now(self) -> datetime:
        """The business clock, UTC."""
        ...

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while the model changes."""
        ...

    def sql(self, sql: str, params: Any = None) -> Any:
        """Run a query on the model's database."""
        ...

    def columns(self, schema: str, table: str) -> Sequence[tuple[str, str]]:
        """Names and DuckDB types of a table's columns."""
        ...


class Kind(StrEnum):
    """What a value is; decides how it compares and how it is written as text."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    ZONED = "zoned"
    """SYSTIMESTAMP: an instant that still knows its zone."""

    @property
    def is_number(self) -> bool:
        """True for INTEGER and DECIMAL."""
        return self in (Kind.INTEGER, Kind.DECIMAL)

    @property
    def is_time(self) -> bool:
        """True for DATE, DATETIME and ZONED."""
        return self in (Kind.DATE, Kind.DATETIME, Kind.ZONED)

    @property
    def is_text(self) -> bool:
        """True for TEXT and for BOOLEAN, which is the text `T` or `F`."""
        return self in (Kind.TEXT, Kind.BOOLEAN)


@dataclass(frozen=True)
class Field:
    """One field. `column` is its column in the model, `name` is that in lower case."""

    name: str
    kind: Kind
    column: str

    @property
    def is_custom(self) -> bool:
        """True for the account's own fields."""
        return self.name.startswith("cust")


@dataclass(frozen=True)
class Record:
    """One record type; `table` is its table in the model."""

    name: str
    table: str
    fields: tuple[Field, ...]
    has_tombstones: bool
    """True when the model keeps deleted rows in the table, marked by `_deleted_at`."""


class Schema:
    """Record types and fields, read anew at each question, so that a changed table shows at once.

    Args:
        hidden: names of records (`subscription`) or fields (`customer.email`) that the role may not see.
    """

    def __init__(self, world: World, hidden: frozenset[str] = frozenset()) -> None:
        self._world = world
        self._hidden = hidden

    def names(self) -> list[str]:
        """Names of all record types, sorted."""
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = ? ORDER BY lower(table_name)"
        return [name for (name,) in self._world.sql(sql, [SCHEMA]).fetchall() if name.lower() not in self._hidden]

    def record(self, name: str) -> Record | None:
        """The record type of that name (any case), or None."""
        table = next((known for known in self.names() if known.lower() == name.lower()), None)
        if table is None:
            return None
        columns = self._world.columns(SCHEMA, table)
        fields = tuple(
            Field(column.lower(), _kind(kind), column)
            for column, kind in columns
            if not column.startswith("_") and f"{table}.{column}".lower() not in self._hidden
        )
        return Record(table.lower(), table, fields, any(column == "_deleted_at" for column, _ in columns))


def _kind(duckdb_type: str) -> Kind:
    name = duckdb_type.upper()
    if name in ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT"):
        return Kind.INTEGER
    if re.match(r"DECIMAL|DOUBLE|FLOAT", name):
        return Kind.DECIMAL
    return {"BOOLEAN": Kind.BOOLEAN, "DATE": Kind.DATE}.get(
        name, Kind.DATETIME if name.startswith("TIMESTAMP") else Kind.TEXT
    )
