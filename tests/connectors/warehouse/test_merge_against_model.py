"""Any sequence of batches gives what a few lines of Python say it should, and repeating a batch changes nothing."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.batch import Manifest
from connectors.contract import Table
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from tests.connectors.warehouse.batches import ACCOUNT, CONTRACT, PLAIN, Batch, counts

START = datetime(2026, 6, 1, tzinfo=UTC)


def second(n: int) -> datetime:
    return START + timedelta(seconds=n)


@dataclass(frozen=True)
class Row:
    """One row as the source sends it. What it is called follows from the batch, so no batch contradicts itself."""

    key: str
    stamp: int
    deleted: bool
    misfit: bool


@dataclass(frozen=True)
class Delivered:
    """One batch: rows and reported deletions, of a window that ends at second `hi`; everything when `lo` is None."""

    lo: int | None
    hi: int
    name: str
    rows: tuple[Row, ...]
    deletes: tuple[tuple[str, int], ...]


@dataclass
class Stored:
    stamp: int
    name: str
    flag: bool
    deleted_at: int | None


@dataclass
class Model:
    """What the table should hold, by key, one row at a time."""

    stored: dict[str, Stored] = field(default_factory=dict[str, Stored])

    def load(self, batch: Delivered) -> dict[str, int]:
        done = dict.fromkeys(("inserted", "updated", "deleted", "unchanged", "stale", "quarantined"), 0)
        newest: dict[str, Row] = {}
        for row in batch.rows:
            if row.misfit:
                done["quarantined"] += 1
                continue
            known = newest.get(row.key)
            if known is not None:
                done["stale"] += 1
            if known is None or (row.stamp, row.deleted) > (known.stamp, known.deleted):
                newest[row.key] = row
        for row in newest.values():
            done[self._judge(row, batch)] += 1
        if batch.lo is None:
            present = {row.key for row in batch.rows}
            for key, stored in self.stored.items():
                if key not in present and stored.deleted_at is None and stored.stamp < batch.hi:
                    stored.deleted_at = batch.hi
                    done["deleted"] += 1
        latest: dict[str, int] = {}
        for key, at in batch.deletes:
            latest[key] = max(at, latest.get(key, at))
        for key, at in latest.items():
            stored = self.stored.get(key)
            if stored and stored.deleted_at is None and stored.stamp <= at:
                stored.deleted_at = at
                done["deleted"] += 1
        return {"read": len(batch.rows), **done}

    def _judge(self, row: Row, batch: Delivered) -> str:
        old, new = (
            self.stored.get(row.key),
            Stored(row.stamp, batch.name, row.deleted, row.stamp if row.deleted else None),
        )
        if old is None:
            self.stored[row.key] = new
            return "deleted" if row.deleted else "inserted"
        gone = old.deleted_at is not None
        if row.stamp < old.stamp:
            return "stale"
        if gone and not row.deleted and max(row.stamp, batch.hi) <= (old.deleted_at or 0):
            return "stale"
        if (new.stamp, new.name, row.deleted, row.deleted) == (old.stamp, old.name, old.flag, gone):
            return "unchanged"
        self.stored[row.key] = new
        return "deleted" if row.deleted and not gone else "updated"


def delivered(*, with_flags: bool) -> st.SearchStrategy[Delivered]:
    keys, hours = st.sampled_from("abcde"), st.integers(0, 12).map(lambda n: n * 3600)
    flags = st.booleans() if with_flags else st.just(False)
    rows = st.builds(Row, keys, hours, flags, st.integers(0, 9).map(lambda n: n == 9))
    return st.builds(
        Delivered, st.sampled_from([None, 0]), st.integers(1, 14).map(lambda n: n * 3600), st.sampled_from(["x", "y"]),
        st.lists(rows, max_size=7).map(tuple), st.lists(st.tuples(keys, hours), max_size=2).map(tuple),
    )  # fmt: skip


async def committed(lake: LocalLake, table: Table, batch: Delivered) -> Manifest:
    span = Window(None if batch.lo is None else second(batch.lo), second(batch.hi))
    part = Batch(lake, table, span, source_rows=len(batch.rows))
    revenue = "AnnualRevenue" if table is ACCOUNT else "Balance"
    cursor = table.cursor_field
    await part.rows(
        *(
            {
                "Id": row.key, "Name": batch.name, cursor: f"{second(row.stamp):%Y-%m-%dT%H:%M:%SZ}",
                "IsDeleted": str(row.deleted).lower(), revenue: "much" if row.misfit else "1.50",
            }
            for row in batch.rows
        )
    )  # fmt: skip
    if batch.deletes:
        await part.deletes(*({"Id": key, "deletedDate": second(at).isoformat()} for key, at in batch.deletes))
    return await part.commit()


async def play(batches: Sequence[tuple[Delivered, Delivered]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = LocalLake(Path(folder) / "lake")
        async with DuckDBWarehouse(Path(folder) / "warehouse.duckdb", threads=1) as warehouse:
            await warehouse.ensure(CONTRACT)
            models = {ACCOUNT.name: Model(), PLAIN.name: Model()}

            async def step(table: Table, number: int, given: Delivered) -> None:
                batch = replace(given, hi=given.hi + number)  # a window of its own makes it a batch of its own
                manifest = await committed(lake, table, batch)
                result = await warehouse.load(table, manifest, lake, run_id="model")
                expected = {name: n for name, n in models[table.name].load(batch).items() if n}
                assert counts(result) == expected
                assert await rows_of(warehouse, table) == in_rows(models[table.name])
                again = await warehouse.load(table, manifest, lake, run_id="again")
                assert again.skipped
                assert await rows_of(warehouse, table) == in_rows(models[table.name])

            for number, (of_account, of_plain) in enumerate(batches):
                await asyncio.gather(step(ACCOUNT, number, of_account), step(PLAIN, number, of_plain))


async def rows_of(warehouse: DuckDBWarehouse, table: Table) -> list[tuple[Any, ...]]:
    rows = await warehouse.rows(
        f"SELECT id, {table.cursor} AS stamp, name, _deleted_at AS at, _deleted FROM STG.{table.name} ORDER BY id"
    )
    return [(r["id"], r["stamp"], r["name"], r["at"], r["_deleted"]) for r in rows]


def in_rows(model: Model) -> list[tuple[Any, ...]]:
    def naive(n: int | None) -> datetime | None:
        return None if n is None else second(n).replace(tzinfo=None)

    return [
        (key, naive(s.stamp), s.name, naive(s.deleted_at), s.deleted_at is not None)
        for key, s in sorted(model.stored.items())
    ]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(delivered(with_flags=True), delivered(with_flags=False)), min_size=1, max_size=5))
def test_any_batches_in_any_order_give_what_the_model_says(batches: list[tuple[Delivered, Delivered]]) -> None:
    asyncio.run(play(batches))
