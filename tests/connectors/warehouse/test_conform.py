"""From raw parts to typed rows: formats, NULLs, quarantine, counts, files that cannot be read."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.errors import CountMismatch, UnreadableFile
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.connectors.warehouse.batches import (
    ACCOUNT,
    PLAIN,
    USAGE,
    Batch,
    counts,
    csv_body,
    delivery,
    jsonl_body,
    load,
    load_rows,
    window,
)
from tests.connectors.warehouse.batches import NOON as MIDDAY

FIRST = window(None, "2026-06-15 12:00")
SECOND = window("2026-06-15 12:00", "2026-06-16 12:00")
STAMP = "2026-06-10T00:00:00.000Z"
ALL = "SELECT * EXCLUDE (_batch_id, _loaded_at) FROM STG.sfdc_account ORDER BY id"

FULL_ROW = {
    "Id": "1", "IsDeleted": "false", "Name": 'Müller, "Söhne"\nBerlin', "AnnualRevenue": "1234567.89",
    "NumberOfEmployees": "12", "Customer_Since__c": "2020-02-29", "SystemModstamp": STAMP,
}  # fmt: skip
FULL_TYPED = {
    "id": "1", "is_deleted": False, "name": 'Müller, "Söhne"\nBerlin', "revenue": Decimal("1234567.89"),
    "employees": 12, "since": date(2020, 2, 29), "system_modstamp": datetime(2026, 6, 10),
    "_deleted": False, "_deleted_at": None,
}  # fmt: skip


async def quarantined(warehouse: DuckDBWarehouse) -> list[dict[str, Any]]:
    return await warehouse.rows(
        "SELECT table_name, reason, column_name, raw_text, row_json FROM STG._quarantine ORDER BY row_json"
    )


@pytest.mark.parametrize("shape", ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
async def test_every_format_gives_the_same_typed_row(warehouse: DuckDBWarehouse, lake: LocalLake, shape: str) -> None:
    body = csv_body(ACCOUNT.fields, [FULL_ROW]) if "csv" in shape else jsonl_body([FULL_ROW])
    if shape == "parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({field: [value] for field, value in FULL_ROW.items()}), sink)
        body = sink.getvalue().to_pybytes()
    batch = Batch(lake, ACCOUNT)
    await batch.add(body, ACCOUNT.fields, 1, file_format=shape.partition(".")[0], name=f"rows.{shape}")  # type: ignore[arg-type]
    await load(warehouse, batch)
    assert await warehouse.rows(ALL) == [FULL_TYPED]


async def test_an_empty_value_is_null_for_every_type(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, {"Id": "1", "SystemModstamp": STAMP})
    empty = dict.fromkeys(ACCOUNT.fields, "") | {"Id": "2", "SystemModstamp": STAMP}
    batch = Batch(lake, ACCOUNT, SECOND)
    await batch.add(jsonl_body([empty, {"Id": "3", "SystemModstamp": STAMP, "Name": None}]), ACCOUNT.fields, 2,
                    file_format="jsonl", name="rows.jsonl")  # fmt: skip
    assert counts(await load(warehouse, batch)) == {"read": 2, "inserted": 2}
    rows = await warehouse.rows(ALL)
    assert [{r[c] for c in ("name", "revenue", "employees", "since", "is_deleted")} for r in rows] == [{None}] * 3


async def test_words_that_look_like_null_are_words(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    names = ["NULL", "null", "NA", "None", "nan", "\\N"]
    rows = [{"Id": str(i), "Name": n, "SystemModstamp": STAMP} for i, n in enumerate(names)]
    await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows)
    assert [r["name"] for r in await warehouse.rows(ALL)] == names


async def test_the_null_text_of_the_manifest_is_null(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    batch = Batch(lake, PLAIN, null_text="\\N")
    await batch.add(b'Id,Name,Balance,UpdatedDate\n1,\\N,"\\N",2026-06-10 00:00:00\n', PLAIN.fields, 1)
    await load(warehouse, batch)
    assert await warehouse.rows("SELECT name, balance FROM STG.zuora_account") == [{"name": None, "balance": None}]


async def test_columns_are_found_by_name_not_by_place(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    header = ("Unknown__c", *reversed(ACCOUNT.fields))
    await load(warehouse, await Batch(lake, ACCOUNT).rows({**FULL_ROW, "Unknown__c": "x"}, header=header))
    assert await warehouse.rows(ALL) == [FULL_TYPED]


async def test_a_field_the_part_lacks_is_null(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    batch = await Batch(lake, ACCOUNT).rows(FULL_ROW, header=("Id", "Name", "SystemModstamp"))
    await batch.rows({**FULL_ROW, "Id": "2"})
    assert counts(await load(warehouse, batch)) == {"read": 2, "inserted": 2}
    assert [r["employees"] for r in await warehouse.rows(ALL)] == [None, 12]


async def test_many_parts_with_embedded_newlines_keep_every_row(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    batch = Batch(lake, ACCOUNT, source_rows=6000)
    for part in range(3):
        body = csv_body(
            ACCOUNT.fields,
            [{**FULL_ROW, "Id": f"{part}-{i}", "Name": f'a\n"{i}",,\r\n' * (i % 5)} for i in range(2000)],
        )
        await batch.add(body, ACCOUNT.fields, 2000, name="rows.csv.gz")
    assert counts(await load(warehouse, batch)) == {"read": 6000, "inserted": 6000}


async def test_the_same_key_twice_in_one_query_is_a_row_lost(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST)
    for number, span in enumerate((window(None, "2026-06-15 13:00"), SECOND)):
        batch = await Batch(lake, ACCOUNT, span, source_rows=2).rows(*[{**FULL_ROW, "Id": str(number)}] * 2)
        with pytest.raises(CountMismatch, match="the source counted 2 rows, each key once, 1 were parsed"):
            await load(warehouse, batch)
    assert await warehouse.rows(ALL) == []


@pytest.mark.parametrize("first", [(), ({**FULL_ROW, "Id": "there"},)])
async def test_two_queries_may_repeat_a_key_but_neither_of_them_alone(
    warehouse: DuckDBWarehouse, lake: LocalLake, first: tuple[dict[str, str], ...]
) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, *first)
    for number, ids in enumerate((["1", "2", "2", "3"], ["1", "2", "2", "2"])):
        batch = Batch(lake, ACCOUNT, window(None, f"2026-06-15 1{3 + number}:00"), source_rows=4)
        for half in (ids[:2], ids[2:]):
            await batch.rows(*[{**FULL_ROW, "Id": i} for i in half])
        batch.details = {"queries": [{"parts": [part.name]} for part in batch.parts]}
        if ids == ["1", "2", "2", "2"]:
            with pytest.raises(CountMismatch, match="one query brought 2 rows, each key once, 1 were parsed"):
                await load(warehouse, batch)
        else:
            assert (await load(warehouse, batch)).inserted == 3


async def test_a_long_row_is_read(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, {**FULL_ROW, "Name": "x" * 5_000_000})
    assert await warehouse.rows("SELECT length(name) AS n FROM STG.sfdc_account") == [{"n": 5_000_000}]


MISFITS = [
    ({"AnnualRevenue": "1.2345678901"}, "revenue", "1.2345678901", "NUMERIC: not a number"),
    ({"NumberOfEmployees": "1.5"}, "employees", "1.5", "INT64: not a whole number"),
    ({"Customer_Since__c": "2026-02-30"}, "since", "2026-02-30", "DATE: not a date"),
    ({"SystemModstamp": "yesterday"}, "system_modstamp", "yesterday", "TIMESTAMP: not a time"),
    ({"IsDeleted": "maybe"}, "is_deleted", "maybe", "BOOL: not true or false"),
    ({"Id": ""}, "id", None, "required, but empty"),
    ({"AnnualRevenue": "-1"}, None, "revenue >= 0", "rule revenue_not_negative"),
]


@pytest.mark.parametrize(("change", "column", "raw", "reason"), MISFITS)
async def test_a_row_that_does_not_fit_is_put_aside_whole(
    warehouse: DuckDBWarehouse, lake: LocalLake, change: dict[str, str], column: str | None, raw: str, reason: str
) -> None:
    for number, span in enumerate((FIRST, SECOND)):  # the way into an empty table, and the other way
        good, bad = {**FULL_ROW, "Id": f"good {number}"}, {**FULL_ROW, "Id": f"bad {number}", **change}
        result = await load_rows(warehouse, lake, ACCOUNT, span, good, bad)
        assert counts(result) == {"read": 2, "inserted": 1, "quarantined": 1}
        [*_, found] = await quarantined(warehouse)
        assert (found["column_name"], found["raw_text"]) == (column, raw)
        assert found["reason"].startswith(reason)
        assert json.loads(found["row_json"]) == {k: v or None for k, v in bad.items()}
    assert [r["id"] for r in await warehouse.rows(ALL)] == ["good 0", "good 1"]


async def test_a_rule_that_is_null_counts_as_met(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    assert counts(await load_rows(warehouse, lake, ACCOUNT, FIRST, {**FULL_ROW, "AnnualRevenue": ""})) == {
        "read": 1, "inserted": 1,
    }  # fmt: skip


async def test_quarantine_names_the_part_and_the_batch(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    batch = await Batch(lake, ACCOUNT).rows(FULL_ROW)
    await batch.rows({**FULL_ROW, "Id": "2", "NumberOfEmployees": "x"})
    await load(warehouse, batch)
    found = await warehouse.rows("SELECT batch_id, part, quarantined_at IS NOT NULL AS stamped FROM STG._quarantine")
    assert found == [{"batch_id": batch.request.batch_id, "part": batch.parts[1].name, "stamped": True}]


async def test_a_json_number_keeps_all_its_digits(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    body = (
        b'{"Id": "1", "Balance": 1234.50, "UpdatedDate": "2026-06-10"}\n'
        b'{"Id": "2", "Balance": "12345678901234567.123456789", "UpdatedDate": "2026-06-10"}\n'
        b'{"Id": "3", "Balance": 12345678901234567.123456789, "UpdatedDate": "2026-06-10"}\n'
        b'{"Id": "4", "Balance": 0.000000001, "UpdatedDate": "2026-06-10"}\n'
        b'{"Id": "5", "Balance": 12345678901234567890123456789, "UpdatedDate": "2026-06-10"}\n'
        b'{"Id": "6", "Balance":-100000000000000000000.5, "UpdatedDate": "2026-06-10"}\n'
        b'{"Id": "7", "Balance": 1e20, "UpdatedDate": "2026-06-10"}\n'
        b'{"Id": "8", "Name": "say \\\\\\"hi\\": 12345678901234567.1,", "Balance": 12345678901234567.1,'
        b' "UpdatedDate": "2026-06-10"}\n'
        b'{"Id": "9", "Name": ": 12345678901234567.1,", "Balance": 1.5, "UpdatedDate": "2026-06-10"}\n'
    )
    batch = Batch(lake, PLAIN)
    await batch.add(body, PLAIN.fields, 9, file_format="jsonl", name="rows.jsonl")
    assert counts(await load(warehouse, batch)) == {"read": 9, "inserted": 9}
    found = await warehouse.rows("SELECT id, balance FROM STG.zuora_account ORDER BY id")
    assert [(r["id"], r["balance"]) for r in found] == [
        ("1", Decimal("1234.5")), ("2", Decimal("12345678901234567.123456789")),
        ("3", Decimal("12345678901234567.123456789")), ("4", Decimal("1E-9")),
        ("5", Decimal(12345678901234567890123456789)), ("6", Decimal("-100000000000000000000.5")),
        ("7", Decimal(10**20)), ("8", Decimal("12345678901234567.1")), ("9", Decimal("1.5")),
    ]  # fmt: skip
    names = await warehouse.rows("SELECT name FROM STG.zuora_account WHERE id IN ('8', '9')")
    assert [r["name"] for r in names] == ['say \\"hi": 12345678901234567.1,', ": 12345678901234567.1,"]


async def test_a_number_without_quotes_keeps_its_digits_as_text_too(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    body = b'{"Id": 7, "Name": 0.1234567890123456789, "UpdatedDate": "2026-06-10"}\n'
    batch = Batch(lake, PLAIN)
    await batch.add(body, PLAIN.fields, 1, file_format="jsonl", name="rows.jsonl")
    await load(warehouse, batch)
    assert await warehouse.rows("SELECT id, name FROM STG.zuora_account") == [
        {"id": "7", "name": "0.1234567890123456789"}
    ]


@pytest.mark.parametrize("span", [FIRST, SECOND])
async def test_other_rows_than_the_source_counted_are_not_loaded(
    warehouse: DuckDBWarehouse, lake: LocalLake, span: Any
) -> None:
    await load_rows(warehouse, lake, ACCOUNT, window(None, "2026-06-15 11:00"), *([FULL_ROW] if span is SECOND else []))
    before = await warehouse.rows(ALL)
    batch = await Batch(lake, ACCOUNT, span, source_rows=3).rows(FULL_ROW, {**FULL_ROW, "Id": "2", "Name": "new"})
    with pytest.raises(CountMismatch, match=r"sfdc_account: the source counted 3 rows, 2 were parsed"):
        await load(warehouse, batch)
    assert await warehouse.rows(ALL) == before
    assert await warehouse.rows("SELECT count(*) AS n FROM STG._ledger") == [{"n": 1}]


async def test_rows_lost_in_the_lake_are_noticed_without_a_count_of_the_source(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    batch = Batch(lake, ACCOUNT)
    await batch.add(csv_body(ACCOUNT.fields, [FULL_ROW]), ACCOUNT.fields, 2)
    with pytest.raises(CountMismatch, match="written with 2 rows, 1 were parsed"):
        await load(warehouse, batch)


GOOD_BODY = csv_body(ACCOUNT.fields, [FULL_ROW])
PACKED = gzip.compress(
    csv_body(USAGE.fields, [{"usage_date": f"2026-06-{d:02}", "account_number": "A"} for d in range(1, 29)])
)
BROKEN = {
    "a ragged row": ("rows.csv", GOOD_BODY + b'"2","x"\n'),
    "an open quote": ("rows.csv", GOOD_BODY + b'"2","x'),
    "a body that is no gzip": ("rows.csv.gz", b"\x1f\x8b is what it starts with"),
    "a gzip that ends early": ("rows.csv.gz", gzip.compress(GOOD_BODY)[:-12]),
    "bytes that are no UTF-8": ("rows.csv", GOOD_BODY.replace("Müller".encode(), "Müller".encode("latin-1"))),
    "half a line of JSON": ("rows.jsonl", b'{"Id": "1"}\n{"Id": '),
    "an array where a record should be": ("rows.jsonl", b'["1"]\n'),
    "HTML": ("rows.jsonl", b"<html>Service unavailable</html>\n"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_part_that_cannot_be_read_is_named_and_nothing_is_loaded(
    warehouse: DuckDBWarehouse, lake: LocalLake, what: str
) -> None:
    name, body = BROKEN[what]
    batch = await Batch(lake, ACCOUNT).rows({**FULL_ROW, "Id": "whole"})
    await batch.add(body, ACCOUNT.fields, None, file_format="jsonl" if "jsonl" in name else "csv", name=name)
    with pytest.raises(UnreadableFile, match="sfdc_account") as caught:
        await load(warehouse, batch)
    assert caught.value.facts == {"table": "sfdc_account", "part": batch.parts[1].name}
    assert await warehouse.rows(ALL) == []
    assert await warehouse.rows("SELECT * FROM STG._ledger") == []


async def test_a_source_file_with_a_wrong_checksum_is_unreadable(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    spoiled = bytearray(PACKED)
    spoiled[-6] ^= 1
    for body in (bytes(spoiled), PACKED[:-4], PACKED[: len(PACKED) // 2]):
        batch = Batch(lake, USAGE, files=[delivery("cm/usage/a.csv.gz", MIDDAY)])
        await batch.add(body, USAGE.fields, None, name="a.csv.gz", source_file="cm/usage/a.csv.gz")
        with pytest.raises(UnreadableFile, match=r"cm/usage/a\.csv\.gz"):
            await warehouse.load(USAGE, (await Batch.commit(batch)), lake, run_id="test")
        (lake.root / batch.request.prefix / "manifest.json").unlink()


async def test_a_part_without_the_key_is_unreadable(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    with pytest.raises(UnreadableFile, match="has no column Id, SystemModstamp"):
        await load(warehouse, await Batch(lake, ACCOUNT).rows(FULL_ROW, header=("Name",)))
    with pytest.raises(UnreadableFile, match="no key field id"):
        await load(warehouse, await Batch(lake, ACCOUNT, SECOND).deletes({"x": "1"}, header=("x",)))


async def test_a_deleted_key_that_cannot_be_read_stops_the_batch(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    with pytest.raises(UnreadableFile, match="deletes part"):
        await load(warehouse, await Batch(lake, ACCOUNT).deletes({"Id": "1", "deletedDate": "yesterday"}))
