"""The world as the servers see it: a DuckDB database with every source's tables, moved on a business day at a time."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np

from sandbox.model import ids
from sandbox.model.company import Company
from sandbox.model.day import Day, run_day
from sandbox.model.frame import Indexes
from sandbox.model.history import STAGES, fill
from sandbox.model.journal import Books
from sandbox.model.tables import PROJECTIONS, Projection
from sandbox.model.usage import ARRIVAL, Usage
from sandbox.schema import create_tables
from sandbox.summary import DaySummary, Kind

CHUNK = 100_000
"""Rows written at a time, which bounds the memory of big worlds."""
_LATE_TABLES = {"leads": ("salesforce.Lead", "00Q"), "accounts": ("salesforce.Account", "001")}


@dataclass(frozen=True)
class SandboxFile:
    """One object of the usage bucket as it is now; `body` is gzip."""

    key: str
    body: bytes
    last_modified: datetime


class World:
    """One seeded business and its source systems' tables. Make it with `World.create`.

    Attributes:
        lock: held while the world changes; readers that need several queries of one state may hold it too.
        file_events: keys delivered or delivered again by the last `advance`.
    """

    def __init__(self, company: Company, connection: duckdb.DuckDBPyConnection, *, complete: bool) -> None:
        self.lock = threading.RLock()
        self.file_events: list[str] = []
        self._company = company
        self._connection = connection
        self._complete = complete
        self._now = company.now
        self._usage = Usage(company)
        self._files: dict[str, SandboxFile] = {}

    @classmethod
    def create(
        cls, scale: float = 1.0, seed: int = 7, database: str | Path | None = None, only: Collection[str] | None = None
    ) -> Self:
        """Build the business up to its first day and show it as tables.

        Args:
            scale: 1.0 is the demo, about 50,000 rows and 1,200 Salesforce accounts.
            seed: equal seeds give equal worlds.
            database: a file for worlds that do not fit in memory; in memory without it.
            only: tables to fill, like `salesforce.Account`; the others stay empty, and there is no future, no books.
        """
        known = {p.name for p in PROJECTIONS}
        if only is not None and (unknown := set(only) - known):
            raise ValueError(f"no such tables: {sorted(unknown)}; there are {sorted(known)}")
        wanted = [p for p in PROJECTIONS if only is None or p.name in only]
        order = list(STAGES)
        company = Company(scale, seed)
        fill(company, order[-1] if only is None else max((p.stage for p in wanted), key=order.index, default=order[0]))
        connection = duckdb.connect(str(database) if database else ":memory:")
        connection.execute("SET TimeZone = 'UTC'")
        create_tables(connection)
        world = cls(company, connection, complete=only is None)
        for projection in wanted:
            world._write(projection, projection.of(company).rows)
        if only is None:
            world._usage.deliver_history()
        company.settled()
        return world

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    @property
    def now(self) -> datetime:
        """The business clock (UTC). It moves only in `advance`."""
        return _utc(self._now)

    def advance(self, days: int = 1) -> DaySummary:
        """Do business for some days, each from 06:00 to 06:00 UTC, and show its traces in the tables.

        Raises:
            ValueError: for a world made with `only`, or less than one day.
        """
        if not self._complete:
            raise ValueError("a world made with `only` some tables cannot advance: make a whole one")
        if days < 1:
            raise ValueError(f"a world advances by whole days, at least one, not {days}")
        with self.lock:
            summary = self._one_day()
            for _ in range(days - 1):
                summary.add(self._one_day())
            self.file_events = [*summary.delivered, *summary.redelivered]
            return summary

    def books(self) -> Books:
        """The company's own books as of `now`. Raises ValueError for a world made with `only` some tables."""
        if not self._complete:
            raise ValueError("a world made with `only` some tables keeps no whole books: make a whole one")
        with self.lock:
            return self._company.journal.books(self._now)

    def files(self) -> list[SandboxFile]:
        """The usage files as last delivered, by key."""
        with self.lock:
            keys = self._usage.keys() if self._complete else []
            for key in keys:
                arrived = _utc(self._usage.arrived(key))
                if key not in self._files or self._files[key].last_modified != arrived:
                    self._files[key] = SandboxFile(key, self._usage.body(key), arrived)
            return [self._files[key] for key in keys]

    def sql(self, sql: str, params: Sequence[Any] | dict[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Run a query on a cursor of its own: safe from any thread. Fetch from what it returns."""
        return self._connection.cursor().execute(sql, params)

    def columns(self, schema: str, table: str) -> list[tuple[str, str]]:
        """(source field name, DuckDB type) of a table in column order, `_deleted_at` included."""
        return self.sql(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
            [schema, table],
        ).fetchall()

    def _one_day(self) -> DaySummary:
        company = self._company
        day = run_day(company)
        summary = DaySummary(_utc(day.start), _utc(day.end))
        with self._connection.cursor() as cursor:
            cursor.execute("BEGIN")
            for projection in PROJECTIONS:
                rows = projection.visible(company, projection.of(company).touched())
                _count(summary, day, projection, rows)
                self._write(projection, rows, replace_on=cursor)
            cursor.execute("COMMIT")
        company.settled()
        self._deliver(day, summary)
        _describe(summary, day)
        self._now = day.end
        return summary

    def _deliver(self, day: Day, summary: DaySummary) -> None:
        """Yesterday's usage files, and an older one again."""
        summary.delivered += self._usage.deliver(day.date)
        older = [
            key for key in self._usage.keys(since=day.date - np.timedelta64(30, "D")) if key not in summary.delivered
        ]
        chosen = older[int(day.pick("redelivered", np.arange(len(older)), 1)[0])]
        self._usage.redeliver(chosen, day.tonight(ARRIVAL + 1800))
        summary.redelivered.append(chosen)

    def _write(
        self, projection: Projection, rows: Indexes, *, replace_on: duckdb.DuckDBPyConnection | None = None
    ) -> None:
        cursor = replace_on or self._connection.cursor()
        target, key = f'"{projection.schema}"."{projection.table}"', projection.key
        rows = projection.visible(self._company, rows)
        for start in range(0, len(rows), CHUNK):
            cursor.register("incoming", projection.rows(self._company, rows[start : start + CHUNK]))
            if replace_on:
                cursor.execute(f'DELETE FROM {target} AS t USING incoming AS i WHERE t."{key}" = i."{key}"')
            cursor.execute(f"INSERT INTO {target} BY NAME SELECT * FROM incoming")
            cursor.unregister("incoming")


def _count(summary: DaySummary, day: Day, projection: Projection, rows: Indexes) -> None:
    frame = projection.of(day.company)
    fresh = (rows >= frame.settled_size) | (frame[projection.created][rows] > day.start)
    purged = ~np.isnat(frame["gone"][rows])
    binned = (frame["deleted"][rows] if "deleted" in frame else np.zeros(len(rows), bool)) & ~purged
    kinds: tuple[tuple[Kind, np.ndarray], ...] = (
        ("insert", fresh), ("soft_delete", binned), ("hard_delete", purged), ("update", ~(fresh | binned | purged)),
    )  # fmt: skip
    for kind, mask in kinds:
        if not mask.any():
            continue
        summary.changes[projection.name, kind] += int(mask.sum())
        if kind in ("soft_delete", "hard_delete"):
            shown = projection.rows(day.company, rows[mask]).column(projection.key).to_pylist()
            summary.ids.setdefault((projection.name, kind), []).extend(shown)


def _describe(summary: DaySummary, day: Day) -> None:
    for name, row in day.late:
        table, prefix = _LATE_TABLES[name]
        summary.late.append((table, ids.salesforce(prefix, np.array([row]))[0].as_py()))
    for loser, winner in day.merged:
        both = ids.salesforce("001", np.array([loser, winner])).to_pylist()
        summary.merged.append((both[0], both[1]))


def _utc(stamp: np.datetime64) -> datetime:
    return stamp.astype("M8[s]").astype(datetime).replace(tzinfo=UTC)
