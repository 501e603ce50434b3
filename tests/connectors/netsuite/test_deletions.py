"""Deletions come from the account's log, and from comparing keys where it is silent; the load goes on either way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.lake.local import LocalLake
from connectors.netsuite.source import SUITEQL_PATH
from connectors.window import Window
from tests.connectors.netsuite.conftest import CUSTOMER, Office, extracted, records, table

QUERY = f"POST {SUITEQL_PATH}"
ALIVE = {i for i in range(1, 31) if i != 5}
REFUSED = {"o:errorDetails": [{"detail": "Search error occurred: ?", "o:errorCode": "INVALID_PARAMETER"}]}


def day(office: Office, **more: Any) -> BatchRequest:
    return BatchRequest(CUSTOMER, Window(office.world.now - timedelta(days=1), office.world.now), **more)


async def read(office: Office, lake: LocalLake, request: BatchRequest, **settings: Any) -> Manifest:
    async with office.source(**settings) as source:
        (manifest,) = (await extracted(source, lake, [request])).values()
    return manifest


def keys(lake: LocalLake, manifest: Manifest) -> set[int]:
    return {int(row["id"]) for row in records(lake, manifest, "keys")}


async def test_the_log_tells_what_was_deleted(tiny: Office, lake: LocalLake) -> None:
    manifest = await read(tiny, lake, day(tiny))
    (row,) = records(lake, manifest, "deletes")
    assert (row["id"], row["deleteddate"]) == ("5", "2026-06-15 00:00:00")
    assert "warning" not in manifest.details
    assert not keys(lake, manifest)


@pytest.mark.parametrize("hidden", ["deletedrecord", "deletedrecord.recordid"])
async def test_where_the_log_is_hidden_keys_are_compared(tiny: Office, lake: LocalLake, hidden: str) -> None:
    tiny.account.options.hidden = frozenset({hidden})
    manifest = await read(tiny, lake, day(tiny))
    assert keys(lake, manifest) == ALIVE
    (part,) = [part for part in manifest.parts if part.kind == "keys"]
    assert (part.header, part.rows) == (("id", "lastmodifieddate"), 29)
    assert manifest.source_rows == sum(part.rows or 0 for part in manifest.parts if part.kind == "rows")
    assert "29 keys were compared" in manifest.details["warning"]
    assert "DeletedRecord" in manifest.details["warning"] or "recordid" in manifest.details["warning"]


async def test_a_table_too_large_to_compare_is_loaded_and_says_what_it_lacks(tiny: Office, lake: LocalLake) -> None:
    tiny.account.options.hidden = frozenset({"deletedrecord"})
    manifest = await read(tiny, lake, day(tiny), most_keys=28)
    assert not keys(lake, manifest)
    assert manifest.rows
    assert "wait for the next full run" in manifest.details["warning"]
    assert "MGDW_NETSUITE_MOST_KEYS" in manifest.details["warning"]


async def test_a_snapshot_needs_neither(tiny: Office, lake: LocalLake) -> None:
    tiny.account.options.hidden = frozenset({"deletedrecord"})
    manifest = await read(tiny, lake, BatchRequest(CUSTOMER, Window(None, tiny.world.now)))
    assert {part.kind for part in manifest.parts} == {"rows"}
    assert "warning" not in manifest.details


async def test_a_log_whose_pages_never_add_up_is_not_believed(tiny: Office, lake: LocalLake) -> None:
    tiny.world.sql("INSERT INTO netsuite.\"DeletedRecord\" SELECT * FROM netsuite.\"DeletedRecord\", range(8)".replace(
        "SELECT *", 'SELECT "DeletedRecord".*'))  # fmt: skip
    manifest = await read(tiny, lake, day(tiny), page_rows=5)
    assert keys(lake, manifest) == ALIVE


async def test_names_that_the_log_refuses_are_named_and_the_others_asked(office: Office, lake: LocalLake) -> None:
    window = Window(office.world.now - timedelta(days=1), office.world.now)
    async with office.source() as source:
        office.faults.arm(QUERY, after=1, times=2, status=400, body=REFUSED)
        manifest = (await extracted(source, lake, [BatchRequest(table("products"), window)]))["netsuite_products"]
    assert list(manifest.details["deleted_types_refused"]) == ["inventoryitem"]
    assert "warning" not in manifest.details


async def test_a_log_that_refuses_every_name_is_silent(tiny: Office, lake: LocalLake) -> None:
    async with tiny.source() as source:
        tiny.faults.arm(QUERY, after=1, status=400, body=REFUSED)
        manifest = (await extracted(source, lake, [day(tiny)]))["netsuite_customers"]
    assert keys(lake, manifest) == ALIVE


async def test_a_window_older_than_the_log_is_trusted_compares_keys(tiny: Office, lake: LocalLake) -> None:
    now = tiny.world.now
    old = BatchRequest(CUSTOMER, Window(now - timedelta(days=40), now - timedelta(days=39)))
    assert keys(lake, await read(tiny, lake, old, delete_log_days=30)) == ALIVE
    assert not keys(lake, await read(tiny, lake, replace(old, label="backfill"), delete_log_days=30))


async def test_a_table_whose_deletions_are_not_logged_compares_keys(
    tiny: Office, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MGDW_NETSUITE_UNLOGGED_TABLES", '["netsuite_customers"]')
    manifest = await read(tiny, lake, day(tiny))
    assert keys(lake, manifest) == ALIVE
    assert "not logged" in manifest.details["warning"]


async def test_living_keys_alone_can_be_asked_for(tiny: Office, lake: LocalLake) -> None:
    tiny.account.options.time_zone = "Australia/Sydney"
    request = BatchRequest(CUSTOMER, Window(None, tiny.world.now), scope="keys")
    manifest = await read(tiny, lake, request, time_zone="Australia/Sydney", page_rows=7)
    assert {part.kind for part in manifest.parts} == {"keys"}
    assert all(part.header == ("id", "lastmodifieddate") for part in manifest.parts)
    assert manifest.source_rows == 29
    stamps = {int(row["id"]): row["lastmodifieddate"] for row in records(lake, manifest, "keys")}
    assert stamps == {i: f"2026-06-14 22:{i:02}:00" for i in ALIVE}


async def test_a_row_created_again_under_its_old_id_is_in_the_rows_with_its_later_stamp(
    tiny: Office, lake: LocalLake
) -> None:
    tiny.world.sql(
        "UPDATE netsuite.customer SET _deleted_at = NULL, lastmodifieddate = '2026-06-15 02:00:00' WHERE id = 5"
    )
    manifest = await read(tiny, lake, day(tiny))
    (gone,) = records(lake, manifest, "deletes")
    (back,) = [row for row in records(lake, manifest) if row["id"] == "5"]
    assert gone["deleteddate"] < back["lastmodifieddate"]
