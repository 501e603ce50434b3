"""One run of one source: look at its schema, plan, extract, load. What runs it (a flow, a test) adds its own around."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Table
from connectors.drift import SchemaChange, judge
from connectors.errors import MgdwError, SourceUnavailable
from connectors.lake import Lake
from connectors.progress import ProgressEvent, Stage, emit
from connectors.source import Finding, Source, TableState, about
from connectors.warehouse import LoadResult, Warehouse

Plan = Callable[[Table, TableState], Awaitable[list[BatchRequest]]]
"""What has to be fetched for a table."""
LoadBatch = Callable[[Table, Manifest], Awaitable[LoadResult]]
"""Brings a batch from the lake into STG."""
Report = Callable[[Sequence[SchemaChange]], Awaitable[None]]
"""Told what changed in the source's schema, before it is remembered as told."""


@dataclass(frozen=True)
class TableFailure:
    """A table that was not, or not wholly, loaded."""

    table: str
    error: Exception


@dataclass
class SyncOutcome:
    """What a run did: one result per batch, one failure or more per table that was not loaded, and what was noticed."""

    results: list[LoadResult] = field(default_factory=list[LoadResult])
    failures: list[TableFailure] = field(default_factory=list[TableFailure])
    changes: list[SchemaChange] = field(default_factory=list[SchemaChange])
    findings: list[Finding] = field(default_factory=list[Finding])


async def sync(
    source: Source,
    tables: Sequence[Table],
    lake: Lake,
    warehouse: Warehouse,
    *,
    run_id: str,
    full: bool = False,
    plan: Plan | None = None,
    load: LoadBatch | None = None,
    report: Report | None = None,
) -> SyncOutcome:
    """Load what is new for each table. A table that fails does not stop the others, and nothing is raised for it.

    Args:
        source: logged in.
        warehouse: open, and `ensure`d for these tables.
        run_id: who loads, for the ledger.
        full: read every object whole.
        plan: what to fetch, instead of the source's own plan.
        load: loads one batch, instead of the warehouse alone.
        report: told of changes in the source's schema.
    """
    run = _Run(source, lake, warehouse)
    requests = await run.plan(tables, plan or (lambda table, state: source.plan(table, state, full=full)))
    if report is not None and any(change.is_news for change in run.outcome.changes):
        await report([change for change in run.outcome.changes if change.is_news])
    await warehouse.remember(run.outcome.changes)

    async def straight(table: Table, manifest: Manifest) -> LoadResult:
        return await warehouse.load(table, manifest, lake, run_id=run_id)

    await run.load(requests, load or straight)
    run.blame_unfinished(requests)
    await run.look_after([table for table in tables if table.format is not None])
    return run.outcome


class _Run:
    """Collects results and failures of one run."""

    def __init__(self, source: Source, lake: Lake, warehouse: Warehouse) -> None:
        self.source = source
        self.lake = lake
        self.warehouse = warehouse
        self.outcome = SyncOutcome()

    async def plan(self, tables: Sequence[Table], plan: Plan) -> list[BatchRequest]:
        async def of(table: Table) -> list[BatchRequest]:
            state = await self.warehouse.state(table, self.source.origin)
            change = judge(table, await self.source.drift(table), state.fields, self.source.fits)
            self.outcome.changes.append(change)
            planned = await plan(table, state)
            self._event(table.name, "planned" if planned else "unchanged", batches=len(planned))
            known = {"absent": change.absent, "extra": change.extra, "origin": self.source.origin}
            return [replace(request, **known) for request in planned]

        outcomes = await asyncio.gather(*(of(table) for table in tables), return_exceptions=True)
        requests: list[BatchRequest] = []
        for table, outcome in zip(tables, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._failed(table.name, outcome)
            else:
                requests += outcome
        return requests

    async def load(self, requests: Sequence[BatchRequest], load: LoadBatch) -> None:
        """Load each batch as soon as it is in the lake, while the next ones are fetched."""
        tables = {request.table.name: request.table for request in requests}
        manifests: AsyncIterator[Manifest] = self.source.extract(requests, self.lake)
        running: list[tuple[str, asyncio.Task[LoadResult]]] = []
        try:
            async for manifest in manifests:
                self._note(manifest)
                work = load(tables[manifest.table], manifest)
                running.append((manifest.table, asyncio.ensure_future(work)))
        except Exception as error:  # noqa: BLE001 - each leaf is reported by name below
            for leaf in _leaves(error):
                self._failed(_table_of(leaf), leaf)
        except BaseException:
            for _, work in running:
                work.cancel()
            await asyncio.gather(*(work for _, work in running), return_exceptions=True)
            raise
        for table, work in running:
            try:
                self.outcome.results.append(await work)
            except Exception as error:  # noqa: BLE001 - reported by name; the other tables go on
                self._failed(table, error)

    def blame_unfinished(self, requests: Sequence[BatchRequest]) -> None:
        """Give every table without a result a failure, also where the source named none (a broken connection)."""
        done = {r.batch_id for r in self.outcome.results}
        failures = self.outcome.failures
        blamed = {f.table for f in failures}
        unnamed = [f.error for f in failures if not f.table]
        missing = dict.fromkeys(r.table.name for r in requests if r.batch_id not in done and r.table.name not in blamed)
        if missing:
            never = SourceUnavailable(f"{self.source.name}: its batch never arrived", remedy="Run the flow again.")
            failures += [TableFailure(table, unnamed[0] if unnamed else never) for table in missing]
            self.outcome.failures = [f for f in failures if f.table]

    async def look_after(self, tables: Sequence[Table]) -> None:
        """What is left to say and to do for file tables that were loaded. What goes wrong here harms no row."""
        failed = {failure.table for failure in self.outcome.failures}
        for table in tables:
            if table.name in failed:
                continue
            try:
                state = await self.warehouse.state(table, self.source.origin)
                self.outcome.findings += await self.source.findings(table, state)
                moved = await self.source.archive(table, state)
            except MgdwError as error:
                text = f"{table.name}: {error.cause} What to do: {error.remedy}"
                self.outcome.findings.append(Finding(table.name, text, is_alert=True))
                continue
            if moved:
                text = f"{table.name}: {len(moved)} files that are loaded went to the archive."
                self.outcome.findings.append(Finding(table.name, text, is_alert=False))

    def _note(self, manifest: Manifest) -> None:
        """What the connector could not do as it should, and loaded nevertheless."""
        if warning := manifest.details.get("warning"):
            self.outcome.findings.append(Finding(manifest.table, f"{manifest.table}: {warning}", is_alert=False))

    def _failed(self, table: str, error: BaseException) -> None:
        if not isinstance(error, Exception):
            raise error
        named = about(error, table) if isinstance(error, MgdwError) and table else error
        self.outcome.failures.append(TableFailure(table, named))
        self._event(table, "failed", error.cause if isinstance(error, MgdwError) else f"{type(error).__name__}")

    def _event(self, table: str, stage: Stage, note: str = "", batches: int = 0) -> None:
        emit(ProgressEvent(self.source.name, table, stage, note=note, batches=batches))


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _table_of(error: BaseException) -> str:
    return str(error.facts.get("table", "")) if isinstance(error, MgdwError) else ""
