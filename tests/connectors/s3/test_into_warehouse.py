"""From the bucket into STG, in each format: what a sender does to its files becomes the right rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.contract import Contract, FileRules, Table
from connectors.lake.local import LocalLake
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.sync import SyncOutcome, sync
from connectors.warehouse.duckdb import DuckDBWarehouse
from sandbox.s3 import S3Server
from tests.connectors.s3.deliveries import sent

Row = dict[str, Any]
FORMATS = ("csv", "jsonl", "parquet")


def _row(account: str, emails: int | None, **more: Any) -> Row:
    return {"usage_date": "2026-05-31", "account_number": account, "emails_sent": emails, **more}


def _body(table: Table, rows: Sequence[Row]) -> bytes:
    names = list(rows[0]) if rows else ["usage_date", "account_number", "emails_sent"]
    if table.format == "jsonl":
        return "".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in rows).encode()
    out = io.BytesIO()
    if table.format == "parquet":
        columns = {name: [row[name] for row in rows] for name in names}
        pq.write_table(
            pa.table(columns, pa.schema([(n, pa.int64() if n == "emails_sent" else pa.string()) for n in names])), out
        )
        return out.getvalue()
    text = io.TextIOWrapper(out, encoding=table.files.encoding, newline="")
    writer = csv.DictWriter(text, names, delimiter=table.files.delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    text.flush()
    return out.getvalue()


@pytest.fixture(params=FORMATS)
def table(request: pytest.FixtureRequest, cm: Table) -> Table:
    columns = tuple(c for c in cm.columns if c.name in ("usage_date", "account_number", "emails_sent"))
    return replace(cm, columns=columns, format=request.param, quality=(), files=FileRules())


@pytest.fixture
async def warehouse(tmp_path: Path, table: Table) -> AsyncIterator[DuckDBWarehouse]:
    async with DuckDBWarehouse(tmp_path / "w.duckdb") as opened:
        await opened.ensure(Contract((table,)))
        yield opened


class Pipe:
    """A bucket, and the warehouse that its files end in."""

    def __init__(
        self, bucket: S3Server, settings: S3Settings, lake: LocalLake, warehouse: DuckDBWarehouse, table: Table
    ) -> None:
        self.bucket = bucket
        self.settings = settings
        self.lake = lake
        self.warehouse = warehouse
        self.table = table

    def deliver(self, name: str, rows: Sequence[Row], *, day: int) -> None:
        self.bucket.deliver([sent(f"cm/usage/{name}", _body(self.table, rows), day=day, packed=False)])

    async def run(self, *, full: bool = False) -> SyncOutcome:
        async with S3Source(self.settings) as source:
            outcome = await sync(source, [self.table], self.lake, self.warehouse, run_id="test", full=full)
        assert not outcome.failures, outcome.failures
        return outcome

    async def live(self) -> dict[str, tuple[int | None, str]]:
        """emails_sent and file by account."""
        rows = await self.warehouse.rows(
            "SELECT account_number AS a, emails_sent AS n, _file AS f FROM STG.s3_cm_usage_data WHERE NOT _deleted"
        )
        found = {row["a"]: (row["n"], row["f"].removeprefix("cm/usage/")) for row in rows}
        assert len(found) == len(rows)
        return found


@pytest.fixture
def pipe(bucket: S3Server, settings: S3Settings, lake: LocalLake, warehouse: DuckDBWarehouse, table: Table) -> Pipe:
    return Pipe(bucket, settings, lake, warehouse, table)


async def test_a_key_delivered_again_replaces_its_rows(pipe: Pipe) -> None:
    pipe.deliver("a", [_row("A", 1), _row("B", 2)], day=0)
    pipe.deliver("b", [_row("C", 3)], day=0)
    await pipe.run()
    pipe.deliver("a", [_row("B", 20), _row("D", None)], day=1)
    [result] = (await pipe.run()).results

    assert await pipe.live() == {"B": (20, "a"), "C": (3, "b"), "D": (None, "a")}
    assert (result.inserted, result.updated, result.deleted) == (1, 1, 1)


async def test_the_same_content_under_a_new_key_doubles_nothing(pipe: Pipe) -> None:
    pipe.deliver("a", [_row("A", 1), _row("B", 2)], day=0)
    await pipe.run()
    pipe.deliver("again", [_row("A", 1), _row("B", 2)], day=1)
    await pipe.run()

    assert await pipe.live() == {"A": (1, "again"), "B": (2, "again")}


async def test_a_full_run_reads_every_file_again_and_changes_nothing(pipe: Pipe) -> None:
    pipe.deliver("a", [_row("A", 1), _row("B", 2)], day=0)
    pipe.deliver("b", [_row("B", 3)], day=1)
    await pipe.run()
    before = await pipe.live()
    pipe.bucket.faults.clear()

    [result] = (await pipe.run(full=True)).results

    assert (result.read, result.changed, result.skipped) == (3, 0, False)
    assert sum("/cm/usage/" in seen and seen.startswith("GET") for seen in pipe.bucket.faults.seen) >= 2
    assert await pipe.live() == before == {"A": (1, "a"), "B": (3, "b")}


async def test_a_row_that_a_file_withdraws_is_again_that_of_the_file_which_has_it_still(pipe: Pipe) -> None:
    pipe.deliver("a", [_row("A", 1), _row("B", 1)], day=0)
    pipe.deliver("b", [_row("A", 2), _row("C", 2)], day=1)
    await pipe.run()
    pipe.deliver("b", [_row("C", 2)], day=2)
    await pipe.run()

    assert await pipe.live() == {"A": (1, "a"), "B": (1, "a"), "C": (2, "b")}
    await pipe.run(full=True)
    assert await pipe.live() == {"A": (1, "a"), "B": (1, "a"), "C": (2, "b")}


async def test_files_that_vanish_take_no_rows_along(pipe: Pipe) -> None:
    pipe.deliver("a", [_row("A", 1)], day=0)
    pipe.deliver("b", [_row("B", 2)], day=1)
    await pipe.run()
    pipe.bucket.withdraw("cm/usage/a")
    await pipe.run()
    await pipe.run(full=True)

    assert await pipe.live() == {"A": (1, "a"), "B": (2, "b")}


async def test_a_file_that_shows_up_late_is_loaded_but_does_not_beat_a_later_delivery(pipe: Pipe) -> None:
    pipe.deliver("new", [_row("A", 2)], day=3)
    await pipe.run()
    pipe.deliver("late", [_row("A", 1), _row("B", 1)], day=1)
    await pipe.run()

    assert await pipe.live() == {"A": (2, "new"), "B": (1, "late")}


async def test_a_redelivery_without_rows_empties_the_file(pipe: Pipe) -> None:
    pipe.deliver("a", [_row("A", 1)], day=0)
    pipe.deliver("b", [_row("B", 1)], day=0)
    await pipe.run()
    empty = _body(pipe.table, []) or b"\n"
    pipe.bucket.deliver([sent("cm/usage/a", empty, day=1, packed=False)])
    await pipe.run()

    assert await pipe.live() == {"B": (1, "b")}


async def test_columns_of_the_sender_that_are_named_as_ours_say_nothing_to_us(pipe: Pipe) -> None:
    theirs = {"_deleted": "true", "_file": "x", "_batch_id": "y", "_tombstone": "true", "raw_deleted": "true"}
    theirs |= {"raw_0": "z", "_version": "1", "line": "l", "filename": "n", "raw_path": "p"}
    pipe.deliver("a", [_row("A", 1, **theirs), _row("B", 2, **theirs | {"_deleted": "maybe"})], day=0)
    [result] = (await pipe.run()).results

    assert await pipe.live() == {"A": (1, "a"), "B": (2, "a")}
    assert result.quarantined == 0
    kept = await pipe.warehouse.rows("SELECT _raw FROM STG.s3_cm_usage_data WHERE account_number = 'A'")
    assert json.loads(kept[0]["_raw"]) == theirs


@pytest.mark.parametrize("table", ["csv"], indirect=True)
@pytest.mark.parametrize(
    "rules", [FileRules(delimiter=";"), FileRules(delimiter="\t"), FileRules(delimiter="|", encoding="latin-1")]
)
async def test_csv_in_its_declared_form_arrives(pipe: Pipe, rules: FileRules) -> None:
    pipe.table = replace(pipe.table, files=rules)
    pipe.deliver("a", [_row("Ä, 1", 1)], day=0)
    await pipe.run()

    assert await pipe.live() == {"Ä, 1": (1, "a")}
