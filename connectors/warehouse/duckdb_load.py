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
from connectors.errors import CountMismatch, MassDeletion, TooManyMisfits, UnreadableFile
from connectors.lake import Lake
from connectors.warehouse import LoadResult, ledger, now_utc, quarantine
from connectors.warehouse.bury import DELETES, Bury
from connectors.warehouse.conform import Conform, conform, conform_deletes, conform_keys
from connectors.warehouse.ddl import has_files, qualified
from connectors.warehouse.limits import Limits
from connectors.warehouse.merge import STAGE, Merge
from connectors.warehouse.readers import StoredPart, plain_count

Run = Callable[[str], list[tuple[Any, ...]]]
"""Runs one statement and returns its rows."""


class KeysRepeat(Exception):
    """The fast way found one key twice: the batch has to be staged."""


@dataclass
class Load:
    """One load. `run` executes on a connection of its own; `again` repeats a batch that the ledger has."""

    table: Table
    manifest: Manifest
    lake: Lake
    run_id: str
    run: Run
    limits: Limits
    again: bool = False

    def execute(self) -> LoadResult:
        """Load the batch, or find that the ledger has it.

        Raises:
            CountMismatch: the rows parsed are not as many as the source counted.
            UnreadableFile: a part cannot be parsed.
            TooManyMisfits, MassDeletion: a limit is passed.
            duckdb.Error: anything else the engine refuses; the transaction is rolled back.
        """
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
        loaded = bool(self.run(ledger.select_batch(manifest.batch_id))[0][0])
        if loaded and not self.again:
            return replace(empty, skipped=True)
        self._check_gzip()
        rows = conform(self.table, manifest, self.lake)
        merge = self._merge(rows)
        try:
            filled = fast and not loaded and self._is_first(merge)
            result = self._fill(empty, rows, merge) if filled else self._upsert(empty, rows, merge)
        except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException) as error:
            raise self._blamed(error) from error
        result = replace(result, seconds=time.monotonic() - started)
        if loaded:
            self.run(ledger.update_replayed(manifest, result, at=merge.loaded_at))
        else:
            self.run(ledger.insert_batch(manifest, result, run_id=self.run_id, loaded_at=merge.loaded_at))
            if manifest.files:
                self.run(ledger.insert_files(manifest))
        self._settle(merge, staged=not filled)
        return result

    def _merge(self, rows: Conform) -> Merge:
        own = {*rows.columns, "_batch_id", "_loaded_at"}
        described = self.run(f"DESCRIBE {qualified(self.table.name)}")
        return Merge(
            self.table, self.manifest, rows.columns, rows.lacks,
            kept={column: of for column, of, *_ in described if column not in own},
            gone_by=_utc(self.run(ledger.select_gone_by(self.table, self.manifest))[0][0]),
            loaded_at=now_utc(),
        )  # fmt: skip

    def _is_first(self, merge: Merge) -> bool:
        """True when the table is empty and nothing that was read later can contradict the batch."""
        if self.manifest.scope == "keys" or any(part.kind == "keys" for part in self.manifest.parts):
            return False
        later = f"SELECT 1 FROM ({ledger.select_later(self.table, self.manifest)})"
        return not self.run(f"SELECT 1 FROM {merge.target} UNION ALL {later} LIMIT 1")

    def _fill(self, result: LoadResult, rows: Conform, merge: Merge) -> LoadResult:
        """Straight into an empty table: parsed once, written once."""
        read = self.run(merge.insert_all(rows.select(marked=True)))[0][0]
        self._check_count(read)
        misfits, tombstones, fitting, distinct = self.run(merge.check_all())[0]
        if distinct < fitting:
            raise KeysRepeat
        self._quarantine(rows, merge, misfits, read)
        if misfits:
            self.run(merge.drop_misfits())
        result = replace(result, read=read, inserted=fitting - tombstones, deleted=tombstones, quarantined=misfits)
        return self._bury(result, merge, staged=False)

    def _upsert(self, result: LoadResult, rows: Conform, merge: Merge) -> LoadResult:
        self.run(merge.stage(rows.select(marked=False)))
        read, misfits = self.run(merge.count_stage())[0]
        self._check_count(read)
        self._quarantine(rows, merge, misfits, read)
        outdone = self.run(merge.keep_newest())[0][0]
        self._check_repeats(outdone, read)
        self.run(merge.meet())
        least, greatest = self.run(merge.span_of_equals())[0]
        self.run(merge.compare(_utc(least), _utc(greatest)))
        self.run(merge.judge())
        counts: dict[str, int] = dict(self.run(merge.count_plan()))  # pyright: ignore[reportArgumentType]
        living = self.run(Bury(merge).count_living())[0][0]
        for statement in merge.apply():
            self.run(statement)
        result = replace(
            result, read=read, quarantined=misfits,
            inserted=counts.get("inserted", 0), updated=counts.get("updated", 0),
            unchanged=counts.get("unchanged", 0), stale=counts.get("stale", 0) + outdone,
            deleted=counts.get("deleted", 0),
        )  # fmt: skip
        return self._bury(result, merge, staged=True, living=living)

    def _bury(self, result: LoadResult, merge: Merge, *, staged: bool, living: int | None = None) -> LoadResult:
        """Make tombstones of what the batch says is gone; stops at the limit."""
        bury, manifest, buried, missing = Bury(merge), self.manifest, 0, 0
        keys_only = manifest.scope == "keys"
        if staged and has_files(self.table):
            if deliveries := {f.key: f.last_modified for f in manifest.files}:
                buried += self.run(bury.undelivered(deliveries))[0][0]
        elif staged and manifest.window.is_snapshot and not keys_only:
            buried += self.run(bury.missing())[0][0]
        if keys_only or any(part.kind == "keys" for part in manifest.parts):
            self._stage_keys(bury, keys_only=keys_only)
            buried += self.run(bury.absent())[0][0]
            missing = self.run(bury.count_lost())[0][0]
        deletes = conform_deletes(self.table, manifest, self.lake)
        if deletes is not None:
            self.run(bury.stage_deletes(deletes))
            if self.run(f"SELECT 1 FROM {DELETES} WHERE NOT _fits LIMIT 1"):
                raise UnreadableFile(
                    f"{self.table.name}: a deletes part holds a key or a time that cannot be read",
                    table=self.table.name,
                )
            buried += self.run(bury.deleted(staged=staged))[0][0]
        living = result.inserted if living is None else living
        if self.limits.too_many_deleted(buried, living):
            raise MassDeletion(
                f"{self.table.name}: {manifest.window} would delete {buried:,} of {living:,} living rows",
                remedy="Nothing was loaded. Check that the source still shows all rows to the integration user. If "
                "they are gone indeed, run once with MGDW_DELETE_SHARE=1.",
                table=self.table.name, deleted=buried, living=living,
            )  # fmt: skip
        return replace(result, deleted=result.deleted + buried, missing=missing)

    def _stage_keys(self, bury: Bury, *, keys_only: bool) -> None:
        """Read the living keys, and make sure that none was lost on the way: what is absent will be buried."""
        parts = [part for part in self.manifest.parts if part.kind == "keys"]
        self.run(bury.stage_keys(conform_keys(self.table, self.manifest, self.lake)))
        count, distinct, unreadable = self.run(bury.count_keys())[0]
        if unreadable:
            raise UnreadableFile(
                f"{self.table.name}: a keys part holds a key or a time that cannot be read", table=self.table.name
            )
        if keys_only and self.manifest.source_rows is not None:
            self._compare_count("the source counted", self.manifest.source_rows, count, "keys")
        if None not in (counted := [part.rows for part in parts]):
            self._compare_count("the parts were written with", sum(n or 0 for n in counted), count, "keys")
        self._compare_count("the keys parts name", count, distinct, "keys, each key once")

    def _quarantine(self, rows: Conform, merge: Merge, misfits: int, read: int) -> None:
        """Put rows that do not fit aside; stops at the limit."""
        if self.limits.too_many_misfits(misfits, read):
            raise self._too_many(rows, misfits, read)
        manifest = self.manifest
        if misfits or self.again:
            self.run(
                quarantine.collect(
                    rows.quarantine(), self.table, manifest.batch_id, observed=merge.observed, at=merge.loaded_at
                )
            )
            for statement in quarantine.keep(self.table):
                self.run(statement)
            self.run(quarantine.forget(manifest.batch_id))
        self.run(quarantine.hold(self.table))

    def _settle(self, merge: Merge, *, staged: bool) -> None:
        """Take out of quarantine what STG has by now."""
        if self.run(quarantine.count_held(self.table))[0][0]:
            self.run(quarantine.settle(self.table, merge.target, merge.stored_version))
            if staged:
                self.run(quarantine.settle_staged(self.table, STAGE, merge.observed))

    def _too_many(self, rows: Conform, misfits: int, read: int) -> TooManyMisfits:
        found = self.run(quarantine.select_reasons(rows.quarantine()))
        reasons = "; ".join(
            f"{n:,} × {f'{column}: ' if column else ''}{reason}, as in {_short(example)}"
            for reason, column, n, example in found
        )
        limits = self.limits
        return TooManyMisfits(
            f"{self.table.name}: {misfits:,} of {read:,} rows do not fit the contract: {reasons}",
            remedy="Nothing was loaded and nothing is in quarantine. Correct the type or the rule in the contract and "
            f"run again. If the rows are wrong indeed, raise MGDW_QUARANTINE_SHARE ({limits.quarantine_share}) or "
            f"MGDW_QUARANTINE_ROWS ({limits.quarantine_rows}).",
            table=self.table.name, misfits=misfits, read=read, reasons=[reason for reason, *_ in found],
        )  # fmt: skip

    def _check_count(self, read: int) -> None:
        """Compare with the source's own count, or else with what was counted while the parts were written."""
        if self.manifest.scope == "keys":
            return
        counted = [p.rows for p in self.manifest.parts if p.kind == "rows"]
        if self.manifest.source_rows is not None:
            self._compare_count("the source counted", self.manifest.source_rows, read, "rows")
        elif None not in counted:
            self._compare_count("the parts were written with", sum(n or 0 for n in counted), read, "rows")

    def _check_repeats(self, repeats: int, read: int) -> None:
        """A query names no key twice: where one came twice another was lost, although the count is right.

        Files may repeat a key, and so may several queries of one batch (`details.queries`).
        """
        manifest = self.manifest
        if not repeats or manifest.source_rows is None or has_files(self.table):
            return
        if len(manifest.details.get("queries", ())) < 2:
            self._compare_count("the source counted", manifest.source_rows, read - repeats, "rows, each key once")

    def _compare_count(self, who: str, expected: int, read: int, what: str) -> None:
        if read != expected:
            raise CountMismatch(
                f"{self.table.name}: {who} {expected} {what}, {read} were parsed",
                remedy=f"Nothing was loaded. Look at the batch in the lake ({self.manifest.prefix}), remove its folder "
                "and run again: it is extracted anew.",
                table=self.table.name, expected=expected, read=read,
            )  # fmt: skip

    def _check_gzip(self) -> None:
        """Check gzip's checksums, which DuckDB inflates without looking at.

        Of source files, where nobody counted the rows, and of everything that has lain in the lake. A page that an API
        has just sent was checked on its way and is counted: looking once more would cost a tenth of its load
        (measured: 0.3 s for 50 MB).
        """
        for part in self.manifest.parts:
            if part.name.endswith(".gz") and (part.source_file or self.again):
                try:
                    _inflate(self.lake.uri(self.manifest, part))
                except (zlib.error, EOFError, OSError) as error:
                    raise self._unreadable(part.source_file or part.name, str(error)) from error

    def _blamed(self, error: duckdb.Error) -> duckdb.Error | UnreadableFile:
        """Find the part that cannot be read alone; the error itself when each of them can."""
        for part in self.manifest.parts:
            try:
                self.run_apart(plain_count(self.table, StoredPart(part, self.lake.uri(self.manifest, part))))
            except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException) as cause:
                return self._unreadable(part.source_file or part.name, str(cause))
        return error

    def run_apart(self, sql: str) -> None:
        """Run outside the (failed) transaction."""
        with duckdb.connect() as apart:
            apart.execute(sql).fetchall()

    def _unreadable(self, part: str, why: str) -> UnreadableFile:
        first = " ".join(line.strip() for line in why.splitlines()[:3])
        remedy = (
            "Nothing of the batch was loaded. Have the file delivered again, or remove the batch's folder in the lake "
            f"({self.manifest.prefix}) and run again."
        )
        if self.again:
            remedy = (
                f"STG is as it was. The copy in the lake ({self.manifest.prefix}) is damaged: read the window again "
                "with `mgdw backfill`, or have the file delivered again."
            )
        return UnreadableFile(
            f"{self.table.name}: {part} cannot be read: {first}",
            remedy=remedy,
            table=self.table.name, part=part,
        )  # fmt: skip


def _inflate(path: str) -> None:
    with gzip.open(path) as file:
        while file.read(1 << 20):
            pass


def _utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value else None


def _short(example: str | None) -> str:
    return "an empty value" if example is None else repr(example if len(example) <= 60 else example[:57] + "...")
