"""One batch into one DuckDB table, in one transaction."""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

import contextlib
import gzip
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import duckdb

from connectors.batch import Manifest
from connectors.contract import Table
from connectors.errors import CountMismatch, UnreadableFile
from connectors.lake import Lake
from connectors.warehouse import LoadResult, ledger, now_utc
from connectors.warehouse.conform import Conform, conform, conform_deletes
from connectors.warehouse.ddl import has_files
from connectors.warehouse.merge import DELETES, Merge
from connectors.warehouse.readers import StoredPart, plain_count
from connectors.warehouse.sql import names

Run = Callable[[str], list[tuple[Any, ...]]]
"""Runs one statement and returns its rows."""


class KeysRepeat(Exception):
    """The fast way found one key twice: the batch has to be staged."""


@dataclass
class Load:
    """One load. `run` executes on a connection of its own."""

    table: Table
    manifest: Manifest
    lake: Lake
    run_id: str
    run: Run

    def execute(self) -> LoadResult:
        """Load the batch, or find that the ledger has it.

        Raises:
            CountMismatch: the rows parsed are not as many as the source counted.
            UnreadableFile: a part cannot be parsed.
            duckdb.Error: anything else the engine refuses; the transaction is rolled back.
        """
        self._check_gzip()
        try:
            return self._transaction(fast=True)
        except KeysRepeat:
            return self._transaction(fast=False)

    def _transaction(self, *, fast: bool) -> LoadResult:
        self.run("BEGIN")
        try:
            result = self._steps(fast=fast)
            self.run("COMMIT")
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                self.run("ROLLBACK")
            raise
        return result

    def _steps(self, *, fast: bool) -> LoadResult:
        started = time.monotonic()
        manifest = self.manifest
        empty = LoadResult(
            self.table.name, manifest.batch_id, manifest.window, files=len(manifest.files), bytes=manifest.bytes
        )
        if self.run(ledger.select_batch(manifest.batch_id))[0][0]:
            return replace(empty, skipped=True)
        rows = conform(self.table, manifest, self.lake)
        merge = Merge(self.table, rows.columns, manifest.batch_id, now_utc(), manifest.window.hi)
        is_empty = not self.run(f"SELECT 1 FROM {merge.target} LIMIT 1")
        try:
            result = self._fill(empty, rows, merge) if fast and is_empty else self._upsert(empty, rows, merge)
        except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException) as error:
            raise self._blamed(error) from error
        result = replace(result, deleted=result.deleted + self._bury_deleted(merge))
        result = replace(result, seconds=time.monotonic() - started)
        self.run(ledger.insert_batch(manifest, result, run_id=self.run_id, loaded_at=merge.loaded_at))
        if manifest.files:
            self.run(ledger.insert_files(manifest))
        return result

    def _fill(self, result: LoadResult, rows: Conform, merge: Merge) -> LoadResult:
        """Straight into an empty table: parsed once, written once."""
        read = self.run(merge.insert_all(rows.select(marked=True)))[0][0]
        self._check_count(read)
        misfits, tombstones, fitting, distinct = self.run(merge.check_all())[0]
        if distinct < fitting:
            raise KeysRepeat
        if misfits:
            self._quarantine(rows, merge)
            self.run(merge.drop_misfits())
        return replace(
            result,
            read=read,
            inserted=fitting - tombstones,
            deleted=tombstones,
            quarantined=misfits,
        )

    def _upsert(self, result: LoadResult, rows: Conform, merge: Merge) -> LoadResult:
        self.run(merge.stage(rows.select(marked=False)))
        read, misfits = self.run(merge.count_stage())[0]
        self._check_count(read)
        if misfits:
            self._quarantine(rows, merge)
        outdone = self.run(merge.keep_newest())[0][0]
        self.run(merge.meet())
        least, greatest = self.run(merge.span_of_equals())[0]
        self.run(merge.compare(_utc(least), _utc(greatest)))
        self.run(merge.judge())
        counts: dict[str, int] = dict(self.run(merge.count_plan()))  # pyright: ignore[reportArgumentType]
        for statement in merge.apply():
            self.run(statement)
        buried = self._bury_missing(merge)
        return replace(
            result, read=read, quarantined=misfits,
            inserted=counts.get("inserted", 0), updated=counts.get("updated", 0),
            unchanged=counts.get("unchanged", 0), stale=counts.get("stale", 0) + outdone,
            deleted=counts.get("deleted", 0) + buried,
        )  # fmt: skip

    def _bury_missing(self, merge: Merge) -> int:
        if has_files(self.table):
            deliveries = {f.key: f.last_modified for f in self.manifest.files}
            return self.run(merge.bury_undelivered(deliveries))[0][0] if deliveries else 0
        return self.run(merge.bury_missing())[0][0] if self.manifest.window.is_snapshot else 0

    def _bury_deleted(self, merge: Merge) -> int:
        keys = conform_deletes(self.table, self.manifest, self.lake)
        if keys is None:
            return 0
        columns = names(self.table.primary_key)
        self.run(
            f"CREATE OR REPLACE TEMP TABLE batch_deletes AS "
            f"SELECT {columns}, max(_at) AS _at, bool_and(_fits) AS _fits FROM ({keys}) GROUP BY {columns}"
        )
        if self.run(f"SELECT 1 FROM {DELETES} WHERE NOT _fits LIMIT 1"):
            raise UnreadableFile(
                f"{self.table.name}: a deletes part holds a key or a time that cannot be read", table=self.table.name
            )
        return self.run(merge.bury_deleted())[0][0]

    def _quarantine(self, rows: Conform, merge: Merge) -> None:
        self.run(ledger.insert_quarantine(rows.quarantine(), self.manifest, loaded_at=merge.loaded_at))

    def _check_count(self, read: int) -> None:
        """Compare with the source's own count, or else with what was counted while the parts were written."""
        counted = [p.rows for p in self.manifest.parts if p.kind == "rows"]
        expected, who = self.manifest.source_rows, "the source counted"
        if expected is None and None not in counted:
            expected, who = sum(n or 0 for n in counted), "the parts were written with"
        if expected is not None and read != expected:
            raise CountMismatch(
                f"{self.table.name}: {who} {expected} rows, {read} were parsed",
                remedy=f"Nothing was loaded. Look at the batch in the lake ({self.manifest.prefix}), remove its folder "
                "and run again: it is extracted anew.",
                table=self.table.name, expected=expected, read=read,
            )  # fmt: skip

    def _check_gzip(self) -> None:
        """Check the checksums of source files: DuckDB inflates without looking at them, and nobody counted the rows."""
        for part in self.manifest.parts:
            if part.source_file and part.name.endswith(".gz"):
                try:
                    _inflate(self.lake.uri(self.manifest, part))
                except (zlib.error, EOFError, OSError) as error:
                    raise self._unreadable(part.source_file, str(error)) from error

    def _blamed(self, error: duckdb.Error) -> duckdb.Error | UnreadableFile:
        """Find the part that cannot be read alone; the error itself when each of them can."""
        for part in self.manifest.parts:
            try:
                self.run_apart(plain_count(StoredPart(part, self.lake.uri(self.manifest, part))))
            except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException) as cause:
                return self._unreadable(part.source_file or part.name, str(cause))
        return error

    def run_apart(self, sql: str) -> None:
        """Run outside the (failed) transaction."""
        with duckdb.connect() as apart:
            apart.execute(sql).fetchall()

    def _unreadable(self, part: str, why: str) -> UnreadableFile:
        first = " ".join(line.strip() for line in why.splitlines()[:3])
        return UnreadableFile(
            f"{self.table.name}: {part} cannot be read: {first}",
            remedy="Nothing of the batch was loaded. Have the file delivered again, or remove the batch's folder "
            f"in the lake ({self.manifest.prefix}) and run again.",
            table=self.table.name, part=part,
        )  # fmt: skip


def _inflate(path: str) -> None:
    with gzip.open(path) as file:
        while file.read(1 << 20):
            pass


def _utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value else None
