"""Columns that a part does not have keep what is stored; fields that the contract does not name are kept in `_raw`."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.batch import FileRef
from connectors.contract import Column, Contract, DataType, Table
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from tests.connectors.warehouse.batches import (
    CONTRACT,
    PLAIN,
    USAGE,
    Batch,
    at,
    counts,
    csv_body,
    delivery,
    jsonl_body,
    load,
    replay,
    window,
)

FIRST = window(None, "2026-06-15 12:00")
SECOND = window("2026-06-15 12:00", "2026-06-16 12:00")
OLD, NEW = "2026-06-10T00:00:00Z", "2026-06-16T00:00:00Z"
SHORT = ("Id", "Name", "UpdatedDate")
MONDAY, TUESDAY = at("2026-06-15 06:00"), at("2026-06-16 06:00")
FILE = "cm/usage/2026-06-14"


def row(key: str, stamp: str = OLD, name: str = "x", balance: int | None = 1) -> dict[str, Any]:
    return {"Id": key, "Name": name, "UpdatedDate": stamp, "Balance": balance}


async def balances(warehouse: DuckDBWarehouse) -> dict[str, Any]:
    rows = await warehouse.rows("SELECT id, name, balance FROM STG.zuora_account ORDER BY id")
    return {r["id"]: (r["name"], None if r["balance"] is None else int(r["balance"])) for r in rows}


async def test_a_column_that_is_gone_keeps_its_values(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load(warehouse, await Batch(lake, PLAIN, FIRST).rows(row("same"), row("changed"), row("renamed")))
    rows = [row("same"), row("changed", NEW, "y"), row("renamed", name="z"), row("new", NEW)]
    result = await load(warehouse, await Batch(lake, PLAIN, SECOND).rows(*rows, header=SHORT))
    assert counts(result) == {"read": 4, "inserted": 1, "updated": 2, "unchanged": 1}
    assert await balances(warehouse) == {
        "changed": ("y", 1), "new": ("x", None), "renamed": ("z", 1), "same": ("x", 1),
    }  # fmt: skip


async def test_an_empty_value_is_no_absent_column(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load(warehouse, await Batch(lake, PLAIN, FIRST).rows(row("1")))
    assert counts(await load(warehouse, await Batch(lake, PLAIN, SECOND).rows(row("1", balance=None)))) == {
        "read": 1, "updated": 1,
    }  # fmt: skip
    assert await balances(warehouse) == {"1": ("x", None)}


async def test_the_parts_of_a_batch_may_differ(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load(warehouse, await Batch(lake, PLAIN, FIRST).rows(row("1"), row("2"), row("3")))
    batch = await Batch(lake, PLAIN, SECOND).rows(row("1", NEW, "y"), header=SHORT)
    await batch.rows(row("2", NEW, "y", 2))
    await batch.rows(row("3"), header=("UpdatedDate", "Id"))
    assert counts(await load(warehouse, batch)) == {"read": 3, "updated": 2, "unchanged": 1}
    assert await balances(warehouse) == {"1": ("y", 1), "2": ("y", 2), "3": ("x", 1)}


@dataclass(frozen=True)
class Reading:
    """One batch in which every value is its number; `has` are the columns that the source had then."""

    key: str
    stamp: int
    has: frozenset[str]


WIDE: Table = replace(
    PLAIN,
    columns=(PLAIN.columns[0], PLAIN.columns[3], *(Column(c, DataType.INT64, c.upper(), c) for c in "abc")),
)
readings = st.builds(Reading, st.sampled_from("kl"), st.integers(0, 2), st.sets(st.sampled_from("abc")).map(frozenset))


async def play(given: list[list[Reading]], again: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = LocalLake(Path(folder) / "lake")
        async with DuckDBWarehouse(Path(folder) / "warehouse.duckdb", threads=1) as warehouse:
            await warehouse.ensure(Contract((WIDE,)))
            expected: dict[str, dict[str, int | None]] = {}
            batches: list[Batch] = []
            for number, rows in enumerate(given):
                span = Window(at("2026-06-01 00:00"), at(f"2026-06-02 00:{number:02}"))
                batch = Batch(lake, WIDE, span)
                for reading in rows:
                    stamp = f"2026-06-01 00:00:0{reading.stamp}"
                    values = dict.fromkeys("ABC", number) | {"Id": reading.key, "UpdatedDate": stamp}
                    header = ("Id", "UpdatedDate", *(c.upper() for c in sorted(reading.has)))
                    await batch.rows(values, header=header)
                    known = expected.setdefault(reading.key, {"stamp": -1, **dict.fromkeys("abc")})
                    if reading.stamp >= (known["stamp"] or 0):
                        known |= {"stamp": reading.stamp, **dict.fromkeys(reading.has, number)}
                await load(warehouse, batch)
                batches.append(batch)
            columns = "id, second(updated_date)::INT AS stamp, a, b, c"
            stored = f"SELECT {columns} FROM STG.zuora_account ORDER BY id"
            found = await warehouse.rows(stored)
            assert {r.pop("id"): r for r in found} == expected
            for number in again:
                assert (await replay(warehouse, batches[number % len(batches)])).changed == 0
            assert {r.pop("id"): r for r in await warehouse.rows(stored)} == expected


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.lists(readings, max_size=2, unique_by=lambda r: r.key), min_size=1, max_size=5),
    st.lists(st.integers(0, 4), max_size=5),
)
def test_each_column_has_what_the_newest_reading_that_had_it_says(given: list[list[Reading]], again: list[int]) -> None:
    asyncio.run(play(given, again))


RECORD = {"usage_date": "2026-06-14", "account_number": "A", "emails_sent": 1, "plan": "lite", "a.b": "x"}


async def usage_file(lake: LocalLake, file: FileRef, file_format: str, *rows: dict[str, Any]) -> Batch:
    header = tuple(dict.fromkeys(field for row in rows for field in row))
    body = csv_body(header, rows) if file_format == "csv" else jsonl_body(rows)
    if file_format == "parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(list(rows)), sink)
        body = sink.getvalue().to_pybytes()
    batch = Batch(lake, USAGE, Window(MONDAY, file.last_modified), files=[file])
    name = f"rows.{file_format}"
    return await batch.add(body, header, len(rows), file_format=file_format, name=name, source_file=file.key)  # type: ignore[arg-type]


async def raw(warehouse: DuckDBWarehouse) -> list[Any]:
    rows = await warehouse.rows("SELECT _raw FROM STG.s3_cm_usage_data ORDER BY account_number")
    return [r["_raw"] and json.loads(r["_raw"]) for r in rows]


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
async def test_fields_that_the_contract_does_not_name_are_kept(
    warehouse: DuckDBWarehouse, lake: LocalLake, file_format: str
) -> None:
    other = {"usage_date": "2026-06-14", "account_number": "B", "emails_sent": 2}
    monday = await usage_file(lake, delivery(FILE, MONDAY), file_format, RECORD, other)
    assert counts(await load(warehouse, monday)) == {"read": 2, "inserted": 2}
    assert await raw(warehouse) == [{"plan": "lite", "a.b": "x"}, None]
    tuesday = await usage_file(lake, delivery(FILE, TUESDAY), file_format, {**RECORD, "plan": "pro"}, other)
    assert counts(await load(warehouse, tuesday)) == {"read": 2, "updated": 1, "unchanged": 1}
    assert await raw(warehouse) == [{"plan": "pro", "a.b": "x"}, None]
    columns = (*USAGE.columns, Column("plan", DataType.STRING, "plan", "Plan."))
    wider = replace(USAGE, columns=columns)
    await warehouse.ensure(Contract((wider,)))
    assert counts(await replay(warehouse, monday, wider)) == {"read": 2, "stale": 2}
    assert counts(await replay(warehouse, tuesday, wider)) == {"read": 2, "updated": 1, "unchanged": 1}
    assert await raw(warehouse) == [{"a.b": "x"}, None]
    plans = await warehouse.rows("SELECT plan FROM STG.s3_cm_usage_data ORDER BY account_number")
    assert [r["plan"] for r in plans] == ["pro", None]


async def test_a_file_without_other_fields_has_none(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    plain = {"usage_date": "2026-06-14", "account_number": "A", "emails_sent": 1}
    for number, file_format in enumerate(("csv", "jsonl", "parquet")):
        await load(warehouse, await usage_file(lake, delivery(f"{FILE}-{number}", MONDAY), file_format, plain))
        assert await raw(warehouse) == [None]


async def test_a_later_delivery_without_a_column_keeps_the_values_of_its_keys(
    warehouse: DuckDBWarehouse, lake: LocalLake
) -> None:
    await load(warehouse, await usage_file(lake, delivery(FILE, MONDAY), "csv", RECORD))
    keys = {"usage_date": "2026-06-14", "account_number": "A"}
    result = await load(
        warehouse, await usage_file(lake, delivery(FILE, TUESDAY), "csv", keys, {**keys, "account_number": "B"})
    )
    assert counts(result) == {"read": 2, "inserted": 1, "updated": 1}  # it is the other fields that are gone
    rows = await warehouse.rows("SELECT account_number AS a, emails_sent AS n FROM STG.s3_cm_usage_data ORDER BY a")
    assert [(r["a"], r["n"]) for r in rows] == [("A", 1), ("B", None)]


async def test_files_are_read_with_their_delimiter_and_encoding(tmp_path: Path) -> None:
    rules = replace(USAGE.files, delimiter=";", encoding="latin-1")
    table = replace(USAGE, files=rules)
    lake = LocalLake(tmp_path / "lake")
    body = "usage_date;account_number;emails_sent\n2026-06-14;Müller, A;1\n".encode("latin-1")
    for number, name in enumerate(("rows.csv", "rows.csv.gz")):
        async with DuckDBWarehouse(tmp_path / f"{number}.duckdb") as warehouse:
            await warehouse.ensure(CONTRACT)
            batch = Batch(lake, table, Window(None, MONDAY), files=[delivery(f"{FILE}{number}", MONDAY)])
            await load(warehouse, await batch.add(body, table.fields, 1, name=name, source_file=f"{FILE}{number}"))
            found = await warehouse.rows("SELECT account_number FROM STG.s3_cm_usage_data")
            assert found == [{"account_number": "Müller, A"}]
