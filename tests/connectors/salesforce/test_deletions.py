"""What vanished at Salesforce is deleted in STG: by the log of deletions, and by the keys of what is alive where the
log does not know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Column, Contract, DataType
from connectors.lake.local import LocalLake
from connectors.sync import sync
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from sandbox.salesforce import SalesforceOptions
from tests.connectors.salesforce.conftest import Extract, Served, rows
from tests.connectors.salesforce.test_choice import FLAT
from tests.sandbox.salesforce.tiny_world import TinyWorld, account_id

MERGES = replace(FLAT, columns=(*FLAT.columns, Column("master_record_id", DataType.STRING, "MasterRecordId", "")))
LIVING = {account_id(n) for n in range(1, 41) if n % 10 != 9}

Sync = Callable[..., Awaitable[None]]


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[DuckDBWarehouse]:
    async with DuckDBWarehouse(tmp_path / "warehouse.duckdb") as opened:
        await opened.ensure(Contract((MERGES,)))
        yield opened


@pytest.fixture
def run(served: Served, lake: LocalLake, warehouse: DuckDBWarehouse) -> Sync:
    """One run of the table; nothing may fail."""

    async def run(*, full: bool = False, **changes: Any) -> None:
        async with served.source(**changes) as source:
            outcome = await sync(source, [MERGES], lake, warehouse, run_id="test", full=full)
        assert outcome.failures == []

    return run


async def living(warehouse: DuckDBWarehouse) -> set[str]:
    return {row["id"] for row in await warehouse.rows("SELECT id FROM STG.sfdc_account WHERE NOT _deleted")}


def purge(world: TinyWorld, *numbers: int) -> None:
    """Rows go for good, now."""
    for number in numbers:
        world.sql(
            'UPDATE salesforce."Account" SET "_deleted_at" = ? WHERE "Id" = ?',
            [world.now.replace(tzinfo=None), account_id(number)],
        )


async def test_rows_deleted_for_good_are_deleted(world: TinyWorld, run: Sync, warehouse: DuckDBWarehouse) -> None:
    await run()
    world.now += timedelta(hours=1)
    purge(world, 1, 2)
    world.now += timedelta(hours=1)
    await run()
    assert await living(warehouse) == LIVING - {account_id(1), account_id(2)}


async def test_after_a_gap_longer_than_the_log_nothing_that_went_stays_alive(
    world: TinyWorld, served: Served, run: Sync, warehouse: DuckDBWarehouse
) -> None:
    await run()
    world.now += timedelta(hours=1)
    purge(world, 1)
    world.now += timedelta(days=30)
    purge(world, 2)
    world.now += timedelta(hours=1)
    await run()
    assert await living(warehouse) == LIVING - {account_id(1), account_id(2)}
    assert len([line for line in served.faults.seen if "/deleted" in line]) == 1


async def test_within_the_logs_reach_no_keys_are_read(world: TinyWorld, served: Served, extract: Extract) -> None:
    manifest = await extract(FLAT, Window(world.now - timedelta(days=13), world.now))
    assert not [part for part in manifest.parts if part.kind == "keys"]
    assert len(manifest.details["queries"]) == 1


async def test_beyond_it_all_living_keys_come_along_and_do_not_count_as_rows(
    world: TinyWorld, extract: Extract, lake: LocalLake
) -> None:
    manifest = await extract(FLAT, Window(world.now - timedelta(days=20), world.now))
    (keys,) = [part for part in manifest.parts if part.kind == "keys"]
    assert keys.rows == 36
    assert set(keys.header) == {"Id", "SystemModstamp"}
    assert {row["Id"] for row in rows(lake, manifest, "keys")} == LIVING
    assert manifest.source_rows == manifest.rows == 40
    assert manifest.details["deletes_known_since"] == (world.now - timedelta(days=14)).isoformat()


async def test_a_log_that_was_purged_early_is_made_good_by_keys(
    served: Served, world: TinyWorld, extract: Extract
) -> None:
    answer = {
        "deletedRecords": [], "latestDateCovered": "2026-06-15T06:00:00.000+0000",
        "earliestDateAvailable": "2026-06-15T05:00:00.000+0000",
    }  # fmt: skip
    served.faults.arm("GET .*/deleted", status=200, body=answer)
    manifest = await extract(FLAT, Window(world.now - timedelta(days=1), world.now))
    assert [part.rows for part in manifest.parts if part.kind == "keys"] == [36]


async def test_a_second_reading_of_an_old_window_reads_no_keys(
    served: Served, world: TinyWorld, lake: LocalLake
) -> None:
    old = Window(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 20, tzinfo=UTC))
    async with served.source() as source:
        (manifest,) = [m async for m in source.extract([BatchRequest(FLAT, old, label="backfill")], lake)]
    assert manifest.parts == ()
    assert not [line for line in served.faults.seen if "/deleted" in line]


class TestTooMany:
    """More deletions than one answer of Salesforce holds (600,000; a handful here)."""

    @pytest.fixture
    def options(self) -> SalesforceOptions:
        return SalesforceOptions(bulk_page_rows=10, replication_ids=5)

    async def test_the_span_is_halved_until_each_answer_holds_them(
        self, served: Served, world: TinyWorld, run: Sync, warehouse: DuckDBWarehouse
    ) -> None:
        await run()
        for number in range(1, 9):
            world.now += timedelta(minutes=30)
            purge(world, number)
        world.now += timedelta(minutes=30)
        await run()
        assert await living(warehouse) == LIVING - {account_id(n) for n in range(1, 9)}
        assert len([line for line in served.faults.seen if "/deleted" in line]) == 3

    async def test_where_no_span_is_short_enough_the_keys_tell(
        self, served: Served, world: TinyWorld, run: Sync, warehouse: DuckDBWarehouse, lake: LocalLake
    ) -> None:
        await run()
        world.now += timedelta(hours=1)
        purge(world, *range(1, 9))
        world.now += timedelta(hours=1)
        await run()
        assert await living(warehouse) == LIVING - {account_id(n) for n in range(1, 9)}

    async def test_an_object_that_changes_too_fast_is_read_up_to_a_few_minutes_ago(
        self, served: Served, world: TinyWorld
    ) -> None:
        world.sql(
            'UPDATE salesforce."Account" SET "SystemModstamp" = ?',
            [world.now.replace(tzinfo=None) - timedelta(minutes=1)],
        )
        async with served.source() as source:
            assert await source.horizon(FLAT) == world.now - timedelta(minutes=5)

    async def test_the_horizon_looks_back_less_far_if_that_is_enough(self, served: Served, world: TinyWorld) -> None:
        world.sql(
            'UPDATE salesforce."Account" SET "SystemModstamp" = ?',
            [world.now.replace(tzinfo=None) - timedelta(minutes=40)],
        )
        served.org.hold_transaction(60)
        async with served.source() as source:
            assert await source.horizon(FLAT) == world.now - timedelta(minutes=1)


class TestMerges:
    def merge(self, world: TinyWorld, loser: int, master: int) -> None:
        world.sql(
            'UPDATE salesforce."Account" SET "IsDeleted" = true, "MasterRecordId" = ?, "SystemModstamp" = ?'
            ' WHERE "Id" = ?',
            [account_id(master), world.now.replace(tzinfo=None), account_id(loser)],
        )

    async def test_a_loser_is_deleted_and_names_its_master(
        self, world: TinyWorld, run: Sync, warehouse: DuckDBWarehouse
    ) -> None:
        await run()
        world.now += timedelta(hours=1)
        self.merge(world, loser=1, master=2)
        world.now += timedelta(hours=1)
        await run()
        (row,) = await warehouse.rows(f"SELECT * FROM STG.sfdc_account WHERE id = '{account_id(1)}'")
        assert (row["_deleted"], row["master_record_id"]) == (True, account_id(2))

    async def test_a_loser_whose_recycle_bin_was_emptied_before_we_saw_it_is_deleted_too(
        self, served: Served, world: TinyWorld, run: Sync, warehouse: DuckDBWarehouse
    ) -> None:
        await run()
        world.now += timedelta(hours=1)
        self.merge(world, loser=1, master=2)
        served.org.empty_recycle_bin()
        world.now += timedelta(hours=1)
        await run()
        assert await living(warehouse) == LIVING - {account_id(1)}

    async def test_emptying_the_bin_later_keeps_what_we_know_of_the_loser(
        self, served: Served, world: TinyWorld, run: Sync, warehouse: DuckDBWarehouse
    ) -> None:
        await run()
        world.now += timedelta(hours=1)
        self.merge(world, loser=1, master=2)
        world.now += timedelta(hours=1)
        await run()
        served.org.empty_recycle_bin()
        world.now += timedelta(hours=1)
        await run()
        await run(full=True)
        (row,) = await warehouse.rows(f"SELECT * FROM STG.sfdc_account WHERE id = '{account_id(1)}'")
        assert (row["_deleted"], row["master_record_id"]) == (True, account_id(2))


async def test_a_formula_that_moved_no_stamp_is_picked_up_by_a_full_run(
    world: TinyWorld, run: Sync, warehouse: DuckDBWarehouse
) -> None:
    await run()
    world.now += timedelta(hours=1)
    world.sql('UPDATE salesforce."Account" SET "AnnualRevenue" = 42 WHERE "Id" = ?', [account_id(1)])
    query = f"SELECT annual_revenue FROM STG.sfdc_account WHERE id = '{account_id(1)}'"
    await run()
    assert int((await warehouse.rows(query))[0]["annual_revenue"]) == 1000
    world.now += timedelta(hours=1)
    await run(full=True)
    assert int((await warehouse.rows(query))[0]["annual_revenue"]) == 42


async def test_keys_of_all_that_lives_are_read_when_asked_for(
    served: Served, world: TinyWorld, lake: LocalLake
) -> None:
    found: list[Manifest] = []
    for few in (0, 2000):
        async with served.source(rest_below_rows=few) as source:
            request = BatchRequest(FLAT, Window(None, world.now), scope="keys", label=str(few))
            found += [manifest async for manifest in source.extract([request], lake)]
    bulk, rest = (rows(lake, manifest, "keys") for manifest in found)
    assert bulk == rest
    assert {row["Id"] for row in bulk} == LIVING
    assert [part.header for manifest in found for part in manifest.parts] == [("Id", "SystemModstamp")] * (
        len(found[0].parts) + 1
    )
    assert [manifest.source_rows for manifest in found] == [36, 36]
