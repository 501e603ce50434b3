"""Batches loaded again from the lake: a new column gets its values, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connectors.contract import Column, Contract, DataType, QualityRule, Table
from connectors.errors import TypeChanged, UnreadableFile
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.connectors.warehouse.batches import (
    ACCOUNT,
    PLAIN,
    Batch,
    at,
    counts,
    csv_body,
    load,
    load_rows,
    replay,
    window,
)

FIRST = window(None, "2026-06-15 12:00")
SECOND = window("2026-06-15 12:00", "2026-06-16 12:00")
THIRD = window("2026-06-16 12:00", "2026-06-17 12:00")
OLD, NEW = "2026-06-10T00:00:00Z", "2026-06-16T00:00:00Z"
WIDER = replace(PLAIN, columns=(*PLAIN.columns, Column("site", DataType.STRING, "Site", "Where.")))
HEADER = (*PLAIN.fields, "Site")


def row(key: str, stamp: str = OLD, name: str = "x", **fields: Any) -> dict[str, Any]:
    return {"Id": key, "Name": name, "UpdatedDate": stamp, **fields}


async def stored(warehouse: DuckDBWarehouse, columns: str = "id, name, _deleted") -> list[tuple[Any, ...]]:
    return [tuple(r.values()) for r in await warehouse.rows(f"SELECT {columns} FROM STG.zuora_account ORDER BY id")]


async def test_a_column_added_to_the_contract_is_filled_from_the_lake(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    first = await Batch(lake, PLAIN, FIRST).rows(row("1", Site="Rome"), row("2", Site="Oslo"), header=HEADER)
    second = await Batch(lake, PLAIN, SECOND).rows(row("2", NEW, Site="Bergen"), row("3", NEW), header=HEADER)
    for batch in (first, second):
        await load(warehouse, batch)
    await warehouse.ensure(Contract((WIDER,)))
    assert counts(await replay(warehouse, second, WIDER)) == {"read": 2, "updated": 1, "unchanged": 1}
    assert counts(await replay(warehouse, first, WIDER)) == {"read": 2, "updated": 1, "stale": 1}
    assert await stored(warehouse, "id, site") == [("1", "Rome"), ("2", "Bergen"), ("3", None)]
    assert (await warehouse.state(WIDER)).windows == (FIRST, SECOND)
    ledger = "SELECT rows_read, inserted, updated, replays, replayed_at IS NOT NULL AS again FROM STG._ledger"
    assert await warehouse.rows(f"{ledger} ORDER BY window_hi") == [
        {"rows_read": 2, "inserted": 2, "updated": 0, "replays": 1, "again": True},
        {"rows_read": 2, "inserted": 1, "updated": 1, "replays": 1, "again": True},
    ]


async def test_a_batch_that_was_never_loaded_is_loaded_as_usual(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    batch = await Batch(lake, PLAIN, FIRST).rows(row("1"))
    assert counts(await replay(warehouse, batch)) == {"read": 1, "inserted": 1}
    assert (await warehouse.state(PLAIN)).windows == (FIRST,)
    assert await warehouse.rows("SELECT replays FROM STG._ledger") == [{"replays": 0}]


async def test_of_one_version_with_two_contents_the_later_reading_wins(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    first = await Batch(lake, PLAIN, FIRST).rows(row("1", name="before"))
    await load(warehouse, first)
    await load_rows(warehouse, lake, PLAIN, SECOND, row("1", name="after"))
    assert counts(await replay(warehouse, first)) == {"read": 1, "stale": 1}
    assert await stored(warehouse) == [("1", "after", False)]


async def test_an_old_window_that_is_read_again_counts_as_read_now(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, PLAIN, FIRST, row("1", name="before"))
    batch = Batch(lake, PLAIN, window("2026-06-09 00:00", "2026-06-11 00:00"), observed=at("2026-06-20 00:00"))
    assert counts(await load(warehouse, await batch.rows(row("1", name="after")))) == {"read": 1, "updated": 1}


async def test_a_snapshot_loaded_again_leaves_alone_what_came_later(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    snapshot = await Batch(lake, PLAIN, FIRST).rows(row("1"), row("2"))
    await load(warehouse, snapshot)
    increment = await Batch(lake, PLAIN, SECOND).rows(row("late"))  # committed late, with an older stamp
    await load(warehouse, await increment.deletes({"Id": "2", "deletedDate": "2026-06-11T00:00:00Z"}))
    expected = [("1", "x", False), ("2", "x", True), ("late", "x", False)]
    assert await stored(warehouse) == expected
    for batch in (snapshot, increment, snapshot):
        assert (await replay(warehouse, batch)).changed == 0
        assert await stored(warehouse) == expected


async def test_a_reported_deletion_loaded_again_does_not_bury_a_row_that_was_seen_since(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load_rows(warehouse, lake, PLAIN, FIRST, row("1"))
    deletion = await Batch(lake, PLAIN, SECOND).deletes({"Id": "1", "deletedDate": NEW})
    await load(warehouse, deletion)
    await load_rows(warehouse, lake, PLAIN, THIRD, row("1"))
    assert await stored(warehouse) == [("1", "x", False)]
    assert (await replay(warehouse, deletion)).changed == 0
    assert await stored(warehouse) == [("1", "x", False)]


async def test_a_batch_left_in_the_lake_does_not_bring_back_what_a_later_snapshot_lacks(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    forgotten = await Batch(lake, PLAIN, window("2026-06-09 00:00", "2026-06-11 00:00")).rows(row("gone"), row("bad"))
    await load_rows(warehouse, lake, PLAIN, FIRST, row("1"), row("bad", Balance="much"))
    assert counts(await replay(warehouse, forgotten)) == {"read": 2, "inserted": 1, "stale": 1}
    assert await stored(warehouse) == [("1", "x", False), ("bad", "x", False)]


async def test_a_corrected_rule_lets_rows_out_of_quarantine(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    strict = replace(PLAIN, quality=(QualityRule("positive", "balance > 0"),))
    batch = await Batch(lake, strict, FIRST).rows(row("1", Balance="0"), row("2", Balance="x"), row("3", Balance="1"))
    assert counts(await load(warehouse, batch)) == {"read": 3, "inserted": 1, "quarantined": 2}
    result = await replay(warehouse, batch, PLAIN)
    assert counts(result) == {"read": 3, "inserted": 1, "unchanged": 1, "quarantined": 1}
    [group] = await warehouse.quarantined()
    assert (group.rows, group.column, group.example) == (1, "balance", "x")
    assert await warehouse.rows("SELECT quarantined, rows_read FROM STG._ledger") == [
        {"quarantined": 1, "rows_read": 3}
    ]


async def test_a_stricter_rule_does_not_take_rows_away(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    batch = await Batch(lake, PLAIN, FIRST).rows(row("1", Balance="0"))
    await load(warehouse, batch)
    strict = replace(PLAIN, quality=(QualityRule("positive", "balance > 0"),))
    assert counts(await replay(warehouse, batch, strict)) == {"read": 1, "quarantined": 1}
    assert await stored(warehouse) == [("1", "x", False)]


async def test_a_table_that_was_dropped_is_whole_again_after_a_replay(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    first = await Batch(lake, PLAIN, FIRST).rows(row("1"), row("2"), row("3"))
    second = await Batch(lake, PLAIN, SECOND).rows(row("2", NEW, "new"))
    await second.deletes({"Id": "3", "deletedDate": NEW})
    for batch in (first, second):
        await load(warehouse, batch)
    before = await stored(warehouse)
    await warehouse.rows("DROP TABLE STG.zuora_account")
    await warehouse.ensure(Contract((PLAIN,)))
    for batch in (first, second):
        await replay(warehouse, batch)
    assert await stored(warehouse) == before


async def test_a_part_that_was_spoiled_in_the_lake_is_named(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    batch = Batch(lake, PLAIN, FIRST)
    await batch.add(csv_body(PLAIN.fields, [row("1")]), PLAIN.fields, 1, name="rows.csv.gz")
    await load(warehouse, batch)
    path = lake.root / batch.request.prefix / batch.parts[0].name
    spoiled = bytearray(path.read_bytes())
    spoiled[-6] ^= 1
    path.write_bytes(spoiled)
    with pytest.raises(UnreadableFile, match=path.name) as caught:
        await replay(warehouse, batch)
    assert "mgdw backfill" in caught.value.remedy
    assert await stored(warehouse) == [("1", "x", False)]


def retyped(column: str, to: DataType) -> Table:
    return replace(ACCOUNT, columns=tuple(replace(c, type=to) if c.name == column else c for c in ACCOUNT.columns))


async def test_whole_numbers_become_numbers_in_place(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    most = {"Id": "1", "SystemModstamp": OLD, "NumberOfEmployees": 2**63 - 1}
    await load_rows(warehouse, lake, ACCOUNT, FIRST, most)
    wider = retyped("employees", DataType.NUMERIC)
    assert len(await warehouse.ensure(Contract((wider,)))) == 1
    assert await warehouse.ensure(Contract((wider,))) == []
    assert counts(await load_rows(warehouse, lake, wider, SECOND, most)) == {"read": 1, "unchanged": 1}


async def test_any_other_change_of_type_has_a_remedy_that_works(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    fields = {"SystemModstamp": OLD, "NumberOfEmployees": 12}
    first = await Batch(lake, ACCOUNT, FIRST).rows({"Id": "1", **fields}, {"Id": "2", **fields})
    await load(warehouse, first)
    with pytest.raises(TypeChanged, match="mgdw replay"):
        await warehouse.ensure(Contract((retyped("employees", DataType.STRING),)))
    renamed = tuple(
        Column("headcount", DataType.STRING, c.field, c.description) if c.name == "employees" else c
        for c in ACCOUNT.columns
    )
    table = replace(ACCOUNT, columns=renamed)
    await warehouse.ensure(Contract((table,)))
    assert counts(await replay(warehouse, first, table)) == {"read": 2, "updated": 2}
    await load_rows(warehouse, lake, table, SECOND, {"Id": "2", "SystemModstamp": NEW, "NumberOfEmployees": "13"})
    assert await warehouse.rows("SELECT id, employees, headcount FROM STG.sfdc_account ORDER BY id") == [
        {"id": "1", "employees": 12, "headcount": "12"}, {"id": "2", "employees": 12, "headcount": "13"},
    ]  # fmt: skip


async def test_a_batch_with_a_row_and_its_deletion_changes_nothing_when_loaded_again(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    batch = await Batch(lake, PLAIN, FIRST).rows(row("1"), row("2"))
    await batch.deletes({"Id": "1", "deletedDate": "2026-06-12T00:00:00Z"})
    await load(warehouse, batch)
    assert (await replay(warehouse, batch)).changed == 0
    assert await stored(warehouse) == [("1", "x", True), ("2", "x", False)]
