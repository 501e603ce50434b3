"""One run of one source: a small source that does as a test says, a real lake, a real warehouse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Column, Contract, DataType, Table
from connectors.drift import SchemaChange, SchemaDrift
from connectors.errors import RateLimited, SourceUnavailable, UnknownObject, WorkFailed
from connectors.lake import Lake
from connectors.lake.local import LocalLake
from connectors.progress import ProgressEvent, subscribed
from connectors.source import Finding, Source, TableState
from connectors.sync import SyncOutcome, TableFailure, sync
from connectors.warehouse import LoadResult
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
COLUMNS = tuple(
    Column(name, kind, name, "", name == "id") for name, kind in (("id", DataType.STRING), ("at", DataType.TIMESTAMP))
)
A, B, C = (Table("shelf", name, "", name.upper(), COLUMNS, ("id",), "at") for name in "abc")
FILES = tuple(Table("shelf", f"f{n}", "", f"f{n}/", COLUMNS[:1], ("id",), None, format="csv") for n in (1, 2, 3))
ResultT = TypeVar("ResultT")
Step = str | BaseException | Callable[[], Awaitable[object]]


class StopNow(BaseException):
    """What ends a run from outside."""


class Shelf(Source):
    """Holds tables without rows.

    Attributes:
        now: up to where rows are shown.
        schemas: how a table differs from the contract, or what describing it ends with.
        steps: what `extract` does, in this order: give a table's batches, fail, wait; by default it gives everything.
        warnings: what a table's manifest says besides.
        asked: the requests of all extracts.
        fulls: for each plan, whether it was to be full.
    """

    name = "shelf"

    @property
    def origin(self) -> str:
        return "shelf-1"

    def __init__(self) -> None:
        self.now = NOON
        self.schemas: dict[str, SchemaDrift | BaseException] = {}
        self.steps: list[Step] | None = None
        self.warnings: dict[str, str] = {}
        self.asked: list[BatchRequest] = []
        self.fulls: list[bool] = []
        self.said: dict[str, list[Finding] | Exception] = {}
        self.archived: dict[str, list[str] | Exception] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def horizon(self, table: Table) -> datetime:
        return self.now

    async def drift(self, table: Table) -> SchemaDrift:
        return _or_raise(self.schemas.get(table.name, SchemaDrift(table.name)))

    async def plan(self, table: Table, state: TableState, *, full: bool = False) -> list[BatchRequest]:
        self.fulls.append(full)
        return await super().plan(table, state, full=full)

    async def extract(self, requests: Sequence[BatchRequest], lake: Lake) -> AsyncIterator[Manifest]:
        self.asked += requests
        for step in self.steps if self.steps is not None else [*dict.fromkeys(r.table.name for r in requests)]:
            if isinstance(step, BaseException):
                raise step
            if not isinstance(step, str):
                await step()
                continue
            for request in [r for r in requests if r.table.name == step]:
                details = {"warning": self.warnings[step]} if step in self.warnings else {}
                yield await lake.commit(Manifest.of(request, parts=(), source_rows=0, details=details))

    async def findings(self, table: Table, state: TableState) -> list[Finding]:
        return _or_raise(self.said.get(table.name, []))

    async def archive(self, table: Table, state: TableState) -> list[str]:
        return _or_raise(self.archived.get(table.name, []))


def _or_raise(given: ResultT | BaseException) -> ResultT:
    if isinstance(given, BaseException):
        raise given
    return given


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[DuckDBWarehouse]:
    async with DuckDBWarehouse(tmp_path / "warehouse.duckdb") as opened:
        await opened.ensure(Contract((A, B, C, *FILES)))
        yield opened


Run = Callable[..., Awaitable[SyncOutcome]]


@pytest.fixture
def run(shelf: Shelf, warehouse: DuckDBWarehouse, tmp_path: Path) -> Run:
    async def run(*tables: Table, **options: Any) -> SyncOutcome:
        async with asyncio.timeout(20):
            return await sync(shelf, tables, LocalLake(tmp_path / "lake"), warehouse, run_id="run-7", **options)

    return run


async def loaded(table: Table, manifest: Manifest) -> LoadResult:
    """A load that is done as soon as it is asked for."""
    return LoadResult(table.name, manifest.batch_id, manifest.window)


def names(outcome: SyncOutcome) -> tuple[list[str], list[str]]:
    """The tables loaded and the tables that failed."""
    return [result.table for result in outcome.results], [failure.table for failure in outcome.failures]


class TestWhatIsNew:
    async def test_it_is_loaded_and_the_ledger_knows_by_whom(
        self, shelf: Shelf, warehouse: DuckDBWarehouse, run: Run
    ) -> None:
        outcome = await run(A, B)
        assert names(outcome) == (["a", "b"], [])
        assert (outcome.findings, sorted(change.table for change in outcome.changes)) == ([], ["a", "b"])
        assert (await warehouse.state(A, "shelf-1")).windows == (Window(None, NOON),)
        assert [row["run_id"] for row in await warehouse.rows("SELECT run_id FROM STG._ledger")] == ["run-7"] * 2

    async def test_the_next_run_asks_for_what_came_since_and_a_full_one_for_everything(
        self, shelf: Shelf, run: Run
    ) -> None:
        await run(A)
        assert names(await run(A)) == ([], [])
        shelf.now += timedelta(hours=1)
        await run(A)
        shelf.now += timedelta(hours=1)
        await run(A, full=True)
        assert [request.window for request in shelf.asked] == [
            Window(None, NOON), Window(NOON, NOON + timedelta(hours=1)), Window(None, NOON + timedelta(hours=2)),
        ]  # fmt: skip
        assert shelf.fulls == [False, False, False, True]

    async def test_each_table_is_told_as_planned_or_unchanged(self, shelf: Shelf, run: Run) -> None:
        events: list[ProgressEvent] = []
        await run(A)
        with subscribed(events.append):
            await run(A, B, load=loaded)
        assert {(e.source, e.table, e.stage, e.batches) for e in events} == {
            ("shelf", "a", "unchanged", 0),
            ("shelf", "b", "planned", 1),
        }

    async def test_a_plan_and_a_load_of_ones_own_take_the_place_of_the_usual(
        self, shelf: Shelf, warehouse: DuckDBWarehouse, run: Run
    ) -> None:
        window = Window(NOON - timedelta(days=9), NOON - timedelta(days=8))

        async def plan(table: Table, state: TableState) -> list[BatchRequest]:
            return [BatchRequest(table, window, label="again")]

        outcome = await run(A, plan=plan, load=loaded)
        assert [result.window for result in outcome.results] == [window]
        assert shelf.fulls == []
        assert (await warehouse.state(A)).windows == ()

    async def test_a_batch_is_loaded_while_the_next_one_is_fetched(self, shelf: Shelf, run: Run) -> None:
        first = asyncio.Event()

        async def load(table: Table, manifest: Manifest) -> LoadResult:
            first.set()
            return await loaded(table, manifest)

        shelf.steps = ["a", first.wait, "b"]
        assert names(await run(A, B, load=load)) == (["a", "b"], [])

    async def test_a_warning_of_the_source_is_a_finding_for_the_log(self, shelf: Shelf, run: Run) -> None:
        shelf.warnings = {"a": "deletes are not shown"}
        outcome = await run(A, B, load=loaded)
        assert outcome.findings == [Finding("a", "a: deletes are not shown", is_alert=False)]


class TestSchema:
    @pytest.fixture
    async def reports(self, shelf: Shelf, run: Run) -> list[list[str]]:
        """Both tables are known; since then B has a field more."""
        await run(A, B)
        shelf.now += timedelta(hours=1)
        shelf.schemas["b"] = SchemaDrift("b", added=("Extra",))
        return []

    async def test_news_are_told_once_and_only_for_the_table_concerned(
        self, shelf: Shelf, run: Run, reports: list[list[str]]
    ) -> None:
        async def report(changes: Sequence[SchemaChange]) -> None:
            reports.append([change.table for change in changes])

        await run(A, B, report=report)
        assert reports == [["b"]]
        assert {request.table.name: request.extra for request in shelf.asked} == {"a": (), "b": ("Extra",)}
        assert {request.origin for request in shelf.asked} == {"shelf-1"}
        await run(A, B, report=report)
        assert reports == [["b"]]

    async def test_what_could_not_be_told_is_told_by_the_next_run(self, run: Run, reports: list[list[str]]) -> None:
        async def broken(_: Sequence[SchemaChange]) -> None:
            raise ConnectionError("nobody listens")

        async def report(changes: Sequence[SchemaChange]) -> None:
            reports.append([change.table for change in changes])

        with pytest.raises(ConnectionError):
            await run(A, B, report=broken)
        await run(A, B, report=report)
        assert reports == [["b"]]

    async def test_without_anyone_to_tell_it_is_remembered_all_the_same(
        self, warehouse: DuckDBWarehouse, run: Run, reports: list[list[str]]
    ) -> None:
        await run(A, B)
        assert "Extra" in (await warehouse.state(B)).fields

    async def test_a_field_that_is_gone_is_not_asked_for(self, shelf: Shelf, run: Run) -> None:
        wide = replace(A, columns=(*COLUMNS, Column("more", DataType.STRING, "more", "")))
        await run(wide, load=loaded)
        shelf.schemas["a"] = SchemaDrift("a", missing=("more",))
        await run(wide, load=loaded)
        assert [request.absent for request in shelf.asked] == [(), ("more",)]


class TestFailures:
    async def test_a_table_that_cannot_be_planned_does_not_stop_the_others(self, shelf: Shelf, run: Run) -> None:
        shelf.schemas = {"a": UnknownObject("no such thing"), "b": ValueError("odd")}
        events: list[ProgressEvent] = []
        with subscribed(events.append):
            outcome = await run(A, B, C, load=loaded)
        assert names(outcome) == (["c"], ["a", "b"])
        first, second = (failure.error for failure in outcome.failures)
        assert isinstance(first, UnknownObject) and first.facts == {"table": "a"}
        assert isinstance(second, ValueError)
        assert [(e.table, e.note, e.batches) for e in events if e.stage == "failed"] == [
            ("a", "no such thing", 0), ("b", "ValueError", 0),
        ]  # fmt: skip

    async def test_errors_of_the_source_belong_to_the_tables_they_name(self, shelf: Shelf, run: Run) -> None:
        inner = ExceptionGroup("inner", [RateLimited("spent", table="b"), WorkFailed("failed", table="c")])
        shelf.steps = ["a", ExceptionGroup("outer", [inner])]
        outcome = await run(A, B, C, load=loaded)
        assert names(outcome) == (["a"], ["b", "c"])
        assert [type(failure.error) for failure in outcome.failures] == [RateLimited, WorkFailed]

    async def test_an_error_that_names_no_table_is_the_reason_for_all_that_did_not_come(
        self, shelf: Shelf, run: Run
    ) -> None:
        lost = SourceUnavailable("the line is dead")
        shelf.steps = ["a", lost]
        outcome = await run(A, B, C, load=loaded)
        assert names(outcome) == (["a"], ["b", "c"])
        assert [failure.error for failure in outcome.failures] == [lost, lost]
        assert "table" not in lost.facts

    async def test_an_error_after_everything_came_is_reported_without_a_table(self, shelf: Shelf, run: Run) -> None:
        broken = ValueError("odd")
        shelf.steps = ["a", broken]
        outcome = await run(A, load=loaded)
        assert outcome.failures == [TableFailure("", broken)]
        assert len(outcome.results) == 1

    async def test_a_table_whose_batch_never_came_has_failed(self, shelf: Shelf, run: Run) -> None:
        shelf.steps = ["b"]
        outcome = await run(A, B, C, load=loaded)
        assert names(outcome) == (["b"], ["a", "c"])
        assert {str(failure.error).partition("\n")[0] for failure in outcome.failures} == {
            "shelf: its batch never arrived"
        }

    async def test_it_does_not_fail_for_the_reason_of_another_table(self, shelf: Shelf, run: Run) -> None:
        shelf.steps = ["a", WorkFailed("failed", table="b")]
        outcome = await run(A, B, C, load=loaded)
        assert {failure.table: type(failure.error) for failure in outcome.failures} == {
            "b": WorkFailed,
            "c": SourceUnavailable,
        }

    async def test_two_batches_of_a_table_that_never_came_are_one_failure(self, shelf: Shelf, run: Run) -> None:
        async def plan(table: Table, state: TableState) -> list[BatchRequest]:
            return [BatchRequest(table, Window(None, NOON), label=label) for label in ("one", "two")]

        shelf.steps = ["b"]
        assert names(await run(A, B, plan=plan, load=loaded)) == (["b", "b"], ["a"])

    async def test_a_load_that_fails_is_the_failure_of_its_table_alone(self, shelf: Shelf, run: Run) -> None:
        async def load(table: Table, manifest: Manifest) -> LoadResult:
            if table is A:
                raise WorkFailed("no room")
            return await loaded(table, manifest)

        outcome = await run(A, B, load=load)
        assert names(outcome) == (["b"], ["a"])
        (failure,) = outcome.failures
        assert isinstance(failure.error, WorkFailed) and failure.error.facts == {"table": "a"}


class TestStopped:
    """From outside: by the process's end, or by whoever waits."""

    async def test_while_planning_it_stops_the_run(self, shelf: Shelf, run: Run) -> None:
        shelf.schemas["a"] = StopNow()
        with pytest.raises(StopNow):
            await run(A, B, load=loaded)
        assert shelf.asked == []

    async def test_while_fetching_it_stops_the_loads_under_way_before_it_goes_on(self, shelf: Shelf, run: Run) -> None:
        started, stopped = asyncio.Event(), list[str]()

        async def load(table: Table, manifest: Manifest) -> LoadResult:
            try:
                started.set()
                await asyncio.Event().wait()
                return await loaded(table, manifest)
            finally:
                stopped.append(table.name)

        shelf.steps = ["a", started.wait, StopNow()]
        with pytest.raises(StopNow):
            await run(A, B, load=load)
        assert stopped == ["a"]


