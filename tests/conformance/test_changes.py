"""What changes at the source arrives, once: updates, inserts, deletions, restored rows, rows committed late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from connectors.batch import BatchRequest, Manifest
from connectors.source import TableState
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.conformance.conftest import ALL, ALL_APIS, Bench, every
from tests.conformance.station import PAGE


def first_text(bench: Bench) -> str:
    """The name of the ware's text field."""
    return next(iter(bench.ware.fields))


@every(ALL)
class TestChanges:
    async def test_an_update_an_insert_and_a_deletion_arrive_in_one_run(self, bench: Bench) -> None:
        bench.stock(12)
        await bench.good_run()

        def work(ware: object) -> None:
            bench.ware.put(2, {first_text(bench): "renamed"})
            bench.ware.put(13, {first_text(bench): "new"})
            bench.ware.delete(7)

        bench.change(work)
        outcome = await bench.good_run()
        await bench.agrees()
        assert sum(r.updated for r in outcome.results) == 1
        assert sum(r.inserted for r in outcome.results) == 1
        assert sum(r.deleted for r in outcome.results) == 1

    async def test_a_deleted_row_that_is_restored_lives_again(self, bench: Bench) -> None:
        bench.stock(6)
        await bench.good_run()
        bench.change(lambda ware: ware.delete(3))
        await bench.good_run()
        await bench.agrees()
        bench.change(lambda ware: ware.put(3))
        await bench.good_run()
        await bench.agrees()
        assert len(await bench.stored()) == 6

    async def test_a_row_deleted_and_restored_between_two_runs_stays(self, bench: Bench) -> None:
        bench.stock(6)
        await bench.good_run()

        def work(ware: object) -> None:
            bench.ware.delete(3)
            bench.ware.tick()
            bench.ware.put(3, {first_text(bench): "back"})

        bench.change(work)
        await bench.good_run()
        await bench.agrees()

    async def test_a_row_made_and_deleted_between_two_runs_is_not_alive(self, bench: Bench) -> None:
        bench.stock(6)
        await bench.good_run()

        def work(ware: object) -> None:
            bench.ware.put(9)
            bench.ware.tick()
            bench.ware.delete(9)

        bench.change(work)
        await bench.good_run()
        await bench.agrees()

    async def test_a_row_committed_late_with_an_early_stamp_arrives(self, bench: Bench) -> None:
        bench.stock(12)
        bench.ware.tick(hours=2)
        bench.station.show()
        await bench.good_run()
        bench.change(lambda ware: ware.put(100, stamp=ware.now - timedelta(minutes=10)))
        outcome = await bench.good_run()
        await bench.agrees()
        assert sum(r.inserted for r in outcome.results) == 1

    async def test_all_rows_deleted_leave_none(self, bench: Bench) -> None:
        bench.stock(PAGE)
        await bench.good_run()
        bench.change(lambda ware: [ware.delete(n) for n in range(1, PAGE + 1)])
        await bench.good_run()
        assert await bench.stored() == {}

    async def test_values_that_become_null_become_null(self, bench: Bench) -> None:
        bench.stock(3)
        await bench.good_run()
        bench.change(lambda ware: ware.put(2, dict.fromkeys(ware.fields)))
        await bench.good_run()
        await bench.agrees()

    async def test_a_warehouse_built_again_from_the_lake_is_the_same(self, bench: Bench, tmp_path: Path) -> None:
        bench.stock(12)
        await bench.good_run()
        bench.change(lambda ware: (ware.put(2, dict.fromkeys(ware.fields)), ware.delete(3), ware.put(40)))
        await bench.good_run()
        fetched = bench.station.times(bench.station.data_call)
        async with DuckDBWarehouse(tmp_path / "second.duckdb", threads=1) as second:
            again = Bench(bench.station, bench.lake, second, tmp_path)
            await again.ensure(bench.table)
            for manifest in await bench.manifests():
                await second.load(bench.table, manifest, bench.lake, run_id="rebuilt")
            await again.agrees()
        assert bench.station.times(bench.station.data_call) == fetched


@every(ALL_APIS)
class TestKeysScope:
    async def test_a_batch_of_keys_holds_every_living_key_and_its_cursor(self, bench: Bench) -> None:
        manifest = await keys(bench, 2 * PAGE + 1)
        assert {p.kind for p in manifest.parts} == {"keys"}
        assert sum(p.rows or 0 for p in manifest.parts) == 2 * PAGE + 1
        assert manifest.source_rows == 2 * PAGE + 1
        dialect = bench.ware.dialect
        assert {tuple(f.lower() for f in p.header) for p in manifest.parts} == {
            (dialect.key.lower(), (dialect.cursor or "").lower())
        }

    async def test_a_row_that_vanished_unnoticed_is_found_by_its_key(self, bench: Bench) -> None:
        bench.stock(6)
        await bench.good_run()
        bench.ware.tick()
        del bench.ware.rows[4]
        bench.station.show()
        await bench.good_run()
        manifest = await keys(bench, 0)
        result = await bench.warehouse.load(bench.table, manifest, bench.lake, run_id="keys")
        assert result.deleted == 1
        await bench.agrees()

    async def test_keys_of_an_unchanged_table_change_nothing(self, bench: Bench) -> None:
        bench.stock(6)
        await bench.good_run()
        manifest = await keys(bench, 0)
        result = await bench.warehouse.load(bench.table, manifest, bench.lake, run_id="keys")
        assert result.changed == 0
        await bench.agrees()


async def keys(bench: Bench, rows: int) -> Manifest:
    """The batch of keys, of a ware that holds so many rows more than before."""
    if rows:
        bench.stock(rows)
    bench.ware.tick()
    bench.station.show()
    async with bench.station.connect() as source:
        (whole,) = await source.plan(bench.table, TableState(), full=True)
    return await bench.fetched(BatchRequest(bench.table, whole.window, scope="keys"))
