"""The queries for a batch: which fields, which rows, and how a query that is too much is cut in half. Pure functions.

Never ORDER BY nor LIMIT in a bulk query: they turn off the chunking by primary key and lead to timeouts (Bulk API
guide, "Create a Query Job").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from connectors.batch import BatchRequest
from connectors.contract import Table
from connectors.errors import ConfigurationError

LONGEST_SOQL = 100_000
"""Characters of a query in a bulk job."""
SHORTEST_SPAN = timedelta(seconds=2)
"""Stamps are whole seconds: a shorter span cannot be cut."""
_NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", re.ASCII)


@dataclass(frozen=True)
class Span:
    """A half-open range `[lo, hi)` of a datetime field; None leaves an end open."""

    field: str
    lo: datetime | None = None
    hi: datetime | None = None

    def cut(self, earliest: datetime, latest: datetime) -> datetime | None:
        """The middle (whole seconds), an open end taken to lie where said; None when the span is too short."""
        lo, hi = self.lo or earliest, self.hi or latest
        return (lo + (hi - lo) / 2).replace(microsecond=0) if hi - lo >= SHORTEST_SPAN else None

    def conditions(self) -> list[str]:
        """The range in SOQL."""
        start = [f"{self.field} >= {literal(self.lo)}"] if self.lo else []
        return [*start, *([f"{self.field} < {literal(self.hi)}"] if self.hi else [])]


@dataclass(frozen=True)
class Query:
    """One query for rows of a table.

    Attributes:
        fields: what to select.
        span: the rows to read, by a stamp; None for all.
        alive: a field that is true for rows in the recycle bin, which are left out then.
        cut_by: the field by which a query without a span is cut: `CreatedDate`, which never moves, or the cursor.
    """

    table: Table
    fields: tuple[str, ...]
    span: Span | None
    alive: str | None = None
    cut_by: str | None = None

    @property
    def soql(self) -> str:
        """The query's text."""
        table = self.table
        conditions = [f"({table.filter})"] if table.filter else []
        conditions += [f"{self.alive} = FALSE"] if self.alive else []
        conditions += self.span.conditions() if self.span else []
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {', '.join(self.fields)} FROM {table.object}{where}"  # noqa: S608 - names were checked

    def cut(self, earliest: datetime, latest: datetime) -> datetime | None:
        """Where to cut the query in two; None when it cannot be cut."""
        span = self._span()
        return span.cut(earliest, latest) if span else None

    def halves(self, middle: datetime) -> tuple[Query, Query]:
        """The rows before `middle`, and those from then on. To be read in this order: a row that changes meanwhile
        moves to the later half, which has an open end where the whole had one."""
        span = self._span()
        assert span is not None
        return replace(self, span=replace(span, hi=middle)), replace(self, span=replace(span, lo=middle))

    def _span(self) -> Span | None:
        return self.span or (Span(self.cut_by) if self.cut_by else None)


def rows_of(request: BatchRequest, fields: tuple[str, ...], overlap: timedelta, cut_by: str | None = None) -> Query:
    """The rows that changed in `[window.lo - overlap, window.hi)`.

    A snapshot has no condition on the cursor: a row that changes between `hi` and the read would otherwise be absent,
    and what is absent from a snapshot counts as deleted.

    Raises:
        ConfigurationError: a name that cannot be one, a query that is too long, or a window of a table without cursor.
    """
    table, window = request.table, request.window
    start = window.read_from(overlap)
    if start is not None and table.cursor is None:
        raise ConfigurationError(
            f"{table.name} has no cursor, so a window of it cannot be read",
            remedy="Declare `cursor` in the contract file.",
        )
    span = Span(table.cursor_field, start, window.hi) if start is not None else None
    return checked(Query(table, fields, span, cut_by=cut_by))


def keys_of(table: Table, alive: str | None = None, cut_by: str | None = None) -> Query:
    """Key and cursor of all rows that are alive. `alive` as in Query."""
    names = (*table.primary_key, *([table.cursor] if table.cursor else []))
    fields = tuple(dict.fromkeys(table.column(name).field for name in names))
    return checked(Query(table, fields, None, alive=alive, cut_by=cut_by))


def since(query: Query, stamp: datetime, until: datetime | None) -> Query:
    """The same query for the rows that changed from `stamp` on."""
    return replace(query, span=Span(query.table.cursor_field, stamp, until))


def checked(query: Query) -> Query:
    """The query, without the fields beyond the contract that would make it too long. Raises ConfigurationError."""
    table = query.table
    strange = [name for name in (table.object, *query.fields) if not _NAME.fullmatch(name)]
    if strange:
        raise ConfigurationError(
            f"{table.name}: not a Salesforce name: {', '.join(map(repr, strange))}",
            remedy="Correct `object` or `field` in the contract file.",
        )
    known = set(table.fields)
    while len(query.soql) > LONGEST_SOQL and query.fields[-1] not in known:
        query = replace(query, fields=query.fields[:-1])
    if len(query.soql) > LONGEST_SOQL:
        raise ConfigurationError(
            f"{table.name}: its query has {len(query.soql)} characters, Salesforce takes {LONGEST_SOQL}",
            remedy="Take columns out of the table in the contract file, or declare the rest as a table of its own.",
        )
    return query


def literal(stamp: datetime) -> str:
    """A SOQL datetime literal: UTC, milliseconds, unquoted (`2026-01-02T00:00:00.000Z`)."""
    return stamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"


def parse(text: str) -> datetime:
    """A datetime as the REST API writes it (`2026-01-02T00:00:00.000+0000`), in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
