"""The world as the servers see it: one DuckDB database with every source's tables, moved on a business day at a time."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np

from sandbox.model.company import Company
from sandbox.model.history import STAGES, fill
from sandbox.model.journal import Books
from sandbox.model.tables import PROJECTIONS, Projection
from sandbox.model.usage import Usage
from sandbox.schema import create_tables

@dataclass(frozen=True)
class SandboxFile:
    """One object of the usage bucket as it is now; `body` is gzip."""

    key: str
    body: bytes
    last_modified: datetime


CHUNK = 100_000
"""Rows written at a time, which bounds the memory of big worlds."""


class World:
    """One seeded business and its source systems' tables. Make it with `World.create`.

    Attributes:
        lock: held while the world changes; readers that need several queries of one state may hold it too.
    """

    def __init__(self, company: Company, connection: duckdb.DuckDBPyConnection, tables: frozenset[str] | None) -> None:
        self.lock = threading.RLock()
        self._company = company
        self._connection = connection
        self._only = tables
        self._now = company.now
        self._usage = Usage(company)
        self._files: dict[str, SandboxFile] = {}
        self.file_events: list[str] = []
        """Keys delivered or delivered again by the last `advance`."""

    @classmethod
    def create(
        cls, scale: float = 1.0, seed: int = 7, database: str | Path | None = None, only: Collection[str] | None = None
    ) -> Self:
        """Build the business up to its first day and show it as tables.

        Args:
            scale: 1.0 is the demo, about 50,000 rows and 1,200 Salesforce accounts.
            seed: equal seeds give equal worlds.
            database: a file for worlds that do not fit in memory; in memory without it.
            only: tables to fill, like `salesforce.Account`; the others stay empty, and the world stands still.
        """
        company = Company(scale, seed)
        known = {p.name for p in PROJECTIONS}
        if only is not None and (unknown := set(only) - known):
            raise ValueError(f"no such tables: {sorted(unknown)}; there are {sorted(known)}")
        wanted = [p for p in PROJECTIONS if only is None or p.name in only]
        order = list(STAGES)
        fill(company, max((p.stage for p in wanted), key=order.index) if only is not None else order[-1])
        connection = duckdb.connect(str(database) if database else ":memory:", config={"preserve_insertion_order": True})
        connection.execute("SET TimeZone = 'UTC'")
        create_tables(connection)
        world = cls(company, connection, None if only is None else frozenset(only))
        for projection in wanted:
            frame = projection.of(company)
            for start in range(0, len(frame), CHUNK):
                world._write(projection, frame.rows[start : start + CHUNK])
        if only is None:
            world._usage.deliver_history()
        for frame in {p.frame for p in PROJECTIONS}:
            getattr(company, frame).settled()
        return world

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    @property
    def now(self) -> datetime:
        """The business clock (UTC). It moves only in `advance`."""
        return _utc(self._now)

    def books(self) -> Books:
        """The company's own books as of `now`."""
        with self.lock:
            return self._company.journal.books(self._now)

    def files(self) -> list[SandboxFile]:
        """The usage files as last delivered, by key."""
        with self.lock:
            for key in self._usage.keys():
                arrived = _utc(self._usage.arrived(key))
                if key not in self._files or self._files[key].last_modified != arrived:
                    self._files[key] = SandboxFile(key, self._usage.body(key), arrived)
            return [self._files[key] for key in self._usage.keys()]

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

    def _write(self, projection: Projection, rows: np.ndarray, *, replace: bool = False) -> None:
        rows = projection.visible(self._company, rows)
        if not len(rows):
            return
        cursor = self._connection.cursor()
        cursor.register("incoming", projection.rows(self._company, rows))
        target, key = f'"{projection.schema}"."{projection.table}"', projection.key
        if replace:
            cursor.execute(f'DELETE FROM {target} AS t USING incoming AS i WHERE t."{key}" = i."{key}"')
        cursor.execute(f"INSERT INTO {target} BY NAME SELECT * FROM incoming")
        cursor.unregister("incoming")


def _utc(stamp: np.datetime64) -> datetime:
    return stamp.astype("M8[s]").astype(datetime).replace(tzinfo=UTC)
