"""Every source through a bucket: what arrives in STG is what the source has, whatever happens on the wire to the lake.

The questions are those of the conformance suite, put where the lake could make the difference.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from connectors.google import GoogleAccess
from connectors.lake.gcs import GcsLake
from connectors.source import TableState
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.bigquery.emulators.gcs_wire import Cut, GcsWire, LoseAnswer, Refuse
from tests.conformance.conftest import SOURCES, Bench, every, station
from tests.conformance.station import Station

__all__ = ["station"]


@pytest.fixture
def wire(gcs_url: str, emulated: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsWire]:
    with GcsWire(gcs_url) as wire:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", wire.url)
        yield wire


@pytest.fixture
async def bench(station: Station, wire: GcsWire, tmp_path: Path) -> AsyncIterator[Bench]:
    google = GoogleAccess("mgdw-test-lake", "US")
    bucket = str(google.storage().create_bucket(f"mgdw-test-{secrets.token_hex(6)}").name)
    lake = GcsLake(bucket, "lake", google=google, chunk=256 * 1024, patience=20)
    async with DuckDBWarehouse(tmp_path / "warehouse.duckdb", threads=1) as warehouse:
        yield Bench(station, lake, warehouse, tmp_path)


@every([f"{source}-sandbox" for source in SOURCES])
class TestThroughABucket:
    async def test_stg_equals_the_source_though_answers_are_lost_on_the_way(self, bench: Bench, wire: GcsWire) -> None:
        wire.once("whole", LoseAnswer(), Refuse(503), Cut())
        wire.once("list", Refuse(503))
        wire.once("download", Cut(), LoseAnswer())
        bench.stock(40)
        await bench.good_run()
        await bench.agrees()
        bench.change(lambda ware: (ware.put(2, dict.fromkeys(ware.fields)), ware.put(41)))
        await bench.good_run()
        await bench.agrees()
        assert wire.waiting == []

    async def test_a_batch_in_the_bucket_is_not_fetched_again(self, bench: Bench) -> None:
        bench.stock(12)
        async with bench.station.connect() as source:
            (request,) = await source.plan(bench.table, TableState())
        first = await bench.fetched(request)
        before = bench.station.times(bench.station.data_call)
        second = await bench.fetched(request)
        logins = 1 if bench.station.source == "netsuite" else 0  # the clock is asked for at every login
        assert bench.station.times(bench.station.data_call) == before + logins
        assert first == second

    async def test_a_warehouse_built_again_from_the_bucket_is_the_same(self, bench: Bench, tmp_path: Path) -> None:
        bench.stock(12)
        await bench.good_run()
        bench.change(lambda ware: (ware.put(2, dict.fromkeys(ware.fields)), ware.put(40)))
        await bench.good_run()
        async with DuckDBWarehouse(tmp_path / "second.duckdb", threads=1) as second:
            again = Bench(bench.station, bench.lake, second, tmp_path)
            await again.ensure(bench.table)
            for manifest in await bench.manifests():
                await second.load(bench.table, manifest, bench.lake, run_id="rebuilt")
            await again.agrees()
