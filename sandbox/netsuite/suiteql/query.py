"""A translated query, and the statements that answer one page of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sandbox.netsuite.schema import Kind


@dataclass(frozen=True)
class Value:
    """A DuckDB expression and what it yields.

    Attributes:
        display: expression of what BUILTIN.DF shows, where that is not the value itself.
        literal: the text of a string literal.
        aggregate: True when it contains an aggregate function.
    """

    sql: str
    kind: Kind
    display: str | None = None
    literal: str | None = None
    aggregate: bool = False


@dataclass(frozen=True)
class Query:
    """One SELECT as DuckDB sees it. `body` yields columns `c0…` and sort keys `k0…`, in no order.

    Attributes:
        names: result names, lower case, one for each `c` column.
        order: ORDER BY terms over the body's columns.
        fetch: FETCH FIRST n ROWS ONLY.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    body: str
    order: tuple[str, ...] = ()
    fetch: int | None = None

    @property
    def relation(self) -> str:
        """The query as a table expression; ordered where that decides which rows there are."""
        return self._rows(self.fetch, 0) if self.fetch is not None else f"({self.body})"

    def count(self) -> str:
        """Statement for the number of rows of the whole result."""
        return f"SELECT count(*) FROM {self.relation}"

    def page(self, limit: int, offset: int, date_format: str) -> str:
        """Statement that yields one JSON object a row and the number of rows of the whole result."""
        if self.fetch is not None:
            limit = max(0, min(limit, self.fetch - offset))
        members = [
            f"coalesce('{_member(name)}' || CAST(to_json({as_text(f'c{i}', kind, date_format)}) AS VARCHAR), '')"
            for i, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True))
        ]
        item = " || ".join(["'{\"links\":[]'", *members, "'}'"])
        return f"SELECT {item}, ({self.count()}) FROM {self._rows(limit, offset)}{self._order_by}"

    @property
    def _order_by(self) -> str:
        return f" ORDER BY {', '.join(self.order)}" if self.order else ""

    def _rows(self, limit: int | None, offset: int) -> str:
        return f"(SELECT * FROM ({self.body}){self._order_by} LIMIT {limit} OFFSET {offset})"


def as_text(sql: str, kind: Kind, date_format: str) -> str:
    """Expression of the value as SuiteQL writes it: everything is text; '' is NULL."""
    match kind:
        case Kind.INTEGER:
            return f"CAST({sql} AS VARCHAR)"
        case Kind.DECIMAL:
            text = f"CAST({sql} AS VARCHAR)"
            return f"CASE WHEN contains({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
        case Kind.DATE | Kind.DATETIME | Kind.ZONED:
            return f"strftime({sql}, {quoted(date_format)})"
        case Kind.TEXT | Kind.BOOLEAN:
            return f"nullif({sql}, '')"


def quoted(text: str) -> str:
    """A DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"


def _member(name: str) -> str:
    return f",{json.dumps(name)}:".replace("'", "''")
