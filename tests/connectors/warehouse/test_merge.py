"""What a batch does to its table: newest version wins, repeating changes nothing, deletes become tombstones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.connectors.warehouse.batches import ACCOUNT, PLAIN, Batch, at, counts, csv_body, load, load_rows, window

FIRST = window(None, "2026-06-15 12:00")
SECOND = window("2026-06-15 12:00", "2026-06-16 12:00")
THIRD = window("2026-06-16 12:00", "2026-06-17 12:00")


def account(key: str, stamp: str, name: str = "Acme", deleted: str = "false", **fields: Any) -> dict[str, Any]:
    return {"Id": key, "Name": name, "SystemModstamp": stamp, "IsDeleted": deleted, **fields}


async def stored(warehouse: DuckDBWarehouse, table: str = "sfdc_account") -> dict[str, tuple[str | None, bool]]:
    """name and tombstone by id."""
    rows = await warehouse.rows(f"SELECT id, name, _deleted FROM STG.{table} ORDER BY id")
    assert len({r["id"] for r in rows}) == len(rows)
    return {r["id"]: (r["name"], r["_deleted"]) for r in rows}


async def test_a_first_load_inserts_every_row(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    result = await load_rows(
        warehouse, lake, ACCOUNT, FIRST,
        account("1", "2026-06-01T00:00:00.000Z"), account("2", "2026-06-01T00:00:00.000Z"),
    )  # fmt: skip
    assert counts(result) == {"read": 2, "inserted": 2}
    assert await stored(warehouse) == {"1": ("Acme", False), "2": ("Acme", False)}


async def test_a_batch_loaded_twice_is_skipped(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    rows = [account("1", "2026-06-01T00:00:00.000Z")]
    await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows)
    again = await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows)
    assert again.skipped and counts(again) == {}
    assert await warehouse.rows("SELECT count(*) AS n FROM STG._ledger") == [{"n": 1}]


async def test_a_repeated_overlap_changes_nothing(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    rows = [account("1", "2026-06-15T11:50:00.000Z", revenue="1.50"), account("2", "2026-06-15T11:55:00.000Z")]
    await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows)
    before = await warehouse.rows("SELECT * FROM STG.sfdc_account ORDER BY id")
    result = await load_rows(warehouse, lake, ACCOUNT, SECOND, *rows)
    assert counts(result) == {"read": 2, "unchanged": 2} and result.changed == 0
    assert await warehouse.rows("SELECT * FROM STG.sfdc_account ORDER BY id") == before


async def test_a_newer_row_replaces_and_an_older_one_is_stale(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(
        warehouse, lake, ACCOUNT, FIRST,
        account("1", "2026-06-10T00:00:00Z", "old"), account("2", "2026-06-10T00:00:00Z", "new"),
    )  # fmt: skip
    result = await load_rows(
        warehouse, lake, ACCOUNT, SECOND,
        account("1", "2026-06-16T00:00:00Z", "newer"), account("2", "2026-06-09T00:00:00Z", "older"),
        account("3", "2026-06-16T00:00:00Z", "fresh"),
    )  # fmt: skip
    assert counts(result) == {"read": 3, "inserted": 1, "updated": 1, "stale": 1}
    assert await stored(warehouse) == {"1": ("newer", False), "2": ("new", False), "3": ("fresh", False)}


async def test_equal_stamp_with_other_content_is_an_update(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, account("1", "2026-06-10T00:00:00Z", "before"))
    result = await load_rows(warehouse, lake, ACCOUNT, SECOND, account("1", "2026-06-10T00:00:00Z", "after"))
    assert counts(result) == {"read": 1, "updated": 1}
    assert await stored(warehouse) == {"1": ("after", False)}


async def test_the_newest_of_one_key_in_a_batch_wins(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    for span in (FIRST, SECOND):  # the way into an empty table, and the other way
        stamp = f"{span.hi:%Y-%m-%d}T0"
        result = await load_rows(
            warehouse, lake, ACCOUNT, span,
            account("1", f"{stamp}1:00:00Z", "a"), account("1", f"{stamp}3:00:00Z", "c"),
            account("1", f"{stamp}2:00:00Z", "b"), account(f"x{span.hi:%d}", f"{stamp}1:00:00Z"),
        )  # fmt: skip
        assert (result.read, result.stale, result.inserted + result.updated) == (4, 2, 2)
        assert (await stored(warehouse))["1"] == ("c", False)


async def test_the_same_row_twice_in_a_batch_is_one_row(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    row = account("1", "2026-06-01T00:00:00Z")
    assert counts(await load_rows(warehouse, lake, ACCOUNT, FIRST, row, row)) == {"read": 2, "inserted": 1, "stale": 1}


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
async def test_of_two_parts_with_one_version_of_a_row_the_one_that_was_read_later_wins(
    warehouse: DuckDBWarehouse, lake: LocalLake, name: str
) -> None:
    """A reading that was broken off goes on with what changed since; a stamp has whole seconds."""
    batch = Batch(lake, ACCOUNT, FIRST)
    stamp = "2026-06-01T00:00:00Z"
    for number, row in enumerate([account("1", stamp, "first", deleted="true"), account("1", stamp, name)]):
        # The names do not say which part was read first.
        await batch.add(csv_body(ACCOUNT.fields, [row]), ACCOUNT.fields, 1, name=f"rows-{9 - number}.csv")
    assert counts(await load(warehouse, batch)) == {"read": 2, "inserted": 1, "stale": 1}
    assert await stored(warehouse) == {"1": (name, False)}


async def test_a_soft_deleted_row_becomes_a_tombstone_with_its_content(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, account("1", "2026-06-10T00:00:00Z"))
    gone = account("1", "2026-06-16T01:02:03Z", deleted="true")
    assert counts(await load_rows(warehouse, lake, ACCOUNT, SECOND, gone)) == {"read": 1, "deleted": 1}
    rows = await warehouse.rows("SELECT name, is_deleted, _deleted, _deleted_at FROM STG.sfdc_account")
    moment = at("2026-06-16 01:02:03").replace(tzinfo=None)
    assert rows == [{"name": "Acme", "is_deleted": True, "_deleted": True, "_deleted_at": moment}]
    assert counts(await load_rows(warehouse, lake, ACCOUNT, THIRD, gone)) == {"read": 1, "unchanged": 1}


async def test_a_row_that_arrives_deleted_counts_as_deleted(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    rows = [account("1", "2026-06-10T00:00:00Z", deleted="true"), account("2", "2026-06-10T00:00:00Z")]
    assert counts(await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows)) == {"read": 2, "inserted": 1, "deleted": 1}
    late = account("3", "2026-06-16T00:00:00Z", deleted="true")
    assert counts(await load_rows(warehouse, lake, ACCOUNT, SECOND, late)) == {"read": 1, "deleted": 1}
    assert await stored(warehouse) == {"1": ("Acme", True), "2": ("Acme", False), "3": ("Acme", True)}


async def test_an_undeleted_row_counts_as_updated(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, account("1", "2026-06-10T00:00:00Z", deleted="true"))
    back = account("1", "2026-06-16T00:00:00Z")
    assert counts(await load_rows(warehouse, lake, ACCOUNT, SECOND, back)) == {"read": 1, "updated": 1}
    assert await warehouse.rows("SELECT _deleted, _deleted_at FROM STG.sfdc_account") == [
        {"_deleted": False, "_deleted_at": None}
    ]


async def test_a_snapshot_buries_what_it_does_not_have(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(
        warehouse, lake, ACCOUNT, FIRST,
        *(account(i, "2026-06-10T00:00:00Z") for i in ("kept", "gone")), account("new", "2026-06-15T13:00:00Z"),
    )  # fmt: skip
    full = window(None, "2026-06-15 13:00")
    result = await load_rows(warehouse, lake, ACCOUNT, full, account("kept", "2026-06-10T00:00:00Z"))
    assert counts(result) == {"read": 1, "unchanged": 1, "deleted": 1}
    assert await stored(warehouse) == {"gone": ("Acme", True), "kept": ("Acme", False), "new": ("Acme", False)}


async def test_a_snapshot_does_not_bury_a_row_it_could_not_read(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, account("1", "2026-06-10T00:00:00Z"))
    broken = account("1", "2026-06-10T00:00:00Z", AnnualRevenue="much")
    result = await load_rows(warehouse, lake, ACCOUNT, window(None, "2026-06-16 00:00"), broken)
    assert counts(result) == {"read": 1, "quarantined": 1}
    assert await stored(warehouse) == {"1": ("Acme", False)}


async def test_reported_deletes_bury_rows_unless_they_changed_later(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load_rows(
        warehouse, lake, PLAIN, FIRST,
        {"Id": "1", "Name": "gone", "UpdatedDate": "2026-06-10T00:00:00Z"},
        {"Id": "2", "Name": "back", "UpdatedDate": "2026-06-14T00:00:00Z"},
    )  # fmt: skip
    batch = await Batch(lake, PLAIN, SECOND).rows({"Id": "3", "Name": "x", "UpdatedDate": "2026-06-16T00:00:00Z"})
    await batch.deletes(
        *({"Id": i, "deletedDate": "2026-06-13T00:00:00.000+0000"} for i in ("1", "1", "2", "unknown")),
        {"Id": "3", "deletedDate": "2026-06-16T05:00:00Z"},
    )
    assert counts(await load(warehouse, batch)) == {"read": 1, "inserted": 1, "deleted": 2}
    assert await stored(warehouse, "zuora_account") == {"1": ("gone", True), "2": ("back", False), "3": ("x", True)}


async def test_a_row_restored_in_the_second_of_its_deletion_lives(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    second = "2026-06-16T00:00:00Z"
    restored = {"Id": "1", "Name": "back", "UpdatedDate": second}
    await load_rows(warehouse, lake, PLAIN, FIRST, {"Id": "1", "Name": "first", "UpdatedDate": "2026-06-01T00:00:00Z"})
    for part in (SECOND, THIRD):  # the overlap shows both once more
        batch = await Batch(lake, PLAIN, part).rows(restored)
        await load(warehouse, await batch.deletes({"Id": "1", "deletedDate": second}))
        assert await stored(warehouse, PLAIN.name) == {"1": ("back", False)}


async def test_a_row_restored_in_the_second_of_its_deletion_lives_in_a_new_table_too(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    second = "2026-06-14T00:00:00Z"
    batch = await Batch(lake, PLAIN, FIRST).rows({"Id": "1", "Name": "back", "UpdatedDate": second})
    await load(warehouse, await batch.deletes({"Id": "1", "deletedDate": second}))
    assert await stored(warehouse, PLAIN.name) == {"1": ("back", False)}


@pytest.mark.parametrize("changed", ["2026-06-16T00:00:00Z", "2026-06-17T00:00:00Z"])
async def test_a_batch_read_before_a_deletion_does_not_bring_the_row_back(
    warehouse: DuckDBWarehouse, lake: LocalLake, changed: str
) -> None:
    row = {"Id": "1", "Name": "gone", "UpdatedDate": "2026-06-10T00:00:00Z"}
    await load_rows(warehouse, lake, PLAIN, FIRST, row)
    await load(warehouse, await Batch(lake, PLAIN, THIRD).deletes({"Id": "1", "deletedDate": "2026-06-17T00:00:00Z"}))
    late = await load_rows(warehouse, lake, PLAIN, SECOND, {**row, "UpdatedDate": changed})
    assert counts(late) == {"read": 1, "stale": 1}
    assert await stored(warehouse, "zuora_account") == {"1": ("gone", True)}


async def test_only_a_batch_read_after_the_time_of_a_deletion_brings_the_row_back(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    row = {"Id": "1", "Name": "back", "UpdatedDate": "2026-06-17T00:00:00Z"}
    await load_rows(warehouse, lake, PLAIN, FIRST, row)
    deletion = Batch(lake, PLAIN, SECOND, observed=at("2026-06-16 12:00"))  # the source's clock is ahead
    await load(warehouse, await deletion.deletes({"Id": "1", "deletedDate": "2026-06-18T00:00:00Z"}))
    for observed, expected in (("2026-06-18 00:00:00", "stale"), ("2026-06-18 00:00:01", "updated")):
        batch = Batch(lake, PLAIN, THIRD, observed=at(observed), label=observed)
        assert counts(await load(warehouse, await batch.rows(row))) == {"read": 1, expected: 1}


async def test_a_row_seen_again_after_its_deletion_is_live_again(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    row = {"Id": "1", "Name": "here", "UpdatedDate": "2026-06-10T00:00:00Z"}
    await load_rows(warehouse, lake, PLAIN, FIRST, row)
    await load_rows(warehouse, lake, PLAIN, window(None, "2026-06-16 00:00"))
    assert await stored(warehouse, "zuora_account") == {"1": ("here", True)}
    result = await load_rows(warehouse, lake, PLAIN, window(None, "2026-06-17 00:00"), row)
    assert counts(result) == {"read": 1, "updated": 1}
    assert await stored(warehouse, "zuora_account") == {"1": ("here", False)}


async def test_a_table_without_a_cursor_is_what_its_last_snapshot_says(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    table = replace(PLAIN, cursor=None)
    first = [{"Id": i, "Name": "old"} for i in ("1", "2", "3")]
    await load_rows(warehouse, lake, table, FIRST, *first)
    second = [{"Id": "1", "Name": "old"}, {"Id": "2", "Name": "new"}, {"Id": "4", "Name": "new"}]
    result = await load_rows(warehouse, lake, table, window(None, "2026-06-16 12:00"), *second)
    assert counts(result) == {"read": 3, "inserted": 1, "updated": 1, "unchanged": 1, "deleted": 1}
    expected = {"1": ("old", False), "2": ("new", False), "3": ("old", True), "4": ("new", False)}
    assert await stored(warehouse, PLAIN.name) == expected


async def test_a_row_without_a_stamp_is_older_than_any_that_has_one(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    bare, dated = {"Id": "1", "Name": "bare"}, {"Id": "1", "Name": "dated", "UpdatedDate": "2026-06-10T00:00:00Z"}
    await load_rows(warehouse, lake, PLAIN, FIRST, bare)
    assert counts(await load_rows(warehouse, lake, PLAIN, SECOND, bare)) == {"read": 1, "unchanged": 1}
    assert counts(await load_rows(warehouse, lake, PLAIN, THIRD, dated)) == {"read": 1, "updated": 1}
    last = await load_rows(warehouse, lake, PLAIN, window("2026-06-17 12:00", "2026-06-18 12:00"), bare)
    assert counts(last) == {"read": 1, "stale": 1}
    assert await stored(warehouse, PLAIN.name) == {"1": ("dated", False)}


async def test_a_snapshot_buries_a_row_without_a_stamp(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    rows = [{"Id": "1", "Name": "bare"}, {"Id": "2", "Name": "bare"}]
    await load_rows(warehouse, lake, PLAIN, FIRST, *rows)
    await load_rows(warehouse, lake, PLAIN, window(None, "2026-06-16 12:00"), rows[1])
    assert await stored(warehouse, PLAIN.name) == {"1": ("bare", True), "2": ("bare", False)}


AQUA = ("Id", "Name", "Balance", "UpdatedDate", "_deleted")


async def test_a_tombstone_row_needs_only_key_and_stamp(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    first = await Batch(lake, PLAIN, FIRST).rows(
        {"Id": "1", "Name": "one", "Balance": "1", "UpdatedDate": "2026-06-10 00:00:00", "_deleted": "false"},
        {"Id": "2", "Name": "two", "Balance": "2", "UpdatedDate": "2026-06-10 00:00:00", "_deleted": ""},
        {"Id": "9", "Balance": "?", "UpdatedDate": "2026-06-10 00:00:00", "_deleted": "true"},
        header=AQUA,
    )
    assert counts(await load(warehouse, first)) == {"read": 3, "inserted": 2, "deleted": 1}
    tombstones = [
        {"Id": "1", "UpdatedDate": "2026-06-16 00:00:00", "_deleted": "true"},
        {"Id": "7", "UpdatedDate": "2026-06-16 00:00:00", "_deleted": "true"},
    ]
    for span, expected in ((SECOND, {"read": 2, "deleted": 2}), (THIRD, {"read": 2, "unchanged": 2})):
        assert counts(await load(warehouse, await Batch(lake, PLAIN, span).rows(*tombstones, header=AQUA))) == expected
        assert await stored(warehouse, "zuora_account") == {
            "1": ("one", True), "2": ("two", False), "7": (None, True), "9": (None, True),
        }  # fmt: skip


async def test_a_tombstone_of_the_version_that_is_stored_deletes_it(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    known = {"Id": "1", "Name": "one", "UpdatedDate": "2026-06-10 00:00:00"}
    await load_rows(warehouse, lake, PLAIN, FIRST, known)
    batch = await Batch(lake, PLAIN, SECOND).rows({**known, "Name": None, "_deleted": "true"}, header=AQUA)
    assert counts(await load(warehouse, batch)) == {"read": 1, "deleted": 1}
    assert await stored(warehouse, "zuora_account") == {"1": ("one", True)}


async def test_the_last_deletion_of_a_row_counts(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, PLAIN, FIRST, {"Id": "1", "Name": "one", "UpdatedDate": "2026-06-10 00:00:00"})
    for span, day, expected in ((SECOND, 16, "deleted"), (THIRD, 17, "updated")):
        tombstone = {"Id": "1", "UpdatedDate": f"2026-06-{day} 00:00:00", "_deleted": "true"}
        batch = await Batch(lake, PLAIN, span).rows(tombstone, header=AQUA)
        assert counts(await load(warehouse, batch)) == {"read": 1, expected: 1}
        assert await warehouse.rows("SELECT name, _deleted, _deleted_at FROM STG.zuora_account") == [
            {"name": "one", "_deleted": True, "_deleted_at": at(f"2026-06-{day}").replace(tzinfo=None)}
        ]


async def test_a_first_load_holds_a_repeated_key_against_the_rows_that_fit(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load_rows(
        warehouse, lake, PLAIN, FIRST,
        {"Id": "1", "Name": "old", "UpdatedDate": "2026-06-10 00:00:00"},
        {"Id": "1", "Name": "new", "UpdatedDate": "2026-06-11 00:00:00"},
        {"Id": "2", "Balance": "?", "UpdatedDate": "2026-06-11 00:00:00"},
        {"Id": "3", "Balance": "?", "UpdatedDate": "2026-06-11 00:00:00"},
    )  # fmt: skip
    assert await stored(warehouse, "zuora_account") == {"1": ("new", False)}


async def test_nothing_new_is_a_batch_too(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    result = await load(warehouse, Batch(lake, ACCOUNT, FIRST))
    assert counts(result) == {} and not result.skipped
    state = await warehouse.state(ACCOUNT)
    assert state.windows == (FIRST,)
