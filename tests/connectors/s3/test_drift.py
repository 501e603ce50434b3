"""Which fields are reported as new or gone, and what no longer stops a table."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.contract import Contract, Table
from connectors.drift import KnownField, judge
from connectors.errors import TypeChanged, UnknownField
from connectors.lake.local import LocalLake
from connectors.s3.source import S3Source
from connectors.sync import SyncOutcome, sync
from connectors.warehouse.duckdb import DuckDBWarehouse
from sandbox.s3 import S3Server
from tests.connectors.s3.deliveries import Sent, csv_body, jsonl_body, sent
from tests.connectors.s3.test_formats import PARQUET, usage


@pytest.fixture
async def warehouse(tmp_path: Path, cm: Table) -> AsyncIterator[DuckDBWarehouse]:
    async with DuckDBWarehouse(tmp_path / "w.duckdb") as opened:
        await opened.ensure(Contract((cm,)))
        yield opened


def _without(table: Table, name: str, key: str, day: int, **added: str) -> Sent:
    """A file without one column, and with others."""
    rows = list(csv.reader(io.StringIO(csv_body(table, [f"A{day}"], day=f"2026-05-{day + 1:02}").decode())))
    at = rows[0].index(name)
    out = io.StringIO()
    for row, ends in zip(rows, (list(added), list(added.values())), strict=True):
        csv.writer(out, lineterminator="\n").writerow([*row[:at], *row[at + 1 :], *ends])
    return sent(key, out.getvalue().encode(), day=day)


async def _run(source: S3Source, cm: Table, lake: LocalLake, warehouse: DuckDBWarehouse) -> SyncOutcome:
    outcome = await sync(source, [cm], lake, warehouse, run_id="test")
    assert not outcome.failures, outcome.failures
    return outcome


async def test_a_column_that_vanishes_is_told_once_and_the_load_goes_on(
    bucket: S3Server, source: S3Source, lake: LocalLake, warehouse: DuckDBWarehouse, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/0.csv", csv_body(cm, ["A0"], day="2026-05-01"))])
    first = await _run(source, cm, lake, warehouse)
    bucket.deliver([_without(cm, "list_count", "cm/usage/1.csv", 1, sms_sent="5")])
    second = await _run(source, cm, lake, warehouse)
    bucket.deliver([_without(cm, "list_count", "cm/usage/2.csv", 2, sms_sent="6")])
    third = await _run(source, cm, lake, warehouse)

    news = [(c.added, c.removed) for outcome in (first, second, third) for c in outcome.changes]
    assert news == [((), ()), (("sms_sent",), ("list_count",)), ((), ())]
    rows = await warehouse.rows("SELECT account_number, list_count FROM STG.s3_cm_usage_data ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [("A0", 1), ("A1", None), ("A2", None)]
    assert "sms_sent" in (await lake.manifest(await _last_prefix(warehouse))).parts[0].header  # type: ignore[union-attr]


async def _last_prefix(warehouse: DuckDBWarehouse) -> str:
    [row] = await warehouse.rows("SELECT prefix FROM STG._ledger ORDER BY window_hi DESC LIMIT 1")
    return row["prefix"]


async def test_a_column_that_was_never_there_stops_the_table(
    bucket: S3Server, source: S3Source, lake: LocalLake, warehouse: DuckDBWarehouse, cm: Table
) -> None:
    bucket.deliver([_without(cm, "list_count", "cm/usage/a.csv", 1)])

    outcome = await sync(source, [cm], lake, warehouse, run_id="test")

    [failure] = outcome.failures
    assert isinstance(failure.error, UnknownField) and "list_count" in str(failure.error)


async def test_a_file_that_cannot_be_read_says_nothing_of_the_schema(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    bucket.deliver([_without(cm, "list_count", "cm/usage/old.csv", 1, sms_sent="5")])
    bucket.deliver(
        [sent("cm/usage/html.csv", b"<html>", day=2), sent("cm/usage/cut.csv", b"\x1f\x8b\x08", day=3, packed=False)]
    )

    drift = await source.drift(cm)

    assert (drift.missing, drift.added) == (("list_count",), ("sms_sent",))


async def test_capitals_are_no_drift(bucket: S3Server, source: S3Source, cm: Table) -> None:
    header, _, rest = csv_body(cm, ["A1"]).partition(b"\n")
    bucket.deliver([sent("cm/usage/a.csv", header.upper() + b"\n" + rest)])

    drift = await source.drift(cm)

    assert (drift.missing, drift.added) == ((), ())


async def test_a_field_that_json_records_leave_out_when_empty_is_looked_for_in_earlier_files(
    bucket: S3Server, source: S3Source, emma: Table
) -> None:
    bare = b'{"usage_date": "2026-05-31", "account_number": "E2", "sms": 1}\n'
    bucket.deliver(
        [sent("emma/usage/1.jsonl", jsonl_body(emma, ["E1"]), day=1), sent("emma/usage/2.jsonl", bare, day=2)]
    )

    drift = await source.drift(emma)

    assert (drift.missing, drift.added) == ((), ("sms",))


async def test_parquet_tells_its_types_and_a_change_is_judged_by_what_the_column_holds(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    table = replace(
        PARQUET, columns=tuple(c for c in cm.columns if c.name in ("usage_date", "account_number", "emails_sent"))
    )
    bucket.deliver([sent("cm/usage/a.parquet", usage(emails_sent=pa.array([1, 2, 3], pa.int32())), packed=False)])
    first = await source.drift(table)
    known = {field: KnownField(kind) for field, kind in first.types.items()}
    assert first.types == {"usage_date": "string", "account_number": "string", "emails_sent": "int32"}

    bucket.deliver([sent("cm/usage/b.parquet", usage(emails_sent=pa.array([1, 2, 3])), day=1, packed=False)])
    assert judge(table, await source.drift(table), known, source.fits).retyped == (("emails_sent", "int32", "int64"),)

    bucket.deliver([sent("cm/usage/c.parquet", usage(emails_sent=[1.5, 2.0, 3.0]), day=2, packed=False)])
    with pytest.raises(TypeChanged, match="emails_sent is now double"):
        judge(table, await source.drift(table), known, source.fits)


async def test_a_footer_longer_than_the_first_look_is_fetched_whole(
    bucket: S3Server, source: S3Source, cm: Table
) -> None:
    wide = usage(1, **{f"field_{n:04}_{'x' * 200}": [n] for n in range(1500)})
    bucket.deliver([sent("cm/usage/a.parquet", wide, packed=False)])

    drift = await source.drift(PARQUET)

    assert len(drift.added) == 1500
