"""What a field may hold arrives as it is, whatever it is."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from connectors.batch import BatchRequest
from connectors.contract import Table
from connectors.lake.local import LocalLake
from connectors.netsuite.client import NetSuiteClient
from connectors.window import Window
from tests.connectors.netsuite.conftest import CUSTOMER, Office, columns, extracted, records

NASTY = [
    "it's", '"', "a\nb\r\nc", "tab\tbed", "\\", "{", "}", '},{"links":[],', '"id":"7"', "é", "日本", "\U0001f600",
    "\u2028", "\x00", "a\x00b", "NULL", "T", "'; DROP TABLE customer; --", "%", " lead", "x" * 4000,
]  # fmt: skip


async def test_texts_survive_the_way_into_the_lake_and_out_of_it(tiny: Office, lake: LocalLake) -> None:
    for number, text in enumerate(NASTY, 6):
        tiny.world.sql("UPDATE netsuite.customer SET companyname = ? WHERE id = ?", [text, number])
    async with tiny.source(page_rows=5) as source:
        manifest = (await extracted(source, lake, [BatchRequest(CUSTOMER, Window(None, tiny.world.now))]))[
            "netsuite_customers"
        ]
    found = {int(r["id"]): r.get("companyname") for r in records(lake, manifest)}
    assert [found[number] for number, _ in enumerate(NASTY, 6)] == NASTY
    paths = [str(Path(lake.uri(manifest, part))) for part in manifest.parts]
    read = duckdb.sql(
        f"SELECT CAST(id AS INT), companyname FROM read_json({paths}, format='newline_delimited', "
        "columns={'id': 'VARCHAR', 'companyname': 'VARCHAR'})"
    ).fetchall()
    assert {i: name for i, name in read if i in range(6, 6 + len(NASTY))} == dict(enumerate(NASTY, 6))


async def test_numbers_keep_every_digit_and_flags_are_letters(tiny: Office, lake: LocalLake) -> None:
    digits = "12345678901234567890123456789.123456789"
    tiny.world.sql("ALTER TABLE netsuite.customer ALTER weight TYPE DECIMAL(38, 9)")
    tiny.world.sql(f"UPDATE netsuite.customer SET weight = {digits} WHERE id = 1")
    flagged = Table("netsuite", "t", "", "customer", columns(id="INT64", weight="NUMERIC", isinactive="BOOL"), ("id",))
    async with tiny.source() as source:
        manifest = (await extracted(source, lake, [BatchRequest(flagged, Window(None, tiny.world.now))]))["t"]
    first, second, *_ = records(lake, manifest)
    assert (first["weight"], first["isinactive"], second["isinactive"]) == (digits, "F", "T")


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Australia/Sydney"])
async def test_days_at_the_ends_of_time_and_leap_days_arrive(tiny: Office, lake: LocalLake, zone: str) -> None:
    days = ["1752-09-14", "1900-02-28", "2000-02-29", "2024-02-29", "9999-12-31"]
    for number, day in enumerate(days, 10):
        tiny.world.sql(f"UPDATE netsuite.customer SET firstorderdate = DATE '{day}' WHERE id = {number}")
    tiny.world.sql("UPDATE netsuite.customer SET lastmodifieddate = '9999-12-31 12:00:00' WHERE id = 10")
    tiny.account.options.time_zone = zone
    table = Table(
        "netsuite",
        "t",
        "",
        "customer",
        columns(id="INT64", firstorderdate="DATE", lastmodifieddate="TIMESTAMP"),
        ("id",),
    )
    async with tiny.source(time_zone=zone) as source:
        manifest = (await extracted(source, lake, [BatchRequest(table, Window(None, tiny.world.now))]))["t"]
    found = {int(r["id"]): r for r in records(lake, manifest)}
    assert [found[number]["firstorderdate"] for number, _ in enumerate(days, 10)] == days
    assert found[10]["lastmodifieddate"].startswith("9999-12-31")


@pytest.mark.slow
async def test_eight_hundred_columns_make_smaller_pages_and_no_loss(tiny: Office, lake: LocalLake) -> None:
    names = [f"custentity_{number:03}" for number in range(800)]
    listed = ", ".join(f"'v{number}' AS {name}" for number, name in enumerate(names))
    tiny.world.sql(f"CREATE TABLE netsuite.wide AS SELECT range AS id, {listed} FROM range(600)")
    wide = Table("netsuite", "t", "", "wide", columns(id="INT64", **dict.fromkeys(names, "STRING")), ("id",))
    async with tiny.source() as source:
        tiny.faults.seen.clear()
        manifest = (await extracted(source, lake, [BatchRequest(wide, Window(None, tiny.world.now))]))["t"]
    rows = records(lake, manifest)
    assert sorted(int(r["id"]) for r in rows) == list(range(600))
    assert all(rows[-1][name] == f"v{number}" for number, name in enumerate(names))
    assert len(tiny.faults.seen) == 2


async def test_a_page_of_many_columns_has_fewer_rows(tiny: Office) -> None:
    client = NetSuiteClient(tiny.settings(), None, None)
    assert [client.page_rows(columns) for columns in (1, 400, 401, 800, 1_000_000)] == [1000, 1000, 997, 500, 1]
    await client.aclose()


async def test_a_column_without_a_value_is_left_out_and_a_row_of_nothing_else_is_a_row(
    tiny: Office, lake: LocalLake
) -> None:
    tiny.world.sql("UPDATE netsuite.customer SET companyname = NULL, entityid = NULL, weight = NULL WHERE id = 3")
    async with tiny.source() as source:
        manifest = (await extracted(source, lake, [BatchRequest(CUSTOMER, Window(None, tiny.world.now))]))[
            "netsuite_customers"
        ]
    (row,) = [r for r in records(lake, manifest) if r["id"] == "3"]
    assert set(row) == {"links", "id", "lastmodifieddate"}
