"""Rows that do not fit: one entry a row, until STG has the row or a person lets it go."""

from __future__ import annotations

from typing import Any

from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.connectors.warehouse.batches import ACCOUNT, PLAIN, Batch, at, counts, load, load_rows, replay, window
from tests.connectors.warehouse.test_files import FILE, MONDAY, TUESDAY, WEDNESDAY, delivery, load_file, usage

FIRST = window(None, "2026-06-15 12:00")
SECOND = window("2026-06-15 12:00", "2026-06-16 12:00")
THIRD = window("2026-06-16 12:00", "2026-06-17 12:00")
OLD, NEW = "2026-06-10T00:00:00Z", "2026-06-16T00:00:00Z"


def row(key: str, stamp: str = OLD, balance: str = "much") -> dict[str, Any]:
    return {"Id": key, "Balance": balance, "UpdatedDate": stamp}


async def held(warehouse: DuckDBWarehouse, table: str = "zuora_account") -> list[tuple[str, str | None]]:
    """Batch and raw text of each entry."""
    return sorted(((r.batch_id, r.raw_text) for r in await warehouse.quarantined_rows(table)), key=str)


async def test_groups_and_rows_are_shown(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    batch = await Batch(lake, PLAIN, FIRST).rows(row("1"), row("2", balance="little"), row("", balance="1"))
    await load(warehouse, batch)
    await load_rows(warehouse, lake, ACCOUNT, FIRST, {"Id": "1", "SystemModstamp": "today"})
    groups = await warehouse.quarantined()
    assert [(g.table, g.column, g.rows, g.example) for g in groups] == [
        ("zuora_account", "balance", 2, "little"), ("sfdc_account", "system_modstamp", 1, "today"),
        ("zuora_account", "id", 1, None),
    ]  # fmt: skip
    assert groups[0].first == groups[0].last and groups[0].batch_id == batch.request.batch_id
    assert groups == [g for g in groups if g in [*await warehouse.quarantined("zuora_account"), groups[1]]]
    rows = await warehouse.quarantined_rows("zuora_account", limit=2)
    assert len(rows) == 2
    assert (rows[0].part, rows[0].row) == (
        batch.parts[0].name, '{"Id":"1","Name":null,"Balance":"much","UpdatedDate":"2026-06-10T00:00:00Z"}',
    )  # fmt: skip


async def test_a_row_read_again_in_an_overlap_is_one_entry(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    first = await Batch(lake, PLAIN, FIRST).rows(row("1"), row(""), row("1"), row(""))
    second = await Batch(lake, PLAIN, SECOND).rows(row("1"), row(""))
    assert (await load(warehouse, first)).quarantined == 4
    [entry, _] = await warehouse.quarantined_rows("zuora_account")
    assert (await load(warehouse, second)).quarantined == 2
    newest = second.request.batch_id
    assert await held(warehouse) == [(newest, "much"), (newest, None)]
    assert {r.first for r in await warehouse.quarantined_rows("zuora_account")} == {entry.first}
    before = await held(warehouse)
    assert (await replay(warehouse, first)).quarantined == 4
    assert await held(warehouse) == before
    assert (await replay(warehouse, second)).quarantined == 2
    assert await held(warehouse) == before


async def test_a_newer_version_that_does_not_fit_either_takes_the_place(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    first = await Batch(lake, PLAIN, FIRST).rows(row("1"))
    await load(warehouse, first)
    await load_rows(warehouse, lake, PLAIN, SECOND, row("1", NEW, "more"))
    await replay(warehouse, first)
    assert [text for _, text in await held(warehouse)] == ["more"]


async def test_a_row_that_arrives_in_good_shape_settles_its_entries(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    first = await Batch(lake, PLAIN, FIRST).rows(row("newer"), row("same"), row("other"))
    await load(warehouse, first)
    await load_rows(warehouse, lake, PLAIN, SECOND, row("newer", NEW, "1"), row("same", OLD, "1"))
    assert len(await held(warehouse)) == 1
    assert (await replay(warehouse, first)).quarantined == 3
    assert len(await held(warehouse)) == 1
    assert await warehouse.rows("SELECT quarantined FROM STG._ledger WHERE quarantined > 0") == [{"quarantined": 3}]


async def test_an_older_version_in_good_shape_settles_nothing(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, PLAIN, FIRST, row("1", balance="1"))
    await load_rows(warehouse, lake, PLAIN, SECOND, row("1", NEW))
    await load_rows(warehouse, lake, PLAIN, THIRD, row("1", balance="1"))
    assert len(await held(warehouse)) == 1


async def test_a_row_that_went_bad_and_good_again_unchanged_is_settled(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    for span, balance in ((FIRST, "1"), (SECOND, "much"), (THIRD, "1")):
        await load_rows(warehouse, lake, PLAIN, span, row("1", balance=balance))
        assert len(await held(warehouse)) == (balance == "much")


async def test_a_deletion_settles_the_entry(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, PLAIN, FIRST, row("1", balance="1"))
    await load_rows(warehouse, lake, PLAIN, SECOND, row("1", NEW))
    await load(warehouse, await Batch(lake, PLAIN, THIRD).deletes({"Id": "1", "deletedDate": "2026-06-17T00:00:00Z"}))
    assert await held(warehouse) == []


async def test_a_new_delivery_of_a_file_settles_its_rows(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    bad = {**usage("A", 1), "emails_sent": "many"}
    await load_file(warehouse, lake, delivery(FILE, MONDAY), usage("A", 1), usage("B", 1))
    await load_file(warehouse, lake, delivery(FILE, TUESDAY), bad, usage("B", 1))
    assert len(await held(warehouse, "s3_cm_usage_data")) == 1
    await load_file(warehouse, lake, delivery(FILE, WEDNESDAY), usage("A", 2), usage("B", 1))
    assert await held(warehouse, "s3_cm_usage_data") == []


async def test_dropped_rows_leave_a_trace_in_the_ledger(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    batch = await Batch(lake, PLAIN, FIRST).rows(row("1"), row("2"), row("", balance="1"))
    await load(warehouse, batch)
    await load_rows(warehouse, lake, PLAIN, SECOND, row("3"))
    reason = (await warehouse.quarantined())[0].reason
    assert await warehouse.drop_quarantined("zuora_account", batch.request.batch_id, reason) == 2
    assert await warehouse.drop_quarantined("sfdc_account") == 0
    ledger = "SELECT quarantined, dropped, dropped_at > loaded_at AS noted FROM STG._ledger ORDER BY window_hi"
    assert await warehouse.rows(ledger) == [
        {"quarantined": 3, "dropped": 2, "noted": True}, {"quarantined": 1, "dropped": 0, "noted": None},
    ]  # fmt: skip
    assert await warehouse.drop_quarantined("zuora_account") == 2
    assert await warehouse.quarantined() == []
    assert [r["dropped"] for r in await warehouse.rows(ledger)] == [3, 1]


async def test_a_batch_read_before_its_entry_does_not_settle_it(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    """Of one version, what was read last counts: here, that the row does not fit."""
    await load_rows(warehouse, lake, PLAIN, FIRST, row("1"))
    batch = Batch(lake, PLAIN, window("2026-06-09 00:00", "2026-06-11 00:00"), observed=at("2026-06-14 00:00"))
    assert counts(await load(warehouse, await batch.rows(row("1", balance="1")))) == {"read": 1, "inserted": 1}
    assert len(await held(warehouse)) == 1
