"""Whatever files hold, in whatever batches and order they are loaded, STG has of each row the newest delivery's."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from connectors.batch import FileRef, Manifest
from connectors.contract import Contract
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from tests.connectors.warehouse.batches import USAGE, Batch, csv_body

START = datetime(2026, 6, 1, tzinfo=UTC)
FILES = ("a", "b", "c")

Rows = dict[str, int]
"""emails_sent by account."""


@dataclass(frozen=True)
class Delivery:
    """A file as delivered, so many seconds after START."""

    file: str
    second: int
    rows: Rows

    @property
    def ref(self) -> FileRef:
        """As the bucket lists it."""
        at = START + timedelta(seconds=self.second)
        return FileRef("usage", f"cm/usage/{self.file}", f"v{self.second}", 1, at)


@dataclass(frozen=True)
class Day:
    """Files come, some of them late (seconds before the newest), then some of those that are there are read."""

    delivered: dict[str, tuple[int, Rows]]
    read: frozenset[str]


@dataclass
class Model:
    """The newest delivery loaded, by file."""

    newest: dict[str, Delivery] = field(default_factory=dict[str, Delivery])

    def load(self, batch: Sequence[Delivery]) -> None:
        for one in batch:
            if one.file not in self.newest or one.second >= self.newest[one.file].second:
                self.newest[one.file] = one

    def rows(self) -> dict[str, tuple[int, str]]:
        """emails_sent and file by account: of several files the one delivered last, at one instant the later name."""
        in_order = sorted(self.newest.values(), key=lambda d: (d.second, d.file))
        return {account: (sent, d.file) for d in in_order for account, sent in d.rows.items()}


def batches(days: Sequence[Day]) -> list[list[Delivery]]:
    """What is read day by day. A file's next delivery is never older than the one before."""
    present: dict[str, Delivery] = {}
    found: list[list[Delivery]] = []
    for number, day in enumerate(days, 1):
        for file, (late, rows) in day.delivered.items():
            least = present[file].second + 1 if file in present else 0
            present[file] = Delivery(file, max(number * 10 - late, least), rows)
        found.append([present[file] for file in sorted(day.read & present.keys())])
    return [batch for batch in found if batch]


rows = st.dictionaries(st.sampled_from("XYZ"), st.integers(1, 9), max_size=3)
days = st.lists(
    st.builds(
        Day,
        st.dictionaries(st.sampled_from(FILES), st.tuples(st.sampled_from([0, 0, 10, 15]), rows), min_size=1),
        st.frozensets(st.sampled_from(FILES), min_size=1),
    ),
    min_size=1, max_size=6,
)  # fmt: skip
orders = st.randoms(use_true_random=False)


async def play(history: list[Day], order: Random, *, in_order: bool) -> None:
    """Load the batches, in the order of reading or any other, then some of them again; STG is right after each."""
    read = batches(history)
    numbers = list(range(len(read)))
    if not in_order:
        order.shuffle(numbers)
    again = order.choices(numbers, k=4) if numbers else []
    with tempfile.TemporaryDirectory() as folder:
        lake, model = LocalLake(Path(folder) / "lake"), Model()
        manifests = [await committed(lake, number, batch) for number, batch in enumerate(read)]
        async with DuckDBWarehouse(Path(folder) / "warehouse.duckdb", threads=1) as warehouse:
            await warehouse.ensure(Contract((USAGE,)))
            seen: set[str] = set()
            for turn, number in enumerate([*numbers, *again]):
                repeated = turn >= len(numbers)
                await warehouse.load(USAGE, manifests[number], lake, run_id="model", again=repeated)
                model.load(read[number])
                expected = model.rows()
                seen |= expected.keys()
                stored = await warehouse.rows(
                    "SELECT account_number AS a, emails_sent AS n, _file AS f, _deleted AS d FROM STG.s3_cm_usage_data"
                )
                living = {r["a"]: (r["n"], r["f"].removeprefix("cm/usage/")) for r in stored if not r["d"]}
                assert living == expected, (turn, number)
                assert len(stored) == len({r["a"] for r in stored})
                assert seen <= {r["a"] for r in stored}, "a row that was there is gone without a tombstone"


async def committed(lake: LocalLake, number: int, deliveries: Sequence[Delivery]) -> Manifest:
    newest = max(d.ref.last_modified for d in deliveries)
    # A window of its own makes each a batch of its own, also of the same files.
    batch = Batch(
        lake, USAGE, Window(newest, newest + timedelta(seconds=1)), files=[d.ref for d in deliveries],
        label=f"reading {number}", observed=START + timedelta(hours=1, minutes=number),
    )  # fmt: skip
    for one in deliveries:
        sent = [
            {"usage_date": "2026-05-31", "account_number": account, "emails_sent": n} for account, n in one.rows.items()
        ]
        body = csv_body(USAGE.fields, sent)
        await batch.add(body, USAGE.fields, None, name=f"{one.file}.csv", source_file=one.ref.key)
    return await batch.commit()


@settings(max_examples=12, deadline=None)
@given(days, orders)
def test_files_that_share_rows_loaded_as_they_come_give_what_the_model_says(history: list[Day], order: Random) -> None:
    asyncio.run(play(history, order, in_order=True))


@settings(max_examples=12, deadline=None)
@given(days, orders)
def test_files_that_share_rows_loaded_in_any_order_give_what_the_model_says(history: list[Day], order: Random) -> None:
    asyncio.run(play(history, order, in_order=False))


@pytest.mark.slow
@pytest.mark.parametrize("in_order", [True, False])
def test_many_histories_of_files_that_share_rows(in_order: bool) -> None:
    @settings(max_examples=1000, deadline=None, phases=[Phase.generate])
    @given(days, orders)
    def check(history: list[Day], order: Random) -> None:
        asyncio.run(play(history, order, in_order=in_order))

    check()
