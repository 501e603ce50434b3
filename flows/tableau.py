"""Marts → Tableau: .hyper files, and refreshes of the published data sources."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import TableArtifact
from prefect.cache_policies import NO_CACHE

from connectors.errors import MgdwError
from connectors.progress import ProgressEvent, emit
from connectors.secrets import resolved
from connectors.tableau.hyper import write_hyper
from connectors.tableau.server import RefreshResult, signed_in
from connectors.tableau.settings import TableauSettings
from connectors.warehouse.settings import WarehouseSettings, open_warehouse
from flows.alerts import tell_slack
from flows.artifacts import publish
from flows.failures import Failure, StepFailed
from flows.gcp import google_access
from flows.leases import leased
from flows.lineage import Exposure, tableau_exposures
from flows.manifest import read_manifest
from flows.parameters import Texts
from flows.secrets import resolver
from flows.settings import FlowSettings
from flows.time_limit import time_limited


@flow(name="tableau", flow_run_name="tableau", on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def tableau(data_sources: Texts = (), untrusted: Texts = ()) -> list[RefreshResult]:
    """Refresh the Tableau data sources of the marts, and write their .hyper files where a folder is set.

    Args:
        data_sources: Names as published, for example Executive; empty for all that dbt's exposures name.
        untrusted: Models of dbt and tables (zuora.zuora_invoice) that were not built or not loaded; data sources above
            them are left as they are.

    Raises:
        StepFailed: when a refresh or a file failed; the others are done.
        ConfigurationError: dbt has not built anything yet.
    """
    async with leased("tableau"):
        return await _refresh_all(data_sources or (), untrusted or ())


async def _refresh_all(data_sources: Sequence[str], untrusted: Sequence[str]) -> list[RefreshResult]:
    settings = FlowSettings.from_environment()
    manifest = read_manifest(settings)
    exposures = [e for e in tableau_exposures(manifest) if not data_sources or e.data_source in data_sources]
    blocked = {e.data_source: e.blocked_by(untrusted) for e in exposures}
    ready = [e for e in exposures if not blocked[e.data_source]]
    failures: list[Failure] = []
    emit(ProgressEvent("tableau", "refreshes", "waiting"))
    if settings.hyper_dir is not None:
        failures += await _write_files(ready, settings.hyper_dir, settings.mart_dataset)
    results: list[RefreshResult] = []
    if TableauSettings.from_environment().server_url is not None and ready:
        try:
            results = await refresh([e.data_source for e in ready])
        except MgdwError as error:
            failures += [Failure.of("tableau", e.data_source, error) for e in ready]
    failures += [_failure(r) for r in results if r.state != "refreshed"]
    note = f"{len(results)} data sources"
    emit(ProgressEvent("tableau", "refreshes", "failed" if failures else "loaded", note=note))
    rows = [{"data source": r.name, "state": r.state, "seconds": round(r.seconds, 1), "note": r.note} for r in results]
    rows += [{"data source": name, "state": "blocked", "note": ", ".join(why)} for name, why in blocked.items() if why]
    await publish(TableArtifact(key="tableau", table=rows, description="Extract refreshes"))
    if failures:
        raise StepFailed("tableau", failures, [f"Tableau {name}" for name, why in blocked.items() if why])
    return results


@task(name="refresh", cache_policy=NO_CACHE)
async def refresh(names: list[str]) -> list[RefreshResult]:
    """Start the refreshes and wait for them."""
    settings = resolved(TableauSettings.from_environment(), resolver(FlowSettings.from_environment()))

    def work() -> list[RefreshResult]:
        with signed_in(settings) as site:
            return site.refresh(names)

    return await asyncio.to_thread(work)


@task(name="hyper", cache_policy=NO_CACHE, task_run_name="hyper {mart}")
async def hyper(mart: str, folder: Path, dataset: str) -> int:
    """One mart of a dataset as a .hyper file. Returns its rows."""
    with tempfile.TemporaryDirectory(prefix="mgdw-hyper-") as scratch:
        parquet = Path(scratch) / f"{mart}.parquet"
        async with open_warehouse(WarehouseSettings.from_environment(), google_access()) as warehouse:
            await warehouse.export_parquet(f"{dataset}.{mart}", parquet)
        return await asyncio.to_thread(write_hyper, parquet, folder / f"{mart}.hyper")


async def _write_files(exposures: list[Exposure], folder: Path, dataset: str) -> list[Failure]:
    failures: list[Failure] = []
    for mart in dict.fromkeys(mart for e in exposures for mart in e.marts):
        try:
            await hyper(mart, folder, dataset)
        except MgdwError as error:
            failures.append(Failure.of("tableau", f"{mart}.hyper", error))
    return failures


def _failure(result: RefreshResult) -> Failure:
    remedy = {
        "missing": "Publish the data source once from Tableau, or correct its name in dbt's exposures.",
        "timeout": "Look at the site's background tasks; raise MGDW_TABLEAU_DEADLINE_SECONDS if it is only slow.",
    }.get(result.state, "Open the data source's refresh history on the site; embedded credentials are the usual cause.")
    return Failure("tableau", result.name, f"{result.state}: {result.note}".rstrip(": "), remedy)
