"""Source → lake → STG, the part that the four source flows share."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from prefect import task
from prefect.artifacts import MarkdownArtifact, TableArtifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import State

from connectors.batch import Manifest
from connectors.contract import Contract, Table
from connectors.drift import SchemaChange
from connectors.errors import ConfigurationError, MgdwError, RetryableError
from connectors.lake import Lake
from connectors.progress import ProgressEvent, emit, subscribed
from connectors.source import Finding, Source
from connectors.sync import Plan, SyncOutcome, sync
from connectors.warehouse import LoadResult, Warehouse
from connectors.warehouse.settings import WarehouseSettings, open_lake, open_warehouse
from flows import progress
from flows.alerts import drift_text, findings_text, post
from flows.artifacts import publish
from flows.failures import Failure, StepFailed
from flows.gcp import google_access
from flows.leases import leased
from flows.links import failure_page, load_links
from flows.report import load_rows, loaded_text
from flows.settings import FlowSettings
from flows.sources import SOURCES, SourceName, build_source


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


def source_of(contract: Contract, table: str) -> SourceName:
    """Which source fills the table. Raises ConfigurationError for a name the contract lacks."""
    for source in SOURCES:
        if any(known.name == table for known in contract.of(source)):
            return source
    names = [known.name for known in contract.tables]
    close = difflib.get_close_matches(table, names, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise ConfigurationError(f"the contract has no table {table!r}", remedy=f"{hint}It has: {', '.join(names)}.")


async def make_tables(contract: Contract) -> None:
    """Create what the warehouse lacks, before several sources begin at once and each of them would.

    Raises MgdwError.
    """
    async with open_warehouse(WarehouseSettings.from_environment(), google_access()) as warehouse:
        await warehouse.ensure(contract)


class LoadFailed(StepFailed):
    """Some tables of a source were not loaded; `results` holds what was."""

    def __init__(self, step: str, failures: Sequence[Failure], results: Sequence[LoadResult]) -> None:
        super().__init__(step, failures)
        self.results = tuple(results)


async def load_source(
    name: SourceName, names: Sequence[str] | None, *, full: bool = False, plan: Callable[[Source], Plan] | None = None
) -> list[LoadResult]:
    """Load the source's tables: what is new since the ledger's last window, or everything with `full`.

    A table that fails does not stop the others. Returns one result per batch.

    Args:
        plan: makes the plan of what to fetch, instead of the source's own.

    Raises:
        LoadFailed: at the end, with the failure of each table that was not loaded.
    """
    contract = FlowSettings.from_environment().contract()
    tables = chosen_tables(contract, name, names)
    settings = WarehouseSettings.from_environment()
    google = google_access()
    lake = open_lake(settings, google)
    async with AsyncExitStack() as stack:
        stack.enter_context(subscribed(_to_run_log(name)))
        try:
            lease = await stack.enter_async_context(leased(f"source:{name}"))
            warehouse = await stack.enter_async_context(open_warehouse(settings, google))
            await warehouse.ensure(contract)
            source = await stack.enter_async_context(build_source(name))
        except MgdwError as error:
            await _publish_failures(name, {table.name: error for table in tables})
            raise LoadFailed(name, [Failure.of(name, table.name, error) for table in tables], ()) from error
        await stack.enter_async_context(progress.shown(name, [table.name for table in tables]))

        async def load(table: Table, manifest: Manifest) -> LoadResult:
            await lease.check()
            return await load_batch(table, manifest, lake, warehouse)

        outcome = await sync(
            source, tables, lake, warehouse, run_id=run_id(), full=full,
            plan=plan(source) if plan else None, load=load, report=functools.partial(report_drift, name),
        )  # fmt: skip
    await _tell_findings(name, outcome.findings)
    failures = [Failure.of(name, failure.table, failure.error) for failure in outcome.failures]
    for failure in outcome.failures:
        if not isinstance(failure.error, MgdwError):
            get_run_logger().error("unexpected error while loading %s", failure.table, exc_info=failure.error)
    await _publish(name, outcome, failures)
    if failures:
        raise LoadFailed(name, failures, outcome.results)
    return outcome.results


async def _publish(name: SourceName, outcome: SyncOutcome, failures: Sequence[Failure]) -> None:
    rows = load_rows(outcome.results, failures)
    await publish(TableArtifact(key=f"loads-{name}", table=rows, description=f"What {name} brought to STG"))
    if loaded := dict.fromkeys(result.table for result in outcome.results):
        links = load_links(name, sorted(loaded))
        await publish(MarkdownArtifact(key=f"links-{name}", markdown=links, description="Where rows and raw data are"))
    await _publish_failures(name, {failure.table: failure.error for failure in outcome.failures})


async def _publish_failures(name: SourceName, errors: Mapping[str, Exception]) -> None:
    if errors:
        page = failure_page(errors)
        await publish(
            MarkdownArtifact(key=f"failures-{name}", markdown=page, description="What failed, and what to do")
        )


async def _tell_findings(source: str, findings: Sequence[Finding]) -> None:
    for finding in findings:
        (get_run_logger().warning if finding.is_alert else get_run_logger().info)("%s", finding.text)
    alerts = [finding.text for finding in findings if finding.is_alert]
    if alerts:
        await post(findings_text(source, alerts))


def run_id() -> str:
    """The flow run, for the ledger."""
    return str(flow_run.id or "local")


async def report_drift(source: str, changes: Sequence[SchemaChange]) -> None:
    """Tell people what changed in the source's schema: log, artifact, one Slack message."""
    sentences = [sentence for change in changes for sentence in change.sentences()]
    for sentence in sentences:
        get_run_logger().warning("%s", sentence)
    rows = [
        {"table": c.table, "new": ", ".join(c.added), "gone": ", ".join(c.removed), "back": ", ".join(c.returned),
         "other type": ", ".join(f"{f}: {was} → {now}" for f, was, now in c.retyped)}
        for c in changes
    ]  # fmt: skip
    await publish(TableArtifact(key=f"schema-{source}", table=rows, description=f"What changed in {source}'s schema"))
    await post(drift_text(source, sentences))


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
    result = await warehouse.load(table, manifest, lake, run_id=run_id())
    emit(ProgressEvent(table.source, table.name, "loaded", rows=result.read, bytes=result.bytes))
    log_loaded(result)
    return result


def log_loaded(result: LoadResult) -> None:
    """Two lines of the run's log from which metrics are made: rows loaded, and rows that did not fit."""
    get_run_logger().info("loaded %s: %s rows%s", result.table, result.read, loaded_text(result))
    if result.quarantined:
        get_run_logger().warning("quarantined %s: %s rows", result.table, result.quarantined)


def _to_run_log(source: str) -> functools.partial[None]:
    logger = get_run_logger()

    def log(event: ProgressEvent) -> None:
        if event.source != source:
            return
        if event.stage == "failed":
            logger.error("%s: %s", event.table or source, event.note)
        elif event.stage == "extracted":
            logger.info("extracted %s: %s rows, %s bytes", event.table, event.rows, event.bytes)
        elif event.stage == "unchanged":
            logger.info("unchanged %s: nothing new since the last run", event.table)

    return functools.partial(log)
