"""A source that changes, and a loader that dies, meets faults and repeats itself: what must hold afterwards.

The promise. A change is loaded if its transaction is open for no longer than `LATENESS`: the connector's lag and
overlap together (for Salesforce the hour that `/updated` is asked for). A change that is committed later than that is
outside of what a window can find; the keys of the whole table, read now and then, find it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from connectors.batch import BatchRequest
from connectors.contract import Table
from connectors.source import TableState
from connectors.window import Window
from tests.reliability.model.effects import FAULTS, Effects, Fault
from tests.reliability.model.secrets_found import traces
from tests.reliability.model.table import ModelTable
from tests.reliability.model.watched import Armed, WatchedRuns, went_well, without_batch

STARTS = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in ("2020-02-28T07:59:30", "2026-06-01T00:00:00", "2031-12-31T23:59:58")
)
"""Clocks of the source: behind ours, near it, ahead of it."""
NUMBERS = st.integers(0, 11)
SELDOM = st.sampled_from([False, False, False, True])
ANY = st.integers(0, 999)
"""The number of an effect or a request, modulo as many as there are."""
CRASHES = st.none() | st.tuples(ANY, st.booleans())
TROUBLED = st.dictionaries(ANY, st.sampled_from(FAULTS), max_size=3)
SOME = st.lists(NUMBERS, min_size=1, max_size=4)
SEEDS = st.integers(0, 30)
SECONDS = st.sampled_from([0, 0.4, 1, 2, 61, 299, 1799, 1801, 2200, 7200, 86_400])


class SourceMachine(WatchedRuns):
    """Common to the sources that are read by API."""

    # The source changes

    @initialize(start=st.sampled_from(STARTS), rows=st.integers(0, 7), data=st.data())
    def begin(self, start: datetime, rows: int, data: st.DataObject) -> None:
        self.model = ModelTable(
            self.TABLE, self.key, start, self.LATENESS, keeps_deleted=self.KEEPS_DELETED, purges=self.PURGES
        )
        self.server = self.start(self.model, data)
        for number in range(rows):
            self.model.write(number, number)
        self.model.advance(data.draw(SECONDS))

    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=6), seed=SEEDS)
    def change_rows_in_one_second(self, numbers: list[int], seed: int) -> None:
        for number in numbers:
            self.model.write(number, seed + number)

    @rule(number=NUMBERS, hard=st.booleans())
    def delete_row(self, number: int, hard: bool) -> None:
        self.model.delete(number, hard=hard)

    @precondition(lambda self: self.RESTORES)
    @rule(number=NUMBERS)
    def restore_row(self, number: int) -> None:
        self.model.restore(number)

    @precondition(lambda self: self.RESTORES)
    @rule(number=NUMBERS)
    def purge_row(self, number: int) -> None:
        self.model.purge(number)

    @rule(number=NUMBERS, seed=SEEDS, deletes=st.booleans(), hard=st.booleans())
    def open_transaction(self, number: int, seed: int, deletes: bool, hard: bool) -> None:
        self.model.begin(number, "delete" if deletes else "write", seed, hard=hard)

    @rule(number=NUMBERS, seed=SEEDS, deletes=st.booleans(), hard=st.booleans())
    def load_while_a_transaction_is_open(self, number: int, seed: int, deletes: bool, hard: bool) -> None:
        """Its change has the stamp of a window that is loaded by the time it is seen."""
        self.model.begin(number, "delete" if deletes else "write", seed, hard=hard)
        self.model.advance(self.LAG + 2)
        self.sync()
        self.look()
        self.model.commit_all()

    @rule()
    def commit_transactions(self) -> None:
        self.model.commit_all()

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.model.advance(seconds)

    @precondition(lambda self: len(self.model.extra) < 2)
    @rule()
    def add_field(self) -> None:
        name = f"{'Extra' if self.TABLE.source != 'netsuite' else 'custrecord_extra'}{len(self.model.extra)}"
        self.model.extra.append(name)
        self.model.changes += 1

    @precondition(lambda self: self.knows_all_fields() and not self.model.dropped)
    @rule(column=st.sampled_from(["name", "amount", "day"]))
    def drop_field(self, column: str) -> None:
        self.model.dropped.append(self.TABLE.column(column).field)
        self.model.changes += 1

    @precondition(lambda self: self.model.dropped)
    @rule()
    def bring_field_back(self) -> None:
        self.stale |= set(self.model.dropped)
        self.model.dropped.clear()
        self.model.changes += 1

    @precondition(lambda self: self.TELLS_TYPES and self.knows_all_fields())
    @rule(column=st.sampled_from(["name", "amount"]))
    def widen_type(self, column: str) -> None:
        name = self.TABLE.column(column).field
        self.server.retyped[name] = "textarea" if self.TABLE.source == "salesforce" else "picklist"

    @precondition(lambda self: self.server.retyped)
    @rule()
    def narrow_type(self) -> None:
        self.server.retyped.clear()

    # Things go wrong

    @rule(
        at=ANY,
        numbers=st.lists(NUMBERS, min_size=1, max_size=4),
        seed=SEEDS,
        seconds=SECONDS,
        deletes=st.booleans(),
    )
    def change_rows_while_reading(self, at: int, numbers: list[int], seed: int, seconds: float, deletes: bool) -> None:
        def happen() -> None:
            self.model.advance(min(seconds, 300))
            for number in numbers:
                if deletes:
                    self.model.delete(number, hard=bool(seed % 2))
                else:
                    self.model.write(number, seed + number)

        self.armed.hooks[at] = happen

    @rule(pages=st.integers(1, 2))
    def hand_out_a_page_twice(self, pages: int) -> None:
        self.server.mixes = pages

    @rule()
    def lose_token(self) -> None:
        self.server.expire()

    # The loader runs

    @rule(full=SELDOM, crash=CRASHES, faults=TROUBLED)
    def sync_in_trouble(self, full: bool, crash: tuple[int, bool] | None, faults: dict[int, Fault]) -> None:
        """The process dies, requests fail, rows change: nothing is promised yet but that no row is stored twice."""
        self.armed.crash, self.armed.faults = crash, faults
        self.sync(full=full)
        self.look()

    @rule(full=SELDOM, crash=CRASHES, faults=TROUBLED)
    def sync_in_trouble_and_compare(self, full: bool, crash: Any, faults: dict[int, Fault]) -> None:
        """The run after the one in trouble makes all of it good."""
        self.sync_in_trouble(full, crash, faults)
        self.sync_and_compare(full)

    @rule(number=NUMBERS, seed=SEEDS, seconds=SECONDS, full=SELDOM, crash=st.tuples(ANY, st.booleans()))
    def die_while_loading(self, number: int, seed: int, seconds: float, full: bool, crash: tuple[int, bool]) -> None:
        """There is something to load, which the overlap of the next run may not reach, and the process dies over it."""
        self.model.write(number, seed)
        self.model.advance(self.LAG + 2 + seconds)
        self.sync_in_trouble_and_compare(full, crash, {})

    @rule(full=SELDOM)
    def sync_and_compare(self, full: bool) -> None:
        self.armed = Armed()
        self.settle()
        self.compare(full=full)

    @rule()
    def sync_twice(self) -> None:
        self.armed = Armed()
        self.settle()
        self.compare(full=False)
        outcome = self.sync()
        went_well(outcome)
        assert all(result.changed == 0 for result in outcome.results), outcome.results
        self.compare_table()

    @precondition(lambda self: self.covered() is not None)
    @rule(ago=st.integers(0, 100_000), width=st.integers(1, 50_000), crash=CRASHES, faults=TROUBLED)
    def backfill(self, ago: int, width: int, crash: tuple[int, bool] | None, faults: dict[int, Fault]) -> None:
        async def plan(table: Table, _: TableState) -> list[BatchRequest]:
            horizon = await self.source.horizon(table)
            lo = horizon - timedelta(seconds=ago)
            hi = min(horizon, lo + timedelta(seconds=width))
            return [BatchRequest(table, Window(lo, hi), label=f"backfill-{self.runs}")]

        self.tally.backfills += 1
        self.armed.crash, self.armed.faults = crash, faults
        self.sync(plan=plan)
        self.look()

    @precondition(lambda self: self.covered() is not None)
    @rule()
    def reconcile_keys(self) -> None:
        self.armed = Armed()
        self.settle()
        self.compare(full=False)

        async def plan(table: Table, _: TableState) -> list[BatchRequest]:
            window = Window(None, await self.source.horizon(table))
            return [BatchRequest(table, window, label=f"keys-{self.runs}", scope="keys")]

        outcome = self.sync(plan=plan)
        went_well(outcome)
        assert all(getattr(result, "missing", 0) == 0 for result in outcome.results), outcome.results
        self.unnoticed = False
        self.compare_table()

    @rule(pick=st.integers(0, 1000))
    def replay(self, pick: int) -> None:
        """Load a batch again from the lake."""
        stage = self.stage

        async def run() -> None:
            manifests = [m async for m in stage.lake.manifests(self.TABLE.source, self.TABLE.name)]
            if not manifests:
                return
            manifest = manifests[pick % len(manifests)]
            landed = stage.batches()
            if manifest.batch_id in landed:
                await stage.warehouse.load(self.TABLE, manifest, stage.lake, run_id="replay", again=True)

        before, stored = self.windows(), without_batch(self.look())
        stage.effects = Effects()
        stage.run(run())
        assert self.windows() == before
        self.tally.replays += 1
        assert without_batch(self.look()) == stored, "a batch loaded again has changed rows"

    @rule()
    def replay_all(self) -> None:
        """Load every batch again, in the order in which they lie in the lake."""
        for pick in range(len(self.stage.batches())):
            self.replay(pick)

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        try:
            self.armed = Armed()
            self.settle()
            self.compare(full=False)
            self.settle()
            self.compare(full=True)
            found = traces(self.stage, self.errors, self.secrets())
            assert not found, found
            self.tally.examples += 1
        finally:
            self.stage.clear()
