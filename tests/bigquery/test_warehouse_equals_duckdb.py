"""Both warehouses say the same of any history of batches: STG, ledger and quarantine, row for row."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.google import GoogleAccess
from connectors.lake.local import LocalLake
from connectors.warehouse.bigquery import BigQueryWarehouse
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.bigquery.warehouse_histories import HISTORY_CONTRACT, History, contents, outcome


async def play(google: GoogleAccess, folder: Path, seed: int, steps: int) -> None:
    """Load one history into both; every load counts the same, and in the end everything is the same."""
    lake, dataset = LocalLake(folder / "lake"), f"STG_{seed}"
    async with (
        DuckDBWarehouse(folder / "warehouse.duckdb", threads=1) as duckdb,
        BigQueryWarehouse(google, dataset=dataset, patience=60) as bigquery,
    ):
        await duckdb.ensure(HISTORY_CONTRACT)
        await bigquery.ensure(HISTORY_CONTRACT)
        for number, step in enumerate(await History(seed, lake).steps(steps)):
            expected = await outcome(duckdb, step, lake)
            assert await outcome(bigquery, step, lake) == expected, (seed, number, step)
        tables = HISTORY_CONTRACT.tables
        assert await contents(bigquery, dataset, tables) == await contents(duckdb, "STG", tables)
        for table in tables:
            assert await bigquery.state(table) == await duckdb.state(table)


@pytest.mark.parametrize("seed", range(3))
async def test_a_history_gives_the_same_in_both(google: GoogleAccess, tmp_path: Path, seed: int) -> None:
    await play(google, tmp_path, seed, 12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
async def test_many_histories_give_the_same_in_both(google: GoogleAccess, tmp_path: Path, seed: int) -> None:
    await play(google, tmp_path, seed, 16)
