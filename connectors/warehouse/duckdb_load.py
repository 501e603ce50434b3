"""One batch into one DuckDB table, in one transaction."""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import duckdb

from connectors.batch import Manifest
from connectors.contract import Table
from connectors.lake import Lake
from connectors.warehouse import LoadResult, ledger, now_utc, quarantine
from connectors.warehouse.bury import Bury
from connectors.warehouse.conform import Conform
from connectors.warehouse.ddl import has_files, qualified
from connectors.warehouse.limits import Limits, mass_deletion
from connectors.warehouse.merge import STAGE, Merge
from connectors.warehouse.reading import READ_ERRORS, Reading, Run
from connectors.warehouse.shadow import Shadow
from connectors.warehouse.sql import stamp


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
    _opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)
    _reading: Reading | None = field(default=None, init=False)

    def execute(self) -> LoadResult:
        """Load the batch, or find that the ledger has it.

        Raises:
            CountMismatch: the rows parsed are not as many as the source counted.
            UnreadableFile: a part cannot be parsed.
            TooManyMisfits, MassDeletion: a limit is passed.
            duckdb.Error: anything else the engine refuses; the transaction is rolled back.
        """
        with self._opened:
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
        reading = self._read()
        reading.check_gzip()
        merge = self._merge(reading.rows)
        try:
            filled = fast and not loaded and self._is_first(merge, reading)
            result = self._fill(empty, reading, merge) if filled else self._upsert(empty, reading, merge)
        except READ_ERRORS as error:
            raise reading.blamed(error) from error
        result = replace(result, seconds=time.monotonic() - started)
        if loaded:
            self.run(ledger.update_replayed(manifest, result, at=merge.loaded_at))
        else:
            self.run(ledger.insert_batch(manifest, result, run_id=self.run_id, loaded_at=merge.loaded_at))
            if manifest.files:
                self.run(ledger.insert_files(manifest))
        self._settle(merge, staged=not filled)
        return result

    def _read(self) -> Reading:
        """The batch as local files, until the load ends."""
        if self._reading is None:
            paths = self._opened.enter_context(self.lake.local(self.manifest, self.manifest.parts))
            self._reading = Reading(self.table, self.manifest, paths, self.run, self.limits, self.again)
        return self._reading

    def _merge(self, rows: Conform) -> Merge:
        own = {*rows.columns, "_batch_id", "_loaded_at"}
        gone_by = _utc(self.run(ledger.select_gone_by(self.table, self.manifest))[0][0])
        described = self.run(f"DESCRIBE {qualified(self.table.name)}")
        return Merge(
            self.table, self.manifest, rows.columns, rows.lacks,
            kept={column: of for column, of, *_ in described if column not in own},
            gone_by=None if gone_by is None else stamp(gone_by),
            loaded_at=now_utc(),
        )  # fmt: skip

    def _is_first(self, merge: Merge, reading: Reading) -> bool:
        """True when the table is empty and nothing that was read later can contradict the batch."""
        if reading.has_keys:
            return False
        later = f"SELECT 1 FROM ({ledger.select_later(self.table, self.manifest)})"
        if has_files(self.table) and self.run(Shadow(merge).is_there())[0][0]:
            return False
        return not self.run(f"SELECT 1 FROM {merge.target} UNION ALL {later} LIMIT 1")

    def _fill(self, result: LoadResult, reading: Reading, merge: Merge) -> LoadResult:
        """Straight into an empty table: parsed once, written once."""
        read = self.run(merge.insert_all(reading.rows.select(marked=True)))[0][0]
        reading.check_count(read)
        misfits, tombstones, fitting, distinct = self.run(merge.check_all())[0]
        if distinct < fitting:
            raise KeysRepeat
        self._quarantine(reading, merge, misfits, read)
        if misfits:
            self.run(merge.drop_misfits())
        result = replace(result, read=read, inserted=fitting - tombstones, deleted=tombstones, quarantined=misfits)
        return self._bury(result, reading, merge, staged=False)

    def _upsert(self, result: LoadResult, reading: Reading, merge: Merge) -> LoadResult:
        self.run(merge.stage(reading.rows.select(marked=False)))
        read, misfits = self.run(merge.count_stage())[0]
        reading.check_count(read)
        self._quarantine(reading, merge, misfits, read)
        repeated = self.run(merge.find_repeated())[0][0]
        outdone = self.run(merge.keep_newest())[0][0] if repeated else 0
        reading.check_repeats(outdone, read)
        self.run(merge.meet(repeated=bool(repeated)))
        least, greatest = self.run(merge.span_of_equals())[0]
        self.run(merge.compare(_utc(least), _utc(greatest)))
        self.run(merge.judge())
        counts: dict[str, int] = dict(self.run(merge.count_plan()))  # pyright: ignore[reportArgumentType]
        living = self.run(Bury(merge).count_living())[0][0]
        if has_files(self.table) and self.run(Shadow(merge).is_cast())[0][0]:
            for statement in Shadow(merge).keep():
                self.run(statement)
        for statement in merge.apply():
            self.run(statement)
        result = replace(
            result, read=read, quarantined=misfits,
            inserted=counts.get("inserted", 0), updated=counts.get("updated", 0),
            unchanged=counts.get("unchanged", 0), stale=counts.get("stale", 0) + outdone,
            deleted=counts.get("deleted", 0),
        )  # fmt: skip
        return self._bury(result, reading, merge, staged=True, living=living)

    def _bury(self, result: LoadResult, reading: Reading, merge: Merge, *, staged: bool, living: int = 0) -> LoadResult:
        """Make tombstones of what the batch says is gone; stops at the limit."""
        bury, manifest, buried, missing = Bury(merge), self.manifest, 0, 0
        if staged and has_files(self.table):
            if deliveries := {f.key: f.last_modified for f in manifest.files}:
                buried += self.run(bury.undelivered(deliveries))[0][0]
                returned = self._bring_back(Shadow(merge), deliveries)
                buried -= returned
                result = replace(result, updated=result.updated + returned)
        elif staged and manifest.window.is_snapshot and manifest.scope != "keys":
            buried += self.run(bury.missing())[0][0]
        if reading.has_keys:
            reading.stage_keys(bury)
            buried += self.run(bury.absent())[0][0]
            missing = self.run(bury.count_lost())[0][0]
        if reading.stage_deletes(bury):
            buried += self.run(bury.deleted(staged=staged))[0][0]
        living = living or result.inserted
        if self.limits.too_many_deleted(buried, living):
            raise mass_deletion(manifest, buried, living)
        return replace(result, deleted=result.deleted + buried, missing=missing)

    def _bring_back(self, shadow: Shadow, deliveries: Mapping[str, datetime]) -> int:
        """Of what was buried let that live which another file has; returns how many rows."""
        if not self.run(shadow.is_there())[0][0]:
            return 0
        self.run(shadow.forget(deliveries))
        self.run(shadow.find_returned())
        returned = self.run(shadow.bring_back())[0][0]
        self.run(shadow.clear_returned())
        return returned

    def _quarantine(self, reading: Reading, merge: Merge, misfits: int, read: int) -> None:
        """Put rows that do not fit aside; stops at the limit."""
        reading.check_misfits(misfits, read)
        manifest = self.manifest
        if misfits or self.again:
            self.run(
                quarantine.collect(
                    reading.rows.quarantine(),
                    self.table,
                    manifest.batch_id,
                    observed=merge.observed,
                    at=merge.loaded_at,
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


def _utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value else None