class TestFileTables:
    async def test_what_the_source_found_and_what_went_to_the_archive_is_said(self, shelf: Shelf, run: Run) -> None:
        late = Finding("f1", "f1: no file since Monday", is_alert=True)
        shelf.said = {"f1": [late], "a": [Finding("a", "never asked", is_alert=True)]}
        shelf.archived = {"f2": ["x.csv", "y.csv"]}
        outcome = await run(A, *FILES, load=loaded)
        assert outcome.findings == [
            late,
            Finding("f2", "f2: 2 files that are loaded went to the archive.", is_alert=False),
        ]

    async def test_a_table_that_failed_is_left_alone_and_the_next_is_not(self, shelf: Shelf, run: Run) -> None:
        shelf.steps = ["f2", "f3"]
        shelf.archived = {"f1": ["x.csv"], "f2": ["y.csv"]}
        outcome = await run(*FILES, load=loaded)
        assert names(outcome) == (["f2", "f3"], ["f1"])
        assert [finding.table for finding in outcome.findings] == ["f2"]

    async def test_what_goes_wrong_there_is_an_alert_and_no_failure(self, shelf: Shelf, run: Run) -> None:
        shelf.said = {"f1": WorkFailed("cannot list", remedy="Ask for the right.")}
        shelf.archived = {"f2": WorkFailed("cannot move", remedy="Ask again."), "f3": ["z.csv"]}
        outcome = await run(*FILES, load=loaded)
        assert names(outcome) == (["f1", "f2", "f3"], [])
        assert [(finding.text, finding.is_alert) for finding in outcome.findings] == [
            ("f1: cannot list What to do: Ask for the right.", True),
            ("f2: cannot move What to do: Ask again.", True),
            ("f3: 1 files that are loaded went to the archive.", False),
        ]
