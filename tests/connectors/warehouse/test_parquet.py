"""Parquet as other programs write it: types of its own, strange column names, every value exact or in quarantine."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.contract import Column, Contract, DataType, Table
from connectors.lake.local import LocalLake
from connectors.warehouse import LoadResult
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from tests.connectors.warehouse.batches import USAGE, Batch, at, counts, delivery, load

MONDAY = at("2026-06-15 06:00")
KEYS = (
    Column("day", DataType.DATE, "usage_date", "Day.", required=True),
    Column("id", DataType.STRING, 'the "id" / key.', "Account.", required=True),
)


def table(*columns: tuple[str, DataType, str]) -> Table:
    declared = (*KEYS, *(Column(name, of, field, name) for name, of, field in columns))
    return replace(USAGE, columns=declared, primary_key=("day", "id"), format="parquet")


async def load_arrow(
    warehouse: DuckDBWarehouse, lake: LocalLake, into: Table, *files: dict[str, pa.Array[Any]]
) -> LoadResult:
    """One part per set of columns, each with the key columns beside."""
    await warehouse.ensure(Contract((into,)))
    refs = [delivery(f"cm/usage/{number}", MONDAY) for number in range(len(files))]
    batch = Batch(lake, into, Window(None, MONDAY), files=refs)
    for number, columns in enumerate(files):
        length = len(next(iter(columns.values())))
        keys = {
            "usage_date": pa.array([date(2026, 6, 14)] * length),
            'the "id" / key.': pa.array([f"{number}-{i}" for i in range(length)]),
        }
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({**keys, **columns}), sink)
        body = sink.getvalue().to_pybytes()
        await batch.add(
            body, (*keys, *columns), length, file_format="parquet", name="rows.parquet", source_file=refs[number].key
        )
    return await load(warehouse, batch)


async def stored(warehouse: DuckDBWarehouse, column: str) -> list[Any]:
    return [r[column] for r in await warehouse.rows(f"SELECT {column} FROM STG.{USAGE.name} ORDER BY id")]


async def test_decimals_are_exact_or_in_quarantine(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    values = [Decimal("12345678901234567890123456789.123456789"), Decimal("-0.000000001"), None]
    into = table(("amount", DataType.NUMERIC, "amount.usd"))
    fine = pa.array(values, pa.decimal128(38, 9))
    deep = pa.array([Decimal("1.5"), Decimal("1.0000000001")], pa.decimal128(38, 18))
    wide = pa.array([Decimal(10**30), Decimal(7)], pa.decimal128(38, 0))
    result = await load_arrow(warehouse, lake, into, {"amount.usd": fine}, {"amount.usd": deep}, {"amount.usd": wide})
    assert counts(result) == {"read": 7, "inserted": 5, "quarantined": 2}
    assert await stored(warehouse, "amount") == [*values, Decimal("1.5"), Decimal(7)]


async def test_parts_whose_types_differ_are_each_read_by_their_own(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    into = table(("n", DataType.NUMERIC, "n"))
    whole, broken = pa.array([2**62 + 1], pa.int64()), pa.array([1.5, 0.1, 1e20], pa.float64())
    result = await load_arrow(warehouse, lake, into, {"n": whole}, {"n": broken}, {"n": pa.array(["7.25"])})
    assert counts(result) == {"read": 5, "inserted": 5}
    assert await stored(warehouse, "n") == [
        Decimal(2**62 + 1), Decimal("1.5"), Decimal("0.1"), Decimal(10**20), Decimal("7.25"),
    ]  # fmt: skip


async def test_instants_are_utc_whatever_their_zone(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    moment = datetime(2026, 6, 14, 23, 30, 0, 250000, tzinfo=timezone(timedelta(hours=-7)))
    into = table(("seen", DataType.TIMESTAMP, "at"))
    files = [
        {"at": pa.array([moment], pa.timestamp("us", tz="America/Los_Angeles"))},
        {"at": pa.array([moment.astimezone(UTC).replace(tzinfo=None)], pa.timestamp("ms"))},
        {"at": pa.array([date(2026, 6, 14)])},
        {"at": pa.array([1781505000250000123], pa.timestamp("ns"))},
    ]
    result = await load_arrow(warehouse, lake, into, *files)
    assert counts(result) == {"read": 4, "inserted": 3, "quarantined": 1}  # STG keeps microseconds
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    assert await stored(warehouse, "seen") == [naive, naive, datetime(2026, 6, 14)]


async def test_other_types_become_text_numbers_and_flags(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    into = table(("flag", DataType.BOOL, "is.active"), ("n", DataType.INT64, "n"), ("text", DataType.STRING, "text"))
    columns = {
        "is.active": pa.array([True, False]), "n": pa.array([2**32 - 1, 0], pa.uint32()),
        "text": pa.array([b"M\xc3\xbcller", b""], pa.binary()),
    }  # fmt: skip
    assert counts(await load_arrow(warehouse, lake, into, columns)) == {"read": 2, "inserted": 2}
    assert await warehouse.rows(f"SELECT flag, n, text FROM STG.{USAGE.name} ORDER BY id") == [
        {"flag": True, "n": 2**32 - 1, "text": "Müller"}, {"flag": False, "n": 0, "text": None},
    ]  # fmt: skip


async def test_nested_values_are_kept_as_json(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    into = table(("tags", DataType.STRING, "tags"), ("owner", DataType.STRING, "owner"))
    columns = {
        "tags": pa.array([["a", "b"], None]), "owner": pa.array([{"name": "x", "ids": [1, 2]}, None]),
        "more": pa.array([{"deep": {"n": Decimal("12345678901234567.12")}}, None]),
    }  # fmt: skip
    await load_arrow(warehouse, lake, into, columns)
    [first, second] = await warehouse.rows(f"SELECT tags, owner, _raw FROM STG.{USAGE.name} ORDER BY id")
    assert (json.loads(first["tags"]), json.loads(first["owner"])) == (["a", "b"], {"name": "x", "ids": [1, 2]})
    assert json.loads(json.loads(first["_raw"])["more"]) == {"deep": {"n": 12345678901234567.12}}
    assert set(second.values()) == {None}
