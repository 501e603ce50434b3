"""Any sequence of batches gives what a few lines of Python say, and loading any of them again changes nothing."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
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
    """One row as the source sends it. Its content follows from the batch, so no batch contradicts itself."""

    key: str
    stamp: int
    deleted: bool
    misfit: bool


@dataclass(frozen=True)
class Delivered:
    """One batch: rows and reported deletions, of a window that ends at second `hi`; everything when `lo` is None.

    `amount` is in every row; None for a source that does not have the column (any more)."""

    lo: int | None
    hi: int
    name: str
    amount: int | None
    rows: tuple[Row, ...]
    deletes: tuple[tuple[str, int], ...]

    def misfits(self, row: Row) -> bool:
        return row.misfit and self.amount is not None


@dataclass
class Stored:
    stamp: int
    name: str
    amount: int | None
    flag: bool
    deleted_at: int | None
    seen: int
    """End of the window of the batch that wrote it."""

    @property
    def gone(self) -> bool:
        return self.deleted_at is not None


@dataclass
class Model:
    """What the table and its quarantine should hold, by key, one row at a time."""

    stored: dict[str, Stored] = field(default_factory=dict[str, Stored])
    quarantine: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """Stamp of the row and end of the batch's window."""
    snapshots: set[int] = field(default_factory=set[int])

    def load(self, batch: Delivered) -> dict[str, int]:
        done = dict.fromkeys(("inserted", "updated", "deleted", "unchanged", "stale", "quarantined"), 0)
        newest: dict[str, Row] = {}
        for row in batch.rows:
            if batch.misfits(row):
                done["quarantined"] += 1
                known = self.quarantine.get(row.key, (-1, -1))
                self.quarantine[row.key] = max(known, (row.stamp, batch.hi))
                continue
            known = newest.get(row.key)
            if known is not None:
                done["stale"] += 1
            if known is None or (row.stamp, row.deleted) > (known.stamp, known.deleted):
                newest[row.key] = row
        for row in newest.values():
            done[self._judge(row, batch)] += 1
        done["deleted"] += self._bury(batch, newest)
        if batch.lo is None:
            self.snapshots.add(batch.hi)
        self.quarantine = {
            key: held for key, held in self.quarantine.items() if not self._settled(key, held, newest.get(key), batch)
        }
        return {"read": len(batch.rows), **done}

    def _judge(self, row: Row, batch: Delivered) -> str:
        old = self.stored.get(row.key)
        new = Stored(row.stamp, batch.name, batch.amount, row.deleted, row.stamp if row.deleted else None, batch.hi)
        if old is None:
            gone_by = max((hi for hi in self.snapshots if hi > batch.hi), default=-1)
            if row.stamp < gone_by and row.key not in self.quarantine:
                return "stale"
            self.stored[row.key] = new
            return "deleted" if row.deleted else "inserted"
        if batch.amount is None:
            new.amount = old.amount
        if row.stamp < old.stamp:
            return "stale"
        alive_before = old.deleted_at is not None and batch.hi <= max(old.seen, old.deleted_at)
        if alive_before and not row.deleted and row.stamp <= (old.deleted_at or 0):
            return "stale"
        if (new.stamp, new.name, new.amount, new.flag, new.gone) == (
            old.stamp, old.name, old.amount, old.flag, old.gone,
        ):  # fmt: skip
            return "unchanged"
        if row.stamp == old.stamp and old.seen > batch.hi:
            return "stale"
        self.stored[row.key] = new
        return "deleted" if row.deleted and not old.gone else "updated"

    def _bury(self, batch: Delivered, newest: dict[str, Row]) -> int:
        buried = 0
        present = {row.key for row in batch.rows}
        latest: dict[str, int] = {}
        for key, at in batch.deletes:
            latest[key] = max(at, latest.get(key, at))
        for key, old in self.stored.items():
            if old.gone or old.seen > batch.hi:
                continue
            if batch.lo is None and key not in present and old.stamp < batch.hi:
                old.deleted_at = batch.hi
            elif old.stamp <= latest.get(key, -1) and not (
                key in newest and not newest[key].deleted and newest[key].stamp >= latest[key]
            ):
                old.deleted_at = latest[key]
            else:
                continue
            old.seen = batch.hi
            buried += 1
        return buried

    def _settled(self, key: str, held: tuple[int, int], good: Row | None, batch: Delivered) -> bool:
        stamp, seen = held
        if good is not None and good.stamp >= stamp and seen <= batch.hi:
            return True
        old = self.stored.get(key)
        if old is None:
            return False
        known = old.stamp == stamp or (old.deleted_at is not None and old.deleted_at >= stamp)
        return old.stamp > stamp or (known and old.seen >= seen)


def delivered(*, with_flags: bool) -> st.SearchStrategy[Delivered]:
    keys, hours = st.sampled_from("abcde"), st.integers(0, 12).map(lambda n: n * 3600)
    flags = st.booleans() if with_flags else st.just(False)
    rows = st.builds(Row, keys, hours, flags, st.integers(0, 9).map(lambda n: n == 9))
    return st.builds(
        Delivered, st.sampled_from([None, 0]), st.integers(1, 14).map(lambda n: n * 3600), st.sampled_from(["x", "y"]),
        st.sampled_from([None, 1, 2]),
        st.lists(rows, max_size=7).map(tuple), st.lists(st.tuples(keys, hours), max_size=2).map(tuple),
    )  # fmt: skip


