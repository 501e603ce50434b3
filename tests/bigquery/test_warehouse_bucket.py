"""A warehouse whose lake is a bucket: loads and exports go through it; and what else only a whole load shows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from connectors.contract import Contract, DataType
from connectors.errors import UnreadableFile
from connectors.google import GoogleAccess
from connectors.lake.gcs import GcsLake
from connectors.lake.local import LocalLake
from connectors.warehouse.bigquery import BigQueryWarehouse
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.bigquery.warehouse_faults import Fault, Faults
from tests.connectors.warehouse.batches import ACCOUNT, Batch, counts, load, replay, window

ONE_TABLE = Contract((ACCOUNT,))
FIRST = window(None, "2026-06-15 12:00")
ROWS = [{"Id": str(i), "AnnualRevenue": "0.000000001", "SystemModstamp": "2026-06-10T00:00:00Z"} for i in range(3)]


async def count(warehouse: BigQueryWarehouse) -> int:
    [found] = await warehouse.rows("SELECT COUNT(*) AS n FROM STG.sfdc_account")
    return found["n"]


async def test_a_batch_goes_through_the_bucket_and_comes_back_as_one_parquet_file(
    google: GoogleAccess, lake_bucket: str, tmp_path: Path
) -> None:
    batch = Batch(GcsLake(lake_bucket, "raw", google=google), ACCOUNT, FIRST)  # type: ignore[arg-type]
    await batch.rows(*ROWS)
    path = tmp_path / "exported" / "account.parquet"
    async with BigQueryWarehouse(google, bucket=lake_bucket, prefix="raw", patience=30) as warehouse:
        await warehouse.ensure(ONE_TABLE)
        assert counts(await load(warehouse, batch)) == {"read": 3, "inserted": 3}  # pyright: ignore[reportArgumentType]
        assert await warehouse.export_parquet("STG.sfdc_account", path) == 3
    names = [blob.name for blob in google.storage().list_blobs(lake_bucket, prefix="raw/work/")]
    assert len(names) == 1 and names[0].endswith(".parquet")
    exported = pq.read_table(path).to_pylist()
    assert sorted(row["id"] for row in exported) == ["0", "1", "2"]
    assert {str(row["revenue"]) for row in exported} <= {"1E-9", "0.000000001"}
    assert [p.name for p in path.parent.iterdir()] == [path.name]


async def test_a_lake_in_a_bucket_serves_a_duckdb_warehouse(
    google: GoogleAccess, lake_bucket: str, tmp_path: Path
) -> None:
    batch = Batch(GcsLake(lake_bucket, google=google), ACCOUNT, FIRST)  # type: ignore[arg-type]
    await batch.rows(*ROWS)
    async with DuckDBWarehouse(tmp_path / "warehouse.duckdb") as warehouse:
        await warehouse.ensure(ONE_TABLE)
        assert counts(await load(warehouse, batch)) == {"read": 3, "inserted": 3}
        assert counts(await replay(warehouse, batch)) == {"read": 3, "unchanged": 3}


async def test_rows_that_bigquery_refuses_are_one_clear_error(
    google: GoogleAccess, tmp_path: Path, bigquery_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await Batch(LocalLake(tmp_path / "lake"), ACCOUNT, FIRST).rows(*ROWS)
    refused = Fault(
        lambda method, path, _: method == "POST" and path.startswith("/upload/"),
        400, "invalid", "Error while reading data: Invalid timestamp value 99999999",
    )  # fmt: skip
    with Faults(bigquery_url, [refused]) as proxy:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", proxy.url)
        async with BigQueryWarehouse(google, patience=30) as warehouse:
            await warehouse.ensure(ONE_TABLE)
            with pytest.raises(UnreadableFile, match="Invalid timestamp value") as caught:
                await load(warehouse, batch)  # pyright: ignore[reportArgumentType]
            assert batch.request.prefix in caught.value.remedy
            assert await count(warehouse) == 0


@pytest.mark.parametrize("step", ["LOAD DATA", "DECLARE batch_inserted"])
async def test_a_load_that_is_cancelled_has_loaded_all_or_nothing(
    google: GoogleAccess, tmp_path: Path, step: str
) -> None:
    batch = await Batch(LocalLake(tmp_path / "lake"), ACCOUNT, FIRST).rows(*ROWS)
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()

    def watch(sql: str) -> None:
        if sql.startswith(step):
            loop.call_soon_threadsafe(arrived.set)

    async with BigQueryWarehouse(google, patience=30, on_statement=watch) as warehouse:
        await warehouse.ensure(ONE_TABLE)
        task = asyncio.create_task(load(warehouse, batch))  # pyright: ignore[reportArgumentType]
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await count(warehouse) in (0, 3)
        await load(warehouse, batch)  # pyright: ignore[reportArgumentType]
        assert await count(warehouse) == 3
        assert len(await warehouse.rows("SELECT batch_id FROM STG._ledger")) == 1


async def test_what_a_load_cost_is_in_the_ledger_when_the_warehouse_is_closed(
    google: GoogleAccess, tmp_path: Path
) -> None:
    batch = await Batch(LocalLake(tmp_path / "lake"), ACCOUNT, FIRST).rows(*ROWS)
    async with BigQueryWarehouse(google, patience=30) as warehouse:
        await warehouse.ensure(ONE_TABLE)
        first = await load(warehouse, batch)  # pyright: ignore[reportArgumentType]
        again = await replay(warehouse, batch)  # pyright: ignore[reportArgumentType]
    async with BigQueryWarehouse(google, patience=30) as warehouse:
        [cost] = await warehouse.rows("SELECT bytes_billed, slot_ms FROM STG._ledger")
    assert cost == {"bytes_billed": first.bytes_billed + again.bytes_billed, "slot_ms": first.slot_ms + again.slot_ms}


async def test_rows_that_did_not_fit_come_with_a_wider_column(google: GoogleAccess, tmp_path: Path) -> None:
    batch = Batch(LocalLake(tmp_path / "lake"), ACCOUNT, FIRST)
    await batch.rows(ROWS[0] | {"NumberOfEmployees": "12"}, ROWS[1] | {"NumberOfEmployees": "12.5"})
    columns = [replace(c, type=DataType.NUMERIC) if c.name == "employees" else c for c in ACCOUNT.columns]
    wide = replace(ACCOUNT, columns=tuple(columns))
    async with BigQueryWarehouse(google, patience=30) as warehouse:
        await warehouse.ensure(ONE_TABLE)
        assert counts(await load(warehouse, batch)) == {"read": 2, "inserted": 1, "quarantined": 1}  # pyright: ignore[reportArgumentType]
        await warehouse.ensure(Contract((wide,)))
        assert counts(await replay(warehouse, batch, wide)) == {"read": 2, "inserted": 1, "unchanged": 1}  # pyright: ignore[reportArgumentType]
        found = await warehouse.rows("SELECT employees FROM STG.sfdc_account ORDER BY id")
        assert [str(row["employees"]) for row in found] in (["12", "12.5"], ["12.000000000", "12.500000000"])
        assert await warehouse.quarantined() == []
