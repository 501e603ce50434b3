"""The conformance suite's hostile sources through a bucket into BigQuery: every value exactly, or set aside."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.google import GoogleAccess
from connectors.lake.gcs import GcsLake
from connectors.warehouse.limits import Limits
from tests.bigquery.conftest import bucket_of
from tests.bigquery.googlesql.sent import analyzed
from tests.bigquery.warehouse_suite import AnyWarehouse
from tests.conformance import test_hostile_values as conformance
from tests.conformance.conftest import Bench, every, station
from tests.conformance.hostile.values import BARE, UNSPEAKABLE, VALUES
from tests.conformance.station import Station
from tests.conformance.test_hostile_values import HOSTILE, typed
from tests.conformance.ware import Ware

__all__ = ["station"]


@pytest.fixture(scope="module")
def house(new_google: Callable[[], GoogleAccess]) -> GoogleAccess:
    """One project; each bench has a dataset and a folder of the bucket of its own."""
    return new_google()


@pytest.fixture
async def bench(station: Station, house: GoogleAccess, tmp_path: Path) -> AsyncIterator[Bench]:
    bucket, prefix = bucket_of(house), secrets.token_hex(4)
    async with AnyWarehouse(house, bucket=bucket, prefix=prefix, limits=Limits(quarantine_rows=1000)) as warehouse:
        yield Bench(station, GcsLake(bucket, prefix, google=house, patience=20), warehouse, tmp_path)  # type: ignore[arg-type]


@every(HOSTILE)
async def test_values_of_every_type_arrive_exactly_or_are_set_aside_and_so_do_their_changes(bench: Bench) -> None:
    kinds = [VALUES, BARE] if bench.station.says_json else [VALUES]
    values = [
        (name, value)
        for name, of in bench.ware.fields.items()
        for known in kinds
        for kind in known.get(of, {}).values()
        for value in kind
    ]
    for number, (name, value) in enumerate(values, 1):
        bench.ware.put(number, {name: value}, stamp=bench.ware.now - timedelta(hours=1))
    bench.station.show()
    await bench.good_run()
    stored = await exact_as_far_as_stored(bench)
    assert len(await bench.quarantine()) == len(values) - stored > 50

    def change(ware: Ware) -> None:
        """Every third row gets the values of the one before it if they fit; every seventh is deleted."""
        for number in range(3, len(values), 3):
            before = ware.rows[number - 1]
            if not ware.misfits(before, bench.table):
                ware.put(number, before.values)
        for number in range(7, len(values), 7):
            ware.delete(number)

    bench.change(change)
    await bench.good_run()
    assert await exact_as_far_as_stored(bench) > 100


@every(["s3-jsonl-hostile"])
async def test_a_table_of_eight_hundred_columns_arrives_whole(bench: Bench) -> None:
    await conformance.test_a_table_of_eight_hundred_columns_arrives_whole(bench)


@every(["s3-hostile"])
async def test_a_text_of_five_megabytes_arrives_whole(bench: Bench) -> None:
    await conformance.test_a_text_of_five_megabytes_arrives_whole(bench)


@every(["s3-hostile"])
@pytest.mark.parametrize("kind", UNSPEAKABLE)
async def test_a_text_that_cannot_be_kept_is_never_altered(bench: Bench, kind: str) -> None:
    await conformance.test_a_text_that_cannot_be_kept_is_refused_or_set_aside_but_never_altered(bench, kind)


@every(["s3-hostile"])
async def test_google_s_analyzer_takes_what_a_table_with_a_column_of_its_own_name_is_loaded_with(
    bench: Bench, house: GoogleAccess
) -> None:
    assert bench.table.name in {column.name for column in bench.table.columns}
    bench.ware.put(1, {}, stamp=bench.ware.now - timedelta(hours=1))
    bench.station.show()
    await bench.good_run()
    bench.change(lambda ware: ware.delete(1))
    await bench.good_run()
    with house.bigquery() as client:
        answers = analyzed(client, [])
    assert answers.refused == {}
    assert answers.kinds["MergeStatement"]


async def exact_as_far_as_stored(bench: Bench) -> int:
    """Compare STG with the source, but for rows that may be set aside; returns how many rows are stored."""
    stored, expected, doubtful = (
        await bench.stored(),
        bench.ware.expected(bench.table),
        bench.ware.doubtful(bench.table),
    )
    assert set(stored) <= set(expected)
    assert set(expected) - set(stored) <= doubtful
    altered = {key: (row, expected[key]) for key, row in stored.items() if typed(row) != typed(expected[key])}
    assert altered == {}
    return len(stored)
