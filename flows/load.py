"""Source → lake → STG, the part that the four source flows share."""

from __future__ import annotations

import asyncio
import difflib
import functools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from prefect import task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import State

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Contract, Table
from connectors.errors import ConfigurationError, MgdwError, RetryableError
from connectors.lake import Lake
from connectors.progress import ProgressEvent, emit, subscribed
from connectors.source import Source
from connectors.warehouse import LoadResult, Warehouse
from connectors.warehouse.settings import WarehouseSettings, open_lake, open_warehouse
from flows.failures import Failure, StepFailed, flatten
from flows.report import load_rows
from flows.settings import FlowSettings
from flows.sources import SourceName, build_source


def chosen_tables(contract: Contract, source: str, names: Sequence[str] | None) -> tuple[Table, ...]:
    """The source's tables, or those named. Raises ConfigurationError for a name the contract lacks."""
    tables = contract.of(source)
    if not names:
        return tables
    known = {t.name: t for t in tables}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]!r}? " if close else ""
            raise ConfigurationError(f"{source} has no table {name!r}", remedy=f"{hint}It has: {', '.join(known)}.")
    return tuple(known[name] for name in names)


class LoadFailed(StepFailed):
    """Some tables of a source were not loaded; `results` holds what was."""

    def __init__(self, step: str, failures: Sequence[Failure], results: Sequence[LoadResult]) -> None:
        super().__init__(step, failures)
        self.results = tuple(results)


async def load_source(name: SourceName, names: Sequence[str] | None, *, full: bool) -> list[LoadResult]:
    """Load the source's tables: what is new since the ledger's last window, or everything with `full`.

    A table that fails does not stop the others. Returns one result per batch.

    Raises:
        LoadFailed: at the end, with the failure of each table that was not loaded.
    """
    contract = FlowSettings.from_environment().contract()
    tables = chosen_tables(contract, name, names)
    settings = WarehouseSettings.from_environment()
    loading = _Loading(name, open_lake(settings))
    async with AsyncExitStack() as stack:
        stack.enter_context(subscribed(_to_run_log(name)))
        try:
            warehouse = await stack.enter_async_context(open_warehouse(settings))
            await warehouse.ensure(contract)
            source = await stack.enter_async_context(build_source(name))
        except MgdwError as error:
            raise LoadFailed(name, [Failure.of(name, table.name, error) for table in tables], ()) from error
        requests = await loading.plan(source, warehouse, tables, full=full)
        await loading.load(source.extract(requests, loading.lake), warehouse, {t.name: t for t in tables})
    loading.blame_unfinished(requests)
    await acreate_table_artifact(
        key=f"loads-{name}",
        table=load_rows(loading.results, loading.failures),
        description=f"What {name} brought to STG",
    )
    if loading.failures:
        raise LoadFailed(name, loading.failures, loading.results)
    return loading.results


class _Loading:
    """One run of one source: collects results and failures."""

    def __init__(self, source: str, lake: Lake) -> None:
        self.source = source
        self.lake = lake
        self.results: list[LoadResult] = []
        self.failures: list[Failure] = []

    async def plan(
        self, source: Source, warehouse: Warehouse, tables: Sequence[Table], *, full: bool
    ) -> list[BatchRequest]:
        async def of(table: Table) -> list[BatchRequest]:
            requests = await source.plan(table, await warehouse.state(table), full=full)
            self._event(table.name, "planned" if requests else "unchanged")
            return requests

        outcomes = await asyncio.gather(*(of(table) for table in tables), return_exceptions=True)
        requests: list[BatchRequest] = []
        for table, outcome in zip(tables, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._failed(table.name, outcome)
            else:
                requests += outcome
        return requests

    async def load(self, manifests: AsyncIterator[Manifest], warehouse: Warehouse, tables: dict[str, Table]) -> None:
        """Load each batch as soon as it is in the lake, while the next ones are fetched."""
        running: list[tuple[str, asyncio.Task[LoadResult]]] = []
        try:
            async for manifest in manifests:
                work = load_batch(tables[manifest.table], manifest, self.lake, warehouse)
                running.append((manifest.table, asyncio.ensure_future(work)))
        except Exception as error:  # noqa: BLE001 - each leaf is reported by name below
            for leaf in flatten(error):
                self._failed(_table_of(leaf), leaf)
        for table, work in running:
            try:
                self.results.append(await work)
            except Exception as error:  # noqa: BLE001 - reported by name; the other tables go on
                self._failed(table, error)

    def blame_unfinished(self, requests: Sequence[BatchRequest]) -> None:
        """Give every table without a result a failure, also where the source named none (a broken connection)."""
        done = {r.batch_id for r in self.results}
        blamed = {f.what for f in self.failures}
        unnamed = [f for f in self.failures if not f.what]
        missing = dict.fromkeys(r.table.name for r in requests if r.batch_id not in done and r.table.name not in blamed)
        for table in missing:
            cause = (
                unnamed[0] if unnamed else Failure(self.source, "", "its batch never arrived", "Run the flow again.")
            )
            self.failures.append(Failure(self.source, table, cause.cause, cause.remedy))
        if missing:
            self.failures = [f for f in self.failures if f.what]

    def _failed(self, table: str, error: BaseException) -> None:
        if not isinstance(error, Exception):
            raise error
        failure = Failure.of(self.source, table, error)
        self.failures.append(failure)
        self._event(table, "failed", failure.cause)
        if not isinstance(error, MgdwError):
            get_run_logger().error("unexpected error while loading %s", table or self.source, exc_info=error)

    def _event(self, table: str, stage: str, note: str = "") -> None:
        emit(ProgressEvent(self.source, table, stage, note=note))  # pyright: ignore[reportArgumentType]


async def _may_retry(_task: object, _run: object, state: State[LoadResult]) -> bool:
    return isinstance(await state.aresult(raise_on_failure=False), RetryableError)


@task(
    name="load",
    cache_policy=NO_CACHE,
    task_run_name="load {table.name}",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=_may_retry,
)
async def load_batch(table: Table, manifest: Manifest, lake: Lake, warehouse: Warehouse) -> LoadResult:
    """One batch from the lake into STG, in one transaction."""
    emit(ProgressEvent(table.source, table.name, "loading", rows=manifest.rows, bytes=manifest.bytes))
    result = await warehouse.load(table, manifest, lake, run_id=str(flow_run.id or "local"))
    emit(ProgressEvent(table.source, table.name, "loaded", rows=result.read, bytes=result.bytes))
    return result


def _table_of(error: BaseException) -> str:
    return str(error.facts.get("table", "")) if isinstance(error, MgdwError) else ""


def _to_run_log(source: str) -> functools.partial[None]:
    logger = get_run_logger()

    def log(event: ProgressEvent) -> None:
        if event.source != source:
            return
        if event.stage == "failed":
            logger.error("%s: %s", event.table or source, event.note)
        elif event.stage in ("extracted", "loaded", "unchanged"):
            logger.info("%s %s: %s rows, %s bytes", event.stage, event.table, event.rows, event.bytes)

    return functools.partial(log)
