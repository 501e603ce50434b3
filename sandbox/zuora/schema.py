"""The tenant's objects and fields, read from the model's tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

SCHEMA = "zuora"


class World(Protocol):
    """What the Zuora server needs of the business model (see `sandbox.world`)."""

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
    """Field types by the names `describe` gives them."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"


@dataclass(frozen=True)
class Field:
    """One field. `is_refused`: described, but no query may name it."""

    name: str
    kind: Kind
    is_refused: bool = False

    @property
    def is_custom(self) -> bool:
        """True for the tenant's own fields."""
        return self.name.endswith("__c")

    @property
    def label(self) -> str:
        """The name people read: `AccountNumber` is `Account Number`."""
        plain = self.name.removesuffix("__c").replace("_", " ")
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain).replace(" Id", " ID")


@dataclass(frozen=True)
class ZuoraObject:
    """One object; fields in describe order, found by name without regard to case."""

    name: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """The field of that name, or None."""
        return next((field for field in self.fields if field.name.lower() == name.lower()), None)


class Schema:
    """The tenant's objects, read anew at each question, so that a changed table shows at once.

    Args:
        hidden: objects (`Payment`) or fields (`Payment.Gateway`) that the API user has no permission for.
        refused: fields that no query may name.
    """

    def __init__(
        self, world: World, hidden: frozenset[str] = frozenset(), refused: frozenset[str] = frozenset()
    ) -> None:
        self._world = world
        self._hidden = hidden
        self._refused = refused

    def names(self) -> list[str]:
        """Names of the objects the user may see, sorted."""
        return [name for name in self._tables() if name not in self._hidden]

    def is_hidden(self, name: str) -> bool:
        """True for an object that exists, but not for this user."""
        return any(table.lower() == name.lower() and table in self._hidden for table in self._tables())

    def object(self, name: str) -> ZuoraObject | None:
        """The object of that name (any case), or None."""
        table = next((known for known in self.names() if known.lower() == name.lower()), None)
        if table is None:
            return None
        columns = self._world.columns(SCHEMA, table)
        fields = (
            Field(column, _kind(kind), f"{table}.{column}" in self._refused)
            for column, kind in columns
            if not column.startswith("_")
        )
        return ZuoraObject(table, tuple(f for f in fields if f"{table}.{f.name}" not in self._hidden))

    def _tables(self) -> list[str]:
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = ? ORDER BY 1"
        return [name for (name,) in self._world.sql(sql, [SCHEMA]).fetchall()]


def _kind(duckdb_type: str) -> Kind:
    name = duckdb_type.upper()
    if name.startswith("DECIMAL"):
        return Kind.DECIMAL
    if name.startswith("TIMESTAMP"):
        return Kind.DATETIME
    return {
        "BIGINT": Kind.INTEGER, "INTEGER": Kind.INTEGER, "BOOLEAN": Kind.BOOLEAN, "DATE": Kind.DATE,
    }.get(name, Kind.TEXT)  # fmt: skip
