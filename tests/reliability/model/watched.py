"""One run of the loader under watch, and what is compared after it."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from connectors.contract import Column, DataType, Table
from connectors.errors import InternalError, MgdwError
from connectors.http import RetryPolicy
from connectors.source import Source
from connectors.sync import Plan, SyncOutcome, sync
from connectors.window import Window, covered_until
from tests.reliability.model.effects import Crash, Effects, Fault
from tests.reliability.model.stage import Stage
from tests.reliability.model.table import ModelTable


@dataclass
class Tally:
    """What was done, over all examples."""

    examples: int = 0
    steps: int = 0
    syncs: int = 0
    crashes_drawn: int = 0
    crashes: int = 0
    faults: int = 0
    replays: int = 0
    backfills: int = 0
    rows_compared: int = 0
    tombstones_compared: int = 0
    calls: int = 0
    most_calls: int = 0


@dataclass(frozen=True)
class Reach:
    """How many effects, and requests among them, the last comparable run had: what is drawn has to lie within."""

    effects: int = 20
    requests: int = 4

    def crash(self, drawn: tuple[int, bool] | None) -> tuple[int | None, bool]:
        """At which effect to die, and whether after it."""
        return (1 + drawn[0] % self.effects, drawn[1]) if drawn else (None, False)


@dataclass
class Armed:
    """What is going to happen during the next sync; numbers as drawn, counted from 0, however large."""

    crash: tuple[int, bool] | None = None
    faults: dict[int, Fault] = field(default_factory=dict[int, Fault])
    hooks: dict[int, Callable[[], None]] = field(default_factory=dict[int, Callable[[], None]])

    def effects(self, reach: Reach) -> Effects:
        """What was drawn, brought within reach."""
        hooks = {1 + at % reach.effects: happen for at, happen in self.hooks.items()}
        faults: dict[int, Fault] = {1 + at % reach.requests: fault for at, fault in self.faults.items()}
        return Effects(*reach.crash(self.crash), hooks, faults)


class _AbstractMachine(ABCMeta, type(RuleBasedStateMachine)):
    """Hypothesis gives its machines a metaclass of their own; with this one they may leave methods to subclasses."""


class WatchedRuns(RuleBasedStateMachine, metaclass=_AbstractMachine):
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

    model: ModelTable
    server: Any
    source: Source

    def __init__(self) -> None:
        super().__init__()
        self.stage.reset()
        self.armed = Armed()
        self.reach: dict[bool, Reach] = {}
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

    @abstractmethod
    def start(self, model: ModelTable, data: st.DataObject) -> Any:
        """The server over the model."""

    @abstractmethod
    def connect(self, retry: RetryPolicy) -> Source:
        """The connector, on a wire to the server."""

    @abstractmethod
    def key(self, number: int) -> Any:
        """The key of the n-th record."""

    @abstractmethod
    def secrets(self) -> list[str]:
        """What must not be found anywhere."""

    @abstractmethod
    def most_calls(self, pages: int) -> int:
        """The most requests of a clean sync that reads so many pages."""

    def finds_deletes(self, full: bool) -> bool:
        """Whether such a sync learns of every deletion."""
        return True

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
        self.tally.crashes_drawn += self.armed.crash is not None
        stage, effects = self.stage, self.armed.effects(self.reach.get(full, Reach()))
        stage.effects, self.armed = effects, Armed()
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
            self.tally.faults += effects.struck
        if outcome.results and plan is None:
            self.reach[full] = Reach(effects.count, effects.requests)
        self.errors += [failure.error for failure in outcome.failures]
        if clean:
            made = self.server.calls - calls
            self.tally.calls += made
            self.tally.most_calls = max(self.tally.most_calls, made)
            most = self.most_calls(self.server.pages - pages)
            assert made <= most, f"{made} requests where {most} are the most"
        note(f"run {self.runs}: {outcome}")
        return outcome

    def compare(self, *, full: bool) -> None:
        """A clean run after which the table equals the source."""
        began = self.model.second
        outcome = self.sync(full=full)
        went_well(outcome)
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
        ids = self.stage.batches()
        assert len(set(ids)) == len(ids), "a batch is in the ledger twice"
        return stored

    def windows(self) -> list[Window]:
        """The windows in the ledger."""
        return list(self.stage.state().windows)

    def covered(self) -> datetime | None:
        """How far the table is loaded."""
        return covered_until(self.windows())

    def knows_all_fields(self) -> bool:
        """True once every field of the contract was seen at the source."""
        seen = self.stage.state().fields
        return {c.field.casefold() for c in self.TABLE.columns} <= {name.casefold() for name in seen}


def went_well(outcome: SyncOutcome) -> None:
    """Raises AssertionError for a table that was not loaded; a bug of the program itself passes through as it is."""
    for failure in outcome.failures:
        if not isinstance(failure.error, MgdwError) or isinstance(failure.error, InternalError):
            raise failure.error
    assert not outcome.failures, [str(failure.error) for failure in outcome.failures]


def shown(column: Column, value: Any) -> Any:
    """A value as the warehouse gives it back."""
    if column.type is DataType.TIMESTAMP and value is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def without_batch(stored: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    """The stored rows without what says which batch wrote them."""
    return {key: {c: v for c, v in row.items() if c not in ("_batch_id", "_loaded_at")} for key, row in stored.items()}
