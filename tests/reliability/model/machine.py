"""A source that changes, and a loader that dies, meets faults and repeats itself: what must hold afterwards.

The promise. A change is loaded if its transaction is open for no longer than `LATENESS`: the connector's lag and
overlap together (for Salesforce the hour that `/updated` is asked for). A change that is committed later than that is
outside of what a window can find; the keys of the whole table, read now and then, find it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from connectors.batch import BatchRequest
from connectors.contract import Column, DataType, Table
from connectors.http import RetryPolicy
from connectors.source import Source, TableState
from connectors.sync import Plan, SyncOutcome, sync
from connectors.window import Window, covered_until
from tests.reliability.model.effects import FAULTS, Crash, Effects, Fault
from tests.reliability.model.secrets_found import traces
from tests.reliability.model.stage import Stage
from tests.reliability.model.table import ModelTable

STARTS = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in ("2020-02-28T07:59:30", "2026-06-01T00:00:00", "2031-12-31T23:59:58")
)
"""Clocks of the source: behind ours, near it, ahead of it."""
NUMBERS = st.integers(0, 8)
SELDOM = st.sampled_from([False, False, False, True])
CRASHES = st.none() | st.tuples(st.integers(1, 60), st.booleans())
TROUBLED = st.dictionaries(st.integers(1, 14), st.sampled_from(FAULTS), max_size=3)
SOME = st.lists(NUMBERS, min_size=1, max_size=4)
SEEDS = st.integers(0, 30)
SECONDS = st.sampled_from([0, 0.4, 1, 2, 61, 299, 1799, 1801, 2200, 7200, 86_400])


@dataclass
class Tally:
    """What was done, over all examples."""

    examples: int = 0
    steps: int = 0
    syncs: int = 0
    crashes: int = 0
    faults: int = 0
    replays: int = 0
    backfills: int = 0
    rows_compared: int = 0
    tombstones_compared: int = 0
    calls: int = 0
    most_calls: int = 0


@dataclass
class _Armed:
    """What is going to happen during the next sync."""

    crash: tuple[int, bool] | None = None
    faults: dict[int, Fault] = field(default_factory=dict[int, Fault])
    hooks: dict[int, Callable[[], None]] = field(default_factory=dict[int, Callable[[], None]])

    def effects(self) -> Effects:
        at, after = self.crash or (None, False)
        return Effects(at, after, dict(self.hooks), dict(self.faults))


class SourceMachine(RuleBasedStateMachine):
    """Common to the sources that are read by API. A subclass supplies the class attributes and the hooks below."""

    TABLE: ClassVar[Table]
    LATENESS: ClassVar[timedelta]
    LAG: ClassVar[float] = 0
    """Seconds after which a commit is sure to be inside the next window."""
    KEEPS_DELETED: ClassVar[bool] = False
    PURGES: ClassVar[bool] = True
    RESTORES: ClassVar[bool] = False
    TELLS_TYPES: ClassVar[bool] = False
    stage: ClassVar[Stage]
    tally: ClassVar[Tally]

    server: Any

    def __init__(self) -> None:
        super().__init__()
        self.stage.reset()
        self.tally.examples += 1
        self.armed = _Armed()
        self.was_live: set[int] = set()
        self.kept: dict[Any, dict[str, Any]] = {}
        self.stale: set[str] = set()
        self.unnoticed = False
        self.tally.steps -= 1
        self.errors: list[BaseException] = []
        self.runs = 0

    # What a source adds

    @classmethod
    @contextmanager
    def opened(cls) -> Generator[None]:
        """What is up while examples run."""
        yield

    def start(self, model: ModelTable, data: st.DataObject) -> Any:
        """The server over the model."""
        raise NotImplementedError

    def connect(self, retry: RetryPolicy) -> Source:
        """The connector, on a wire to the server."""
        raise NotImplementedError

    def key(self, number: int) -> Any:
        """The key of the n-th record."""
        raise NotImplementedError

    def secrets(self) -> list[str]:
        """What must not be found anywhere."""
        raise NotImplementedError

    def most_calls(self, pages: int) -> int:
        """The most requests of a clean sync that reads so many pages."""
        raise NotImplementedError

    def finds_deletes(self, full: bool) -> bool:
        """Whether such a sync learns of every deletion."""
        return True

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
        at=st.integers(1, 30),
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

    @rule(full=SELDOM)
    def sync_and_compare(self, full: bool) -> None:
        self.armed = _Armed()
        self.settle()
        self.compare(full=full)

    @rule()
    def sync_twice(self) -> None:
        self.armed = _Armed()
        self.settle()
        self.compare(full=False)
        outcome = self.sync()
        assert not outcome.failures, outcome.failures
        assert all(result.changed == 0 for result in outcome.results), outcome.results
        self.compare_table()

    @precondition(lambda self: self.covered() is not None)
    @rule(
        ago=st.integers(0, 100_000), width=st.integers(1, 50_000), label=st.sampled_from(["backfill-1", "backfill-2"])
    )
    def backfill(self, ago: int, width: int, label: str) -> None:
        async def plan(table: Table, _: TableState) -> list[BatchRequest]:
            horizon = await self.source.horizon(table)
            lo = horizon - timedelta(seconds=ago)
            hi = min(horizon, lo + timedelta(seconds=width))
            return [BatchRequest(table, Window(lo, hi), label=f"backfill-{self.runs}")]

        self.tally.backfills += 1
        self.sync(plan=plan)
        self.look()

    @precondition(lambda self: self.covered() is not None)
    @rule()
    def reconcile_keys(self) -> None:
        self.armed = _Armed()
        self.settle()
        self.compare(full=False)

        async def plan(table: Table, _: TableState) -> list[BatchRequest]:
            window = Window(None, await self.source.horizon(table))
            return [BatchRequest(table, window, label=f"keys-{self.runs}", scope="keys")]

        outcome = self.sync(plan=plan)
        assert not outcome.failures, outcome.failures
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
            landed = await stage.warehouse.rows('SELECT batch_id FROM "STG"."_ledger"')
            if manifest.batch_id in {row["batch_id"] for row in landed}:
                await stage.warehouse.load(self.TABLE, manifest, stage.lake, run_id="replay", again=True)

        before = self.windows()
        stage.effects = Effects()
        stage.run(run())
        assert self.windows() == before
        self.tally.replays += 1
        self.look()

    # How

    def settle(self) -> None:
        """End transactions, and let so much time pass that all of it is inside the next window."""
        self.model.commit_all()
        self.model.advance(self.LAG + 2)
        self.server.mixes = 0
        self.server.retyped.pop(self.TABLE.column("amount").field, None)

    def sync(self, *, full: bool = False, plan: Plan | None = None) -> SyncOutcome:
        """One run. Returns what is known of it when the process died on the way."""
        self.runs += 1
        self.tally.syncs += 1
        self.tally.faults += len(self.armed.faults)
        stage, self.armed = self.stage, _Armed(*self._disarm())
        stage.effects = self.armed.effects()
        self.armed = _Armed()
        clean = stage.effects.is_clean and not self.server.mixes and not self.model.open
        calls, pages = self.server.calls, self.server.pages
        outcome = SyncOutcome()

        async def wait(seconds: float) -> None:
            self.model.advance(min(seconds, 5))

        async def run() -> SyncOutcome:
            async with self.connect(RetryPolicy(attempts=6, sleep=wait)) as source:
                self.source = source
                return await sync(
                    source, [self.TABLE], stage.lake, stage.warehouse, run_id=f"run-{self.runs}", full=full,
                    plan=plan,
                )  # fmt: skip

        try:
            outcome = stage.run(run())
        except Crash:
            self.tally.crashes += 1
        except BaseExceptionGroup as group:
            if group.subgroup(Crash) is None:
                raise
            self.tally.crashes += 1
        except Exception as error:
            if clean:
                raise
            self.errors.append(error)
        finally:
            stage.effects = Effects()
        self.errors += [failure.error for failure in outcome.failures]
        if clean:
            made = self.server.calls - calls
            self.tally.calls += made
            self.tally.most_calls = max(self.tally.most_calls, made)
            most = self.most_calls(self.server.pages - pages)
            assert made <= most, f"{made} requests where {most} are the most"
        note(f"run {self.runs}: {outcome}")
        return outcome

    def _disarm(self) -> tuple[Any, ...]:
        return self.armed.crash, self.armed.faults, self.armed.hooks

    def compare(self, *, full: bool) -> None:
        """A clean run after which the table equals the source."""
        began = self.model.second
        outcome = self.sync(full=full)
        assert not outcome.failures, [str(failure.error) for failure in outcome.failures]
        if full:
            self.stale.clear()
            self.unnoticed = False
        elif not self.finds_deletes(full):
            self.unnoticed = True
        reach = covered_until(self.windows())
        assert reach is not None
        assert began - timedelta(seconds=self.LAG) <= reach <= self.model.now, (reach, began)
        assert reach == max(w.hi for w in self.windows())
        self.compare_table()

    def compare_table(self) -> None:
        """STG against the model: every column of every row, and the tombstones."""
        before = self.kept
        stored = self.look()
        live = {self.key(n): n for n in self.model.live()}
        found = {key for key, row in stored.items() if not row["_deleted"]}
        assert found >= set(live), f"lost: {set(live) - found}"
        extra = found - set(live)
        assert not extra or self.unnoticed, f"still alive: {extra}"
        for key, number in live.items():
            self._same(stored[key], number, before.get(key))
        for number in self.was_live:
            assert self.key(number) in stored, f"a row that was there is gone without a tombstone: {number}"
        for row in stored.values():
            if row["_deleted"]:
                assert row["_deleted_at"] is not None
                assert row["_deleted_at"].replace(tzinfo=UTC) <= self.model.now, row
        self.tally.rows_compared += len(live)
        self.tally.tombstones_compared += len(stored) - len(found)

    def _same(self, row: dict[str, Any], number: int, before: dict[str, Any] | None) -> None:
        assert not row["_deleted_at"], row
        for column in self.TABLE.columns:
            if column.field in self.stale:
                continue
            if column.field in self.model.dropped:
                if before is not None:
                    assert row[column.name] == before[column.name], f"{column.name} lost its value: {row}"
                continue
            want = shown(column, self.model.value(number, column.field))
            assert row[column.name] == want, f"{column.name} of {number}: {row[column.name]!r}, source has {want!r}"

    def check_invariants(self, *arguments: Any, **options: Any) -> None:
        # Called after each step.
        self.tally.steps += 1
        super().check_invariants(*arguments, **options)

    def look(self) -> dict[Any, dict[str, Any]]:
        """What STG has now; every key once."""
        stored = self.stage.stored()
        known = {self.key(n): n for n in range(12)}
        assert set(stored) <= set(known), f"rows that never were: {set(stored) - set(known)}"
        self.was_live |= {known[key] for key, row in stored.items() if not row["_deleted"]}
        self.kept = stored
        ids = self.stage.run(self.stage.warehouse.rows('SELECT batch_id FROM "STG"."_ledger"'))
        assert len({row["batch_id"] for row in ids}) == len(ids), "a batch is in the ledger twice"
        return stored

    def windows(self) -> list[Window]:
        """The windows in the ledger."""
        return list(self.stage.run(self.stage.warehouse.state(self.TABLE)).windows)

    def covered(self) -> datetime | None:
        """How far the table is loaded."""
        return covered_until(self.windows())

    def knows_all_fields(self) -> bool:
        """True once every field of the contract was seen at the source."""
        seen = self.stage.run(self.stage.warehouse.state(self.TABLE)).fields
        return {c.field.casefold() for c in self.TABLE.columns} <= {name.casefold() for name in seen}

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        try:
            self.armed = _Armed()
            self.settle()
            self.compare(full=False)
            self.settle()
            self.compare(full=True)
            found = traces(self.stage, self.errors, self.secrets())
            assert not found, found
        finally:
            self.stage.clear()


def shown(column: Column, value: Any) -> Any:
    """A value as the warehouse gives it back."""
    if column.type is DataType.TIMESTAMP and value is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value
