"""The whole day: every source to STG, then ODS, EDW and marts, then Tableau."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact

from connectors.contract import Contract
from connectors.errors import MgdwError
from connectors.tableau.server import RefreshResult
from connectors.warehouse import LoadResult
from flows.alerts import tell_slack
from flows.dbt import LAYERS, DbtFailed, DbtNode, Layer, dbt, status_counts
from flows.failures import Failure, StepFailed
from flows.lineage import models_above, tableau_exposures
from flows.load import LoadFailed, make_tables
from flows.naming import run_name
from flows.netsuite import netsuite
from flows.report import summary_markdown
from flows.s3_usage import s3_usage
from flows.salesforce import salesforce
from flows.settings import FlowSettings
from flows.sources import SOURCES, SourceName
from flows.tableau import tableau
from flows.zuora import zuora

SOURCE_FLOWS: dict[SourceName, Callable[..., Awaitable[list[LoadResult]]]] = {
    "salesforce": salesforce,
    "netsuite": netsuite,
    "zuora": zuora,
    "s3": s3_usage,
}


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
            self.loads, status_counts(self.nodes), refreshed, self.failures, list(self.skipped), nodes=self.nodes
        )


@flow(name="daily-refresh", flow_run_name=run_name, on_failure=[tell_slack], on_crashed=[tell_slack])
async def daily_refresh(full: bool = False, sources: list[SourceName] | None = None) -> DailySummary:
    """Refresh everything: STG of all sources at once, then dbt's ODS and EDW, then Tableau.

    A source that fails stops only what is built from it. The run then ends Failed and names what broke,
    what was skipped and why.

    Args:
        full: read every object whole again; keys that vanished at the sources become tombstones.
        sources: only these; empty for all four.
    """
    summary = DailySummary()
    contract = FlowSettings.from_environment().contract()
    with contextlib.suppress(MgdwError):  # each source says so itself
        await make_tables(contract)
    await _load_sources(summary, contract, tuple(sources or SOURCES), full=full)
    try:
        for layer in LAYERS:
            await _build(summary, layer)
        summary.refreshes = await tableau(untrusted=list(summary.untrusted))
    except StepFailed as error:
        _note(summary, error)
    _name_skipped(summary)
    await acreate_markdown_artifact(key="daily-refresh", markdown=summary.markdown(), description="What today brought")
    if summary.failures:
        raise StepFailed("daily-refresh", summary.failures, list(summary.skipped))
    return summary


async def _load_sources(
    summary: DailySummary, contract: Contract, names: tuple[SourceName, ...], *, full: bool
) -> None:
    async def one(number: int, name: SourceName) -> list[LoadResult]:
        await asyncio.sleep(number * _START_GAP)
        return await SOURCE_FLOWS[name](full=full)

    outcomes = await asyncio.gather(*(one(n, name) for n, name in enumerate(names)), return_exceptions=True)
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, LoadFailed):
            _note(summary, outcome)
            summary.loads += outcome.results
            summary.untrusted.update({f"{name}.{f.what}": None for f in outcome.failures if f.what})
        elif isinstance(outcome, Exception):
            # Also a bug in one connector stops no other source.
            summary.failures.append(Failure.of(name, "", outcome))
            summary.untrusted.update({f"{name}.{table.name}": None for table in contract.of(name)})
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            summary.loads += outcome


async def _build(summary: DailySummary, layer: Layer) -> None:
    """Build one layer. Raises StepFailed when dbt could not run at all: then there is nothing to go on with."""
    exclude = [f"source:{name}+" if "." in name else f"{name}+" for name in summary.untrusted]
    try:
        summary.nodes += await dbt(layer=layer, exclude=exclude or None)
    except DbtFailed as error:
        _note(summary, error)
        summary.nodes += error.nodes
        summary.untrusted.update(dict.fromkeys(error.models))


def _name_skipped(summary: DailySummary) -> None:
    """Name every model and data source that keeps yesterday's content because something below it broke.

    What people look at comes first: Tableau's data sources, then marts, then the models below them.
    """
    names = dict(summary.skipped)
    manifest_path = FlowSettings.from_environment().dbt_target_path / "manifest.json"
    if summary.untrusted and manifest_path.exists():
        manifest = json.loads(manifest_path.read_text())
        names |= dict.fromkeys(models_above(manifest, summary.untrusted))
        blocked = (e for e in tableau_exposures(manifest) if e.blocked_by(summary.untrusted))
        names |= {f"Tableau {e.data_source}": None for e in blocked}
    shown = [name for name in names if not name.startswith(("stg_", "int_"))]
    summary.skipped = dict.fromkeys(sorted(shown, key=lambda n: (not n.startswith("Tableau "), "mart_" not in n)))


def _note(summary: DailySummary, error: StepFailed) -> None:
    summary.failures += error.failures
    summary.skipped.update(dict.fromkeys(error.skipped))