AMOUNT = {ACCOUNT.name: "AnnualRevenue", PLAIN.name: "Balance"}


async def committed(lake: LocalLake, table: Table, batch: Delivered) -> Manifest:
    span = Window(None if batch.lo is None else second(batch.lo), second(batch.hi))
    part = Batch(lake, table, span)
    amount = AMOUNT[table.name]
    header = [f for f in table.fields if f != amount or batch.amount is not None]
    await part.rows(
        *(
            {
                "Id": row.key, "Name": batch.name, table.cursor_field: f"{second(row.stamp):%Y-%m-%dT%H:%M:%SZ}",
                "IsDeleted": str(row.deleted).lower(), amount: "much" if row.misfit else batch.amount,
            }
            for row in batch.rows
        ),
        header=header,
    )  # fmt: skip
    if batch.deletes:
        await part.deletes(*({"Id": key, "deletedDate": second(at).isoformat()} for key, at in batch.deletes))
    return await part.commit()


Loaded = tuple[Table, Delivered, Manifest]


async def play(batches: Sequence[tuple[Delivered, Delivered]], again: Sequence[int], *, in_order: bool) -> None:
    """Load the batches, in the order in which they were read or in any other, then some of them again."""
    with tempfile.TemporaryDirectory() as folder:
        lake = LocalLake(Path(folder) / "lake")
        async with DuckDBWarehouse(Path(folder) / "warehouse.duckdb", threads=1) as warehouse:
            await warehouse.ensure(CONTRACT)
            models = {ACCOUNT.name: Model(), PLAIN.name: Model()}

            async def load(loaded: Loaded, *, again: bool) -> None:
                table, batch, manifest = loaded
                model = models[table.name]
                expected = {name: n for name, n in model.load(batch).items() if n}
                before = await everything(warehouse, table)
                result = await warehouse.load(table, manifest, lake, run_id="model", again=again)
                assert counts(result) == expected
                assert await everything(warehouse, table) == in_rows(model)
                if again and in_order:
                    assert result.changed == 0
                    assert await everything(warehouse, table) == before

            async def play_table(table: Table, given: Sequence[Delivered]) -> None:
                # A window of its own makes each a batch of its own.
                numbered = [replace(batch, hi=batch.hi + number) for number, batch in enumerate(given)]
                if in_order:
                    numbered.sort(key=lambda batch: batch.hi)
                loads = [(table, batch, await committed(lake, table, batch)) for batch in numbered]
                for each in loads:
                    await load(each, again=False)
                for number in again:
                    await load(loads[number % len(loads)], again=True)
                windows = (await warehouse.state(table)).windows
                assert sorted(w.hi for w in windows) == sorted(second(batch.hi) for batch in numbered)

            await asyncio.gather(
                play_table(ACCOUNT, [of_account for of_account, _ in batches]),
                play_table(PLAIN, [of_plain for _, of_plain in batches]),
            )


Rows = tuple[list[tuple[Any, ...]], list[str]]


async def everything(warehouse: DuckDBWarehouse, table: Table) -> Rows:
    """Rows and tombstones, and keys in quarantine."""
    amount = table.columns[[c.field for c in table.columns].index(AMOUNT[table.name])].name
    rows = await warehouse.rows(
        f"SELECT id, {table.cursor} AS stamp, name, {amount} AS amount, _deleted_at AS at, _deleted "
        f"FROM STG.{table.name} ORDER BY id"
    )
    held = await warehouse.quarantined_rows(table.name, limit=100)
    return [tuple(r.values()) for r in rows], sorted(json.loads(q.row)["Id"] for q in held)


def in_rows(model: Model) -> Rows:
    def naive(n: int | None) -> datetime | None:
        return None if n is None else second(n).replace(tzinfo=None)

    rows = [
        (key, naive(s.stamp), s.name, s.amount, naive(s.deleted_at), s.gone) for key, s in sorted(model.stored.items())
    ]
    return rows, sorted(model.quarantine)


histories = st.lists(st.tuples(delivered(with_flags=True), delivered(with_flags=False)), min_size=1, max_size=5)


some_again = st.lists(st.integers(0, 4), max_size=6)


@settings(max_examples=8, deadline=None)
@given(histories, some_again)
def test_any_batches_in_any_order_give_what_the_model_says(
    batches: list[tuple[Delivered, Delivered]], again: list[int]
) -> None:
    asyncio.run(play(batches, again, in_order=False))


@settings(max_examples=8, deadline=None)
@given(histories, some_again)
def test_loading_any_batches_again_in_any_order_changes_nothing(
    batches: list[tuple[Delivered, Delivered]], again: list[int]
) -> None:
    asyncio.run(play(batches, again, in_order=True))


@pytest.mark.slow
@pytest.mark.parametrize("in_order", [True, False])
def test_many_histories_loaded_again(in_order: bool) -> None:
    @settings(max_examples=250, deadline=None, phases=[Phase.generate])
    @given(histories, some_again)
    def check(batches: list[tuple[Delivered, Delivered]], again: list[int]) -> None:
        asyncio.run(play(batches, again, in_order=in_order))

    check()
