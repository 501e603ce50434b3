"""The world's interface: what the servers, the demo and the tests build on."""

from __future__ import annotations

import gzip
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from connectors.contract import DataType, load_contract
from sandbox.model.tables import PROJECTIONS
from sandbox.world import World

FITTING = {
    DataType.STRING: {"VARCHAR"},
    DataType.INT64: {"BIGINT"},
    DataType.NUMERIC: {"DECIMAL(18,2)", "DECIMAL(38,9)"},
    DataType.BOOL: {"BOOLEAN"},
    DataType.DATE: {"DATE"},
    DataType.TIMESTAMP: {"TIMESTAMP"},
}


@pytest.fixture(scope="module")
def world() -> World:
    return World.create(scale=0.3, seed=7)


def _rows(world: World, table: str) -> int:
    return (world.sql(f"SELECT count(*) FROM {table}").fetchone() or (0,))[0]


def test_the_demo_has_about_fifty_thousand_rows_and_needs_less_than_two_seconds() -> None:
    started = time.process_time()
    world = World.create()
    assert time.process_time() - started < 2
    rows = sum(_rows(world, name) for name in {p.name for p in PROJECTIONS})
    lines = sum(len(gzip.decompress(file.body).splitlines()) for file in world.files())
    assert 45_000 < rows + lines < 55_000


def test_day_one_is_the_fifteenth_of_june_2026_at_six_and_stands_still(world: World) -> None:
    assert world.now == datetime(2026, 6, 15, 6, tzinfo=UTC)
    assert world.now == world.now


@pytest.mark.parametrize("name", [t.name for s in ("salesforce", "zuora", "netsuite") for t in load_contract().of(s)])
def test_every_field_of_the_contract_is_a_column_of_the_fitting_type(world: World, name: str) -> None:
    table = load_contract().table(name)
    columns = dict(world.columns(table.source, table.object))
    assert columns["_deleted_at"] == "TIMESTAMP"
    assert [c.field for c in table.columns if columns.get(c.field) not in FITTING[c.type]] == []


@pytest.mark.parametrize("name", [t.name for s in ("salesforce", "zuora", "netsuite") for t in load_contract().of(s)])
def test_every_table_has_rows_with_a_key_and_a_cursor(world: World, name: str) -> None:
    table = load_contract().table(name)
    where = table.filter or "true"
    key, cursor = table.column(table.primary_key[0]).field, table.cursor_field
    source = f'{table.source}."{table.object}"'
    sql = f'SELECT count(*), count(DISTINCT "{key}"), count("{cursor}") FROM {source} WHERE {where}'
    rows, keys, stamps = world.sql(sql).fetchone() or (0, 0, 0)
    assert rows == keys == stamps > 0


def test_equal_seeds_give_equal_worlds_and_others_do_not() -> None:
    def everything(seed: int) -> tuple[object, ...]:
        world = World.create(scale=0.05, seed=seed)
        world.advance()
        tables = {p.name: world.sql(f"SELECT * FROM {p.name} ORDER BY ALL").fetchall() for p in PROJECTIONS}
        return tables, world.files(), world.books()

    assert everything(3) == everything(3)
    assert everything(3) != everything(4)


def test_queries_take_parameters_and_give_native_values(world: World) -> None:
    row = world.sql(
        "SELECT Amount, InvoiceDate, CreatedDate FROM zuora.Invoice WHERE InvoiceNumber = ?", ["INV00000001"]
    )
    amount, day, created = row.fetchone() or (None, None, None)
    assert isinstance(amount, Decimal)
    assert isinstance(day, date)
    assert isinstance(created, datetime)


def test_many_threads_may_query_while_the_world_advances() -> None:
    world = World.create(scale=0.05, seed=1)
    seen: list[bool] = []

    def invoices_equal_mirrors() -> bool:
        sql = """SELECT (SELECT count(*) FROM zuora.Invoice WHERE Status = 'Posted')
            = (SELECT count(*) FROM netsuite.transaction WHERE type = 'CustInvc' AND NOT voided)"""
        return (world.sql(sql).fetchone() or (False,))[0]

    with ThreadPoolExecutor(4) as threads:
        advancing = threads.submit(world.advance, 3)
        while not advancing.done():
            seen += threads.map(lambda _: invoices_equal_mirrors(), range(6))
        advancing.result()
    assert seen
    assert all(seen), "a query never sees half a day"


def test_single_tables_can_be_made_alone() -> None:
    world = World.create(scale=0.5, only={"salesforce.Account"})
    assert _rows(world, "salesforce.Account") == 600
    assert _rows(world, "salesforce.Contact") == _rows(world, "zuora.Invoice") == 0
    assert world.files() == []


def test_a_world_of_single_tables_does_not_advance_nor_keep_books() -> None:
    world = World.create(scale=0.1, only={"salesforce.Account"})
    with pytest.raises(ValueError, match="make a whole one"):
        world.advance()
    with pytest.raises(ValueError, match="make a whole one"):
        world.books()


def test_a_table_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"salesforce\.Acount"):
        World.create(only={"salesforce.Acount"})


def test_a_world_advances_by_whole_days_only(world: World) -> None:
    with pytest.raises(ValueError, match="at least one"):
        world.advance(0)


def test_a_world_in_a_file_is_the_same_as_one_in_memory(tmp_path: object) -> None:
    world = World.create(scale=0.05, seed=2, database=f"{tmp_path}/world.duckdb")
    memory = World.create(scale=0.05, seed=2)
    sql = "SELECT * FROM salesforce.Account ORDER BY ALL"
    assert world.sql(sql).fetchall() == memory.sql(sql).fetchall()
    world.close()


def test_twenty_times_the_demo_has_twenty_times_the_customers() -> None:
    world = World.create(scale=20, seed=7)
    assert _rows(world, "salesforce.Account") == 24_000
    assert 15 * 5_600 < _rows(world, "zuora.Invoice") < 25 * 5_600
    summary = world.advance()
    assert summary.changes["salesforce.Opportunity", "update"] > 150
    sql = "SELECT count(*) FROM zuora.Account z ANTI JOIN salesforce.Account a ON a.Id = z.CrmId"
    assert world.sql(sql).fetchone() == (0,)
