"""A first run on a real Google Cloud project that touches nothing but the dataset DEV: is everything wired, what does
it cost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact

from connectors.batch import BatchRequest
from connectors.contract import Table
from connectors.errors import ConfigurationError
from connectors.source import Source, TableState
from connectors.sync import Plan
from connectors.warehouse import LoadResult
from connectors.warehouse.settings import WarehouseSettings, open_warehouse
from connectors.window import Window
from flows.checks import Diagnosis, Status
from flows.dbt import LAYERS, DbtNode, dbt
from flows.doctor import examined
from flows.failures import Failure, StepFailed
from flows.gcp import google_access
from flows.load import LoadFailed, load_source
from flows.report import cost_text
from flows.settings import FlowSettings
from flows.sources import SOURCES

DATASET, TARGET = "DEV", "dev"
FOLDER = "smoke"
"""Folder of the lake's bucket that raw data of a smoke run goes to."""
_DAY = timedelta(days=1)


@dataclass
class SmokeReport:
    """What one smoke run did."""

    health: list[Diagnosis] = field(default_factory=list[Diagnosis])
    loads: list[LoadResult] = field(default_factory=list[LoadResult])
    nodes: list[DbtNode] = field(default_factory=list[DbtNode])
    marts: dict[str, int] = field(default_factory=dict[str, int])
    """Rows of each mart."""

    def markdown(self) -> str:
        """The report for people."""
        rows = sum(load.read for load in self.loads)
        tables = len({load.table for load in self.loads})
        built = sum(node.unique_id.startswith("model.") for node in self.nodes)
        lines = [f"Loaded {rows:,} rows into {tables} tables of {DATASET}, built {built} models.", ""]
        lines += [f"- {mart}: {count:,} rows" for mart, count in sorted(self.marts.items())]
        lines += ["", f"Cost of the loads: {cost_text(self.loads) or 'nothing was billed'}"]
        lines += ["", f"Cost of dbt: {cost_text(self.nodes) or 'nothing was billed'}"]
        return "\n".join(lines)


def settings_for(project: str, bucket: str) -> dict[str, str]:
    """The settings that keep a smoke run within DEV, to be put into the environment.

    Raises:
        ConfigurationError: the environment's settings name production already: this must not be mixed up.
    """
    wanted = {"MGDW_WAREHOUSE": "bigquery", "MGDW_STG_DATASET": DATASET, "MGDW_DBT_TARGET": TARGET}
    for name, value in wanted.items():
        if os.environ.get(name, value) != value:
            raise ConfigurationError(
                f"{name} is {os.environ[name]}: a smoke run works in the dataset {DATASET} only",
                remedy=f"Unset {name}, or set it to {value}.",
            )
    return wanted | {"MGDW_GCP_PROJECT": project, "MGDW_LAKE": f"gs://{bucket}/{FOLDER}"}


@flow(name="smoke")
async def smoke() -> SmokeReport:
    """Look at everything, load the last day of each source into DEV, build the marts there, and say what it cost.

    Raises:
        ConfigurationError: the settings do not keep the run within DEV.
        StepFailed: something that the run needs is not usable, or a step failed.
    """
    _refuse_production()
    report = SmokeReport(health=await examined(_NEEDED))
    if failures := [Failure(d.check, d.where, d.found, d.remedy) for d in report.health if d.status is Status.FAILED]:
        raise StepFailed("smoke", failures, ["loads", "marts"])
    report.loads = await _load()
    for layer in LAYERS:
        report.nodes += await dbt(layer=layer, tests=False)
    report.marts = await _counted([node.name for node in report.nodes if node.name.startswith("mart_")])
    await acreate_markdown_artifact(key="smoke", markdown=report.markdown(), description="What the smoke run did")
    return report


_NEEDED = ("settings", "contract", "secrets", "lake", "warehouse", *SOURCES, "dbt")


def _refuse_production() -> None:
    """The flow may be started with any settings; it works with these only."""
    settings, target = WarehouseSettings.from_environment(), FlowSettings.from_environment().target
    problems = [
        f"{name} is {value}, not {wanted}"
        for name, value, wanted in (
            ("MGDW_WAREHOUSE", settings.warehouse, "bigquery"),
            ("MGDW_STG_DATASET", settings.stg_dataset, DATASET),
            ("MGDW_DBT_TARGET", target, TARGET),
        )
        if value != wanted
    ]
    if not settings.lake.rstrip("/").endswith(f"/{FOLDER}"):
        problems.append(f"MGDW_LAKE is {settings.lake}, which is not a folder {FOLDER} of its own")
    if problems:
        raise ConfigurationError(
            f"a smoke run must not touch production: {'; '.join(problems)}",
            remedy="Start it with `mgdw smoke --project PROJECT`, which sets them.",
        )


async def _load() -> list[LoadResult]:
    """One source after the other: their costs and errors are easier to tell apart than the minutes are dear."""
    results: list[LoadResult] = []
    failures: list[Failure] = []
    for name in SOURCES:
        try:
            results += await load_source(name, None, plan=last_day)
        except LoadFailed as error:
            results += error.results
            failures += error.failures
    if failures:
        raise StepFailed("smoke", failures, ["marts"])
    return results


def last_day(source: Source) -> Plan:
    """A plan that reads the rows changed, or the files delivered, in the last day that the source shows."""

    async def plan(table: Table, state: TableState) -> list[BatchRequest]:
        horizon = await source.horizon(table)
        if table.format is None:
            return [BatchRequest(table, Window(horizon - _DAY, horizon), label=FOLDER)]
        return _newest(await source.plan(table, state, full=True), horizon)

    return plan


def _newest(requests: Sequence[BatchRequest], horizon: datetime) -> list[BatchRequest]:
    found: list[BatchRequest] = []
    for request in requests:
        files = tuple(file for file in request.files if file.last_modified > horizon - _DAY)
        if files:
            found.append(replace(request, files=files, label=FOLDER))
    return found


async def _counted(marts: Sequence[str]) -> dict[str, int]:
    """Rows of each mart in DEV."""
    settings = WarehouseSettings.from_environment()
    async with open_warehouse(settings, google_access()) as warehouse:
        counts = await asyncio.gather(
            *(warehouse.rows(f"SELECT count(*) AS n FROM {DATASET}.{mart}") for mart in marts)  # noqa: S608 - dbt's names
        )
    return {mart: rows[0]["n"] for mart, rows in zip(marts, counts, strict=True)}
