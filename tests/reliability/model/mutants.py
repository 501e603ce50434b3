"""Loaders broken on purpose: each a mistake that people make, and each must be found by the machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.batch import FileRef
from connectors.contract import Table
from connectors.http import HttpSession
from connectors.lake.local import LocalLake
from connectors.lake.names import read_manifest
from connectors.netsuite.source import NetSuiteSource
from connectors.s3 import source as s3_source
from connectors.salesforce.source import SalesforceSource
from connectors.source import TableState
from connectors.warehouse import LoadResult, ledger
from connectors.warehouse.bury import Bury
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.warehouse.duckdb_load import Load
from connectors.warehouse.merge import Merge
from connectors.warehouse.shadow import Shadow
from connectors.window import Window, covered_until
from connectors.zuora.source import ZuoraSource

_NOTHING = "SELECT 0"


@dataclass(frozen=True)
class Mutant:
    """A mistake, and the source under which the machine is to find it."""

    mistake: str
    source: str
    make: Callable[[pytest.MonkeyPatch], None]


def _no_overlap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Window, "read_from", lambda self, overlap: self.lo)


def _our_own_clock(source: type[Any]) -> Callable[[pytest.MonkeyPatch], None]:
    async def horizon(_: Any, __: Table) -> datetime:
        return datetime.now(UTC).replace(microsecond=0)

    return lambda patch: patch.setattr(source, "horizon", horizon)


def _open_transactions_forgotten(patch: pytest.MonkeyPatch) -> None:
    rightly = SalesforceSource.horizon

    async def horizon(self: SalesforceSource, table: Table) -> datetime:
        return await rightly(self, table) + timedelta(minutes=40)

    patch.setattr(SalesforceSource, "horizon", horizon)


def _watermark_is_the_newest_row(patch: pytest.MonkeyPatch) -> None:
    rightly = DuckDBWarehouse.state

    async def state(self: DuckDBWarehouse, table: Table, *arguments: Any) -> TableState:
        found = await rightly(self, table, *arguments)
        newest = (await self.rows(f'SELECT max("{table.cursor}") AS at FROM "STG"."{table.name}"'))[0]["at"]
        reach = covered_until(found.windows)
        if newest is None or reach is None:
            return found
        # The strict comparison that goes with it loses the rows of the same second.
        seen = newest.replace(tzinfo=UTC) + timedelta(seconds=1801)
        return replace(found, windows=(*found.windows, Window(None, max(reach, seen))))

    patch.setattr(DuckDBWarehouse, "state", state)


def _ledger_before_rows(patch: pytest.MonkeyPatch) -> None:
    rightly = Load._transaction

    def transaction(self: Load, *, fast: bool) -> Any:
        if not self.run(ledger.select_batch(self.manifest.batch_id))[0][0]:
            early = LoadResult(self.table.name, self.manifest.batch_id, self.manifest.window)
            note = ledger.insert_batch(self.manifest, early, run_id="early", loaded_at=datetime.now(UTC))
            self.run(note)
        done = replace(self, again=True)
        return rightly(done, fast=fast)

    patch.setattr(Load, "_transaction", transaction)


def _older_rows_win(patch: pytest.MonkeyPatch) -> None:
    rightly = Merge.judge
    patch.setattr(Merge, "judge", lambda self: rightly(self).replace("s._version < m.version", "FALSE"))


def _old_version_stays(patch: pytest.MonkeyPatch) -> None:
    rightly = Merge.apply
    patch.setattr(Merge, "apply", lambda self: [s for s in rightly(self) if not s.startswith("DELETE")])


def _snapshot_buries_what_came_later(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Merge, "not_seen_later", lambda *_: "TRUE")


def _by_key_alone(patch: pytest.MonkeyPatch) -> None:
    def not_loaded(files: Iterable[FileRef], loaded: Collection[tuple[str, str, str]]) -> list[FileRef]:
        known = {(bucket, key) for bucket, key, _ in loaded}
        return [f for f in files if (f.bucket, f.key) not in known]

    patch.setattr(s3_source, "not_loaded", not_loaded)


def _by_time_alone(patch: pytest.MonkeyPatch) -> None:
    def not_loaded(files: Iterable[FileRef], loaded: Collection[tuple[str, str, str]]) -> list[FileRef]:
        newest = max((token.rpartition(" ")[2] for _, _, token in loaded), default="")
        return [f for f in files if f"{f.last_modified:%Y-%m-%dT%H:%M:%SZ}" > newest]

    patch.setattr(s3_source, "not_loaded", not_loaded)


def _token_in_the_log(patch: pytest.MonkeyPatch) -> None:
    rightly = HttpSession._exchange

    async def exchange(self: HttpSession, *arguments: Any, **options: Any) -> httpx.Response:
        response = await rightly(self, *arguments, **options)
        logging.getLogger("connectors").debug("sent %s", response.request.headers.get("Authorization"))
        return response

    patch.setattr(HttpSession, "_exchange", exchange)


def _manifest_first(patch: pytest.MonkeyPatch) -> None:
    async def manifest(self: LocalLake, prefix: str) -> Any:
        # Any batch of the table will do.
        folders = sorted((self.root / prefix).parent.glob("*/manifest.json"))
        return read_manifest(folders[0].read_text(), str(folders[0])) if folders else None

    patch.setattr(LocalLake, "manifest", manifest)


def _no_shadow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Shadow, "keep", lambda _: [])


def _silent(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(Bury, name, lambda *_, **__: _NOTHING)


MUTANTS = (
    Mutant("windows are not read with an overlap", "netsuite", _no_overlap),
    Mutant("windows are not read with an overlap", "zuora", _no_overlap),
    Mutant("the horizon is our own clock", "netsuite", _our_own_clock(NetSuiteSource)),
    Mutant("the horizon is our own clock", "zuora", _our_own_clock(ZuoraSource)),
    Mutant("the horizon is our own clock", "salesforce", _our_own_clock(SalesforceSource)),
    Mutant("the horizon runs 40 minutes ahead of what is complete", "salesforce", _open_transactions_forgotten),
    Mutant("the watermark is the newest stamp seen, compared strictly", "zuora", _watermark_is_the_newest_row),
    Mutant("the ledger is written before the rows", "salesforce", _ledger_before_rows),
    Mutant("the ledger is written before the rows", "s3", _ledger_before_rows),
    Mutant("reported deletions are forgotten", "salesforce", _silent("deleted")),
    Mutant("reported deletions are forgotten", "netsuite", _silent("deleted")),
    Mutant("keys missing from a snapshot stay alive", "zuora", _silent("missing")),
    Mutant("rows that a new delivery lacks stay alive", "s3", _silent("undelivered")),
    Mutant("rows that another file has too are not kept", "s3", _no_shadow),
    Mutant("older versions overwrite newer ones", "salesforce", _older_rows_win),
    Mutant("the old version is not removed", "zuora", _old_version_stays),
    Mutant("a batch loaded again buries what came after it", "netsuite", _snapshot_buries_what_came_later),
    Mutant("files are known by key alone", "s3", _by_key_alone),
    Mutant("files are known by time alone", "s3", _by_time_alone),
    Mutant("another batch's manifest is taken", "netsuite", _manifest_first),
    Mutant("tokens are logged", "netsuite", _token_in_the_log),
)
