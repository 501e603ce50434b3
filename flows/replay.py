"""STG loaded again from the lake, without the sources."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from prefect import flow
from prefect.artifacts import TableArtifact
from prefect.logging import get_run_logger

from connectors.batch import Manifest
from connectors.contract import Contract, Table
from connectors.errors import MgdwError, UnreadableFile
from connectors.replay import Replayed
from connectors.replay import replay as replay_table
from connectors.warehouse import LoadResult, Warehouse
from connectors.warehouse.settings import WarehouseSettings, open_lake, open_warehouse
from flows.alerts import tell_slack
from flows.artifacts import publish
from flows.failures import Failure
from flows.gcp import google_access
from flows.leases import leased
from flows.load import LoadFailed, run_id, source_of
from flows.naming import tables_name
from flows.parameters import Tables
from flows.report import load_rows
from flows.settings import FlowSettings
from flows.time_limit import time_limited


@flow(name="replay", flow_run_name=tables_name, on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def replay(tables: Tables = ()) -> list[LoadResult]:
    """Load every batch in the lake again: after a column was added to the contract, or a rule was corrected.

    The sources are not asked. Batches are merged by version, oldest first, so that nothing is set back.

    Args:
        tables: STG tables to load again; none picked means all.

    Raises:
        LoadFailed: at the end, with the failure of each table.
    """
    contract = FlowSettings.from_environment().contract()
    return await replayed(contract, chosen(contract, tables))


def chosen(contract: Contract, names: Sequence[str] | None) -> tuple[Table, ...]:
    """The tables of these names, or all. Raises ConfigurationError for a name the contract lacks."""
    for name in names or ():
        source_of(contract, name)
    return tuple(t for t in contract.tables if not names or t.name in names)


async def replayed(
    contract: Contract, tables: Sequence[Table], *, only: Collection[str] | None = None
) -> list[LoadResult]:
    """Replay tables, or only these batches of them. Raises LoadFailed."""
    results: list[LoadResult] = []
    failures: list[Failure] = []
    for source in dict.fromkeys(table.source for table in tables):
        mine = [table for table in tables if table.source == source]
        try:
            done, failed = await _replay_source(contract, source, mine, only)
        except MgdwError as error:
            failures += [Failure.of("replay", table.name, error) for table in mine]
        else:
            results += done
            failures += failed
    rows = load_rows(results, failures)
    await publish(TableArtifact(key="replay", table=rows, description="What the lake brought to STG again"))
    if failures:
        raise LoadFailed("replay", failures, results)
    return results


async def _replay_source(
    contract: Contract, source: str, tables: Sequence[Table], only: Collection[str] | None
) -> tuple[list[LoadResult], list[Failure]]:
    """Replay tables of one source, while no other run loads from it. Raises MgdwError when it cannot begin."""
    results: list[LoadResult] = []
    failures: list[Failure] = []
    settings = WarehouseSettings.from_environment()
    google = google_access()
    lake = open_lake(settings, google)
    async with leased(f"source:{source}") as lease, open_warehouse(settings, google) as warehouse:
        await warehouse.ensure(contract)

        async def load(table: Table, manifest: Manifest) -> LoadResult:
            await lease.check()
            return await warehouse.load(table, manifest, lake, run_id=run_id(), again=True)

        for table in tables:
            try:
                outcome = await replay_table(table, lake, warehouse, load, only=only)
                results += outcome.results
                await _tell(table, outcome, warehouse)
            except MgdwError as error:
                failures.append(Failure.of("replay", table.name, error))
    return results, failures


async def _tell(table: Table, outcome: Replayed, warehouse: Warehouse) -> None:
    logger = get_run_logger()
    logger.info("%s: %s batches loaded again", table.name, len(outcome.results))
    if not outcome.gone:
        return
    logger.warning(
        "%s: %s batches are not in the lake any more; what they brought stays as it is: %s",
        table.name, len(outcome.gone), ", ".join(outcome.gone[:5]),
    )  # fmt: skip
    settings = WarehouseSettings.from_environment()
    dataset = settings.stg_dataset if settings.warehouse == "bigquery" else "STG"
    if not await warehouse.rows(f"SELECT 1 FROM {dataset}.{table.name} LIMIT 1"):  # noqa: S608 - a name of the contract
        raise UnreadableFile(
            f"{table.name} is empty, and {len(outcome.gone)} of its batches are not in the lake any more",
            remedy=f"Load it from the source: `mgdw run {table.source} --table {table.name} --full`.",
            table=table.name,
        )
