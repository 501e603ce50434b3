"""Any table with any values makes the round trip: source, wire, lake, warehouse, and nothing is different."""

from __future__ import annotations

import asyncio
import string
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connectors.contract import DataType
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.conformance.conftest import Bench, every
from tests.conformance.hostile.server import Shape
from tests.conformance.hostile.values import TEXTS
from tests.conformance.s3 import S3Station
from tests.conformance.station import Station
from tests.conformance.ware import EPOCH, Wire

STATIONS = [
    "salesforce-hostile", "salesforce-rest-hostile", "netsuite-hostile", "zuora-hostile", "s3-hostile",
    "s3-jsonl-hostile",
]  # fmt: skip
known_texts = [text for kind in TEXTS.values() for text in kind if isinstance(text, str)]
texts = st.one_of(
    st.sampled_from([t for t in known_texts if t != "\\N"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30),
    st.text("\",\n\r\\'{}[]:; \t", max_size=12),
)
"""Without NUL, which has a test of its own, and without Zuora's word for NULL."""
cells: dict[DataType, st.SearchStrategy[Any]] = {
    DataType.STRING: texts,
    DataType.NUMERIC: st.decimals(
        min_value=Decimal(-99999999999999999999999999999), max_value=Decimal(99999999999999999999999999999),
        places=9, allow_nan=False,
    ).map(lambda d: Wire(format(d, "f"), d)),
    DataType.INT64: st.integers(-(2**63), 2**63 - 1),
    DataType.BOOL: st.booleans(),
    DataType.DATE: st.dates(),
    DataType.TIMESTAMP: st.datetimes(
        min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
    ),
}  # fmt: skip
names = st.text(string.ascii_letters, min_size=1, max_size=12)
shapes = st.builds(
    Shape, page_rows=st.integers(1, 7), gzip=st.booleans(), chunked=st.booleans(), close=st.booleans(),
    quote_all=st.booleans(), line_end=st.sampled_from(["\n", "\r\n"]), null_spelled=st.booleans(),
    escaped=st.booleans(),
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, DataType], list[dict[str, Any]]]:
    """Fields with types, and rows of values."""
    found = draw(st.lists(st.tuples(names, st.sampled_from(list(DataType))), min_size=1, max_size=8))
    taken = {"id", "isdeleted", "systemmodstamp", "lastmodifieddate", "updateddate", "links", "attributes", "deleted"}
    fields: dict[str, DataType] = {}
    for name, of in found:
        if name.lower() not in taken:
            taken.add(name.lower())
            fields[name] = of
    fields = fields or {"Only": DataType.STRING}
    row = st.fixed_dictionaries({name: st.none() | cells[of] for name, of in fields.items()})
    return fields, draw(st.lists(row, max_size=15))


@every(STATIONS)
@settings(
    # What these few examples find, the slow test makes small.
    max_examples=3, phases=[Phase.generate], deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(made=tables(), shape=shapes)
def test_a_table_makes_the_round_trip(station: Station, made: tuple[Any, Any], shape: Shape) -> None:
    asyncio.run(round_trip(station, *made, shape))


@pytest.mark.slow
@every(STATIONS)
@settings(
    max_examples=150, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(made=tables(), shape=shapes)
def test_many_tables_make_the_round_trip(station: Station, made: tuple[Any, Any], shape: Shape) -> None:
    asyncio.run(round_trip(station, *made, shape))


async def round_trip(station: Station, fields: dict[str, DataType], rows: list[dict[str, Any]], shape: Shape) -> None:
    """Load the table, change every third row and delete every fifth, load again."""
    if station.dialect.format == "jsonl" and not rows:
        rows = [dict.fromkeys(fields)]  # a file of JSON lines without a record has no bytes, and counts as none
    station.ware = station.new_ware(fields)
    if isinstance(station, S3Station):
        station.shape = shape
        station.start_over()
    elif station.hostile is not None:
        station.hostile.shape = shape
    for number, values in enumerate(rows, 1):
        spelled = dict(zip(station.ware.fields, (values[name] for name in fields), strict=True))
        station.ware.put(number, spelled, stamp=EPOCH - timedelta(hours=1))
    station.show()
    with tempfile.TemporaryDirectory() as folder:
        async with DuckDBWarehouse(Path(folder) / "warehouse.duckdb", threads=1) as warehouse:
            bench = Bench(station, LocalLake(Path(folder) / "lake"), warehouse, Path(folder))
            await bench.good_run()
            await bench.agrees()
            bench.change(
                lambda ware: [ware.put(n, ware.rows[max(1, n - 1)].values) for n in range(3, len(rows) + 1, 3)]
            )
            bench.change(lambda ware: [ware.delete(n) for n in range(5, len(rows) + 1, 5)])
            await bench.good_run()
            await bench.agrees()
