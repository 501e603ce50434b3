"""The living keys alone: what vanished becomes a tombstone, what was lost is counted."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import CountMismatch, UnreadableFile
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.connectors.warehouse.batches import ACCOUNT, Batch, counts, load, load_rows, replay, window

FIRST = window(None, "2026-06-15 12:00")
SECOND = window("2026-06-15 12:00", "2026-06-16 12:00")
THIRD = window(None, "2026-06-17 12:00")
OLD, NEW, LATER = "2026-06-10T00:00:00Z", "2026-06-16T00:00:00Z", "2026-06-18T00:00:00Z"


def key(name: str, stamp: str = OLD) -> dict[str, Any]:
    return {"Id": name, "SystemModstamp": stamp}


async def living(warehouse: DuckDBWarehouse) -> list[str]:
    return [r["id"] for r in await warehouse.rows("SELECT id FROM STG.sfdc_account WHERE NOT _deleted ORDER BY id")]


async def test_absent_keys_become_tombstones_unless_they_are_newer(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, key("kept"), key("gone"), key("new", LATER))
    batch = await Batch(lake, ACCOUNT, THIRD, scope="keys", source_rows=1).keys(key("kept"))
    result = await load(warehouse, batch)
    assert counts(result) == {"deleted": 1} and result.missing == 0
    assert await living(warehouse) == ["kept", "new"]
    state = await warehouse.state(ACCOUNT)
    assert state.windows == (FIRST,)
    assert (await load(warehouse, batch)).skipped
    assert (await replay(warehouse, batch)).changed == 0
    scopes = "SELECT scope, missing FROM STG._ledger ORDER BY scope"
    assert await warehouse.rows(scopes) == [{"scope": "keys", "missing": 0}, {"scope": "rows", "missing": None}]


async def test_keys_that_stg_lacks_or_has_in_an_older_version_are_missing(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load_rows(
        warehouse, lake, ACCOUNT, FIRST,
        key("kept"), key("older"), {**key("held"), "NumberOfEmployees": "x"}, {**key("dead"), "IsDeleted": "true"},
    )  # fmt: skip
    keys = [key("kept"), key("older", NEW), key("held"), key("dead"), key("lost"), key("too new", LATER)]
    result = await load(warehouse, await Batch(lake, ACCOUNT, THIRD, scope="keys").keys(*keys))
    assert (result.missing, result.deleted) == (3, 0)
    assert await living(warehouse) == ["kept", "older"]


async def test_a_row_in_quarantine_in_an_older_version_is_missing(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, {**key("held"), "NumberOfEmployees": "x"})
    batch = await Batch(lake, ACCOUNT, THIRD, scope="keys").keys(key("held", NEW))
    assert (await load(warehouse, batch)).missing == 1


async def test_keys_beside_rows_leave_the_window_a_window(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, key("kept"), key("gone"))
    batch = await Batch(lake, ACCOUNT, SECOND, source_rows=2).rows(key("new", NEW), key("gone meanwhile", NEW))
    result = await load(warehouse, await batch.keys(key("kept"), key("new", NEW)))
    assert counts(result) == {"read": 2, "inserted": 2, "deleted": 1} and result.missing == 0
    assert await living(warehouse) == ["gone meanwhile", "kept", "new"]  # seen in this batch: the next one tells
    assert (await warehouse.state(ACCOUNT)).windows == (FIRST, SECOND)


async def test_a_window_without_rows_but_with_keys_is_a_window(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, key("kept"))
    await load(warehouse, await Batch(lake, ACCOUNT, SECOND, source_rows=0).keys(key("kept")))
    assert (await warehouse.state(ACCOUNT)).windows == (FIRST, SECOND)


async def test_no_living_keys_at_all_is_no_empty_snapshot(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, key("gone"))
    assert counts(await load(warehouse, Batch(lake, ACCOUNT, THIRD, scope="keys"))) == {"deleted": 1}
    assert (await warehouse.state(ACCOUNT)).windows == (FIRST,)


async def test_keys_that_do_not_add_up_bury_nothing(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, key("1"), key("2"))
    counted = await Batch(lake, ACCOUNT, THIRD, scope="keys", source_rows=2).keys(key("1"))
    with pytest.raises(CountMismatch, match="the source counted 2 keys, 1 were parsed"):
        await load(warehouse, counted)
    twice = await Batch(lake, ACCOUNT, window(None, "2026-06-18 12:00"), scope="keys").keys(key("1"), key("1"))
    with pytest.raises(CountMismatch, match="each key once"):
        await load(warehouse, twice)
    unreadable = await Batch(lake, ACCOUNT, window(None, "2026-06-19 12:00"), scope="keys").keys(key("1", "today"))
    with pytest.raises(UnreadableFile, match="keys part"):
        await load(warehouse, unreadable)
    assert await living(warehouse) == ["1", "2"]
