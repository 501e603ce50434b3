"""The whole day: every source to STG, then ODS, EDW and marts, then Tableau."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field

from prefect import flow
from prefect.artifacts import MarkdownArtifact
from prefect.logging import get_run_logger

from connectors.contract import Contract
from connectors.errors import LeaseLost, MgdwError
from connectors.tableau.server import RefreshResult
from connectors.warehouse import LoadResult
from flows.alerts import tell_slack
from flows.artifacts import publish
from flows.children import ChildSteps
from flows.dbt import LAYERS, DbtFailed, DbtNode, Layer, counts_text, status_counts
from flows.failures import Failure, StepFailed
from flows.leases import leased
from flows.lineage import models_above, tableau_exposures
from flows.links import daily_links
from flows.load import LoadFailed, make_tables
from flows.manifest import manifest_path, read_manifest
from flows.naming import run_name
from flows.parameters import Sources
from flows.report import summary_markdown
from flows.settings import FlowSettings
from flows.sources import SOURCES, SourceName
from flows.steps import Steps, StepsHere
from flows.time_limit import time_limited

_START_GAP = 0.3
"""Seconds between two sources' starts. A Prefect server on SQLite refuses writes that come at the very same time, and
its client waits 2 s and more before it asks again: started at once, the sources would run one after the other."""


@dataclass
class DailySummary:
    """What one daily refresh did."""

    loads: list[LoadResult] = field(default_factory=list[LoadResult])
    nodes: list[DbtNode] = field(default_factory=list[DbtNode])
    refreshes: list[RefreshResult] = field(default_factory=list[RefreshResult])
    failures: list[Failure] = field(default_factory=list[Failure])
    skipped: dict[str, None] = field(default_factory=dict[str, None])
    untrusted: dict[str, None] = field(default_factory=dict[str, None])
    """dbt models and `<source>.<table>` whose content is not today's; nothing above them is built."""

    def markdown(self) -> str:
        refreshed = [r.name for r in self.refreshes if r.state == "refreshed"]
        return summary_markdown(
            self.loads, status_counts(self.nodes), refreshed, self.failures, list(self.skipped), nodes=self.nodes,
            links=daily_links(FlowSettings.from_environment(), refreshed),
        )  # fmt: skip


@flow(name="daily-refresh", flow_run_name=run_name, on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def daily_refresh(full: bool = False, sources: Sources = ()) -> DailySummary:
    """Refresh everything: STG of all sources at once, then dbt's ODS and EDW, then Tableau.

    A source that fails stops only what is built from it. The run then ends Failed and names what broke,
    what was skipped and why. Only one such run works at a time: a second one ends at once, and says which runs.

    Args:
        full: Read every object whole again; keys that vanished at the sources become tombstones.
        sources: Only these; empty for all four.
    """
    settings = FlowSettings.from_environment()
    contract = settings.contract()
    summary = DailySummary()
    async with leased("daily-refresh", wait=False) as lease:
        way = StepsHere if settings.children == "here" else ChildSteps
        await _refresh(summary, way(lease.check), contract, tuple(sources or SOURCES), full=full)
    _name_skipped(summary)
    told = MarkdownArtifact(key="daily-refresh", markdown=summary.markdown(), description="What today brought")
    await publish(told)
    if summary.failures:
        raise StepFailed("daily-refresh", summary.failures, list(summary.skipped))
    return summary


async def _refresh(
    summary: DailySummary, steps: Steps, contract: Contract, names: tuple[SourceName, ...], *, full: bool
) -> None:
    """All steps in their order; what breaks is noted. Raises LeaseLost: then another run does what is left."""
    with contextlib.suppress(MgdwError):  # each source says so itself
        await make_tables(contract)
    await _load_sources(summary, steps, contract, names, full=full)
    try:
        for layer in LAYERS:
            await _build(summary, steps, layer)
        with _told_as("tableau", "all data sources"):
            summary.refreshes = await steps.refresh(list(summary.untrusted))
            get_run_logger().info("tableau: %s data sources refreshed", len(summary.refreshes))
    except StepFailed as error:
        _note(summary, error)


async def _load_sources(
    summary: DailySummary, steps: Steps, contract: Contract, names: tuple[SourceName, ...], *, full: bool
) -> None:
    async def one(number: int, name: SourceName) -> list[LoadResult]:
        await asyncio.sleep(number * _START_GAP)
        loads = await steps.load(name, full=full)
        rows, tables = sum(load.read for load in loads), len({load.table for load in loads})
        get_run_logger().info("%s: %s", name, f"{rows:,} rows of {tables} tables" if loads else "nothing new")
        return loads

    outcomes = await asyncio.gather(*(one(n, name) for n, name in enumerate(names)), return_exceptions=True)
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, LoadFailed):
            _note(summary, outcome)
            summary.loads += outcome.results
            summary.untrusted.update({f"{name}.{f.what}": None for f in outcome.failures if f.what})
        elif isinstance(outcome, LeaseLost):
            raise outcome
        elif isinstance(outcome, Exception):
            # Also a bug in one connector stops no other source.
            summary.failures.append(Failure.of(name, "", outcome))
            summary.untrusted.update({f"{name}.{table.name}": None for table in contract.of(name)})
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            summary.loads += outcome


async def _build(summary: DailySummary, steps: Steps, layer: Layer) -> None:
    """Build one layer. Raises StepFailed when dbt could not run at all: then there is nothing to go on with."""
    exclude = [f"source:{name}+" if "." in name else f"{name}+" for name in summary.untrusted]
    try:
        with _told_as(f"dbt-{layer}", f"all that dbt-{layer} builds"):
            nodes = await steps.build(layer, exclude)
            summary.nodes += nodes
            get_run_logger().info("dbt %s: %s", layer, counts_text(nodes))
    except DbtFailed as error:
        _note(summary, error)
        summary.nodes += error.nodes
        summary.untrusted.update(dict.fromkeys(error.models))


@contextlib.contextmanager
def _told_as(step: str, skipped: str) -> Generator[None]:
    """What kept a step from beginning, or ended it without a word (a setting, a lease, a pod), as its failure."""
    try:
        yield
    except (StepFailed, LeaseLost):
        raise
    except MgdwError as error:
        raise StepFailed(step, [Failure.of(step, "", error)], [skipped]) from error


def _name_skipped(summary: DailySummary) -> None:
    """Name every model and data source that keeps yesterday's content because something below it broke.

    What people look at comes first: Tableau's data sources, then marts, then the models below them.
    """
    names = dict(summary.skipped)
    settings = FlowSettings.from_environment()
    if summary.untrusted and manifest_path(settings).is_file():
        manifest = read_manifest(settings)
        names |= dict.fromkeys(models_above(manifest, summary.untrusted))
        blocked = (e for e in tableau_exposures(manifest) if e.blocked_by(summary.untrusted))
        names |= {f"Tableau {e.data_source}": None for e in blocked}
    shown = [name for name in names if not name.startswith(("stg_", "int_"))]
    summary.skipped = dict.fromkeys(sorted(shown, key=lambda n: (not n.startswith("Tableau "), "mart_" not in n)))


def _note(summary: DailySummary, error: StepFailed) -> None:
    summary.failures += error.failures
    summary.skipped.update(dict.fromkeys(error.skipped))
