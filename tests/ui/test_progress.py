"""How far a load is: figures that never go back, written seldom, however long it lasts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect import Flow, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from connectors.progress import ProgressEvent, emit, subscribed
from flows.netsuite import netsuite
from flows.progress import GAP_SECONDS, LoadProgress, Pace, shown
from flows.s3_usage import s3_usage
from flows.salesforce import salesforce
from flows.zuora import zuora
from tests.ui.conftest import Stage
from tests.ui.door import Door

HOUR = 3600.0


def event(stage: Any, table: str = "a", **figures: int) -> ProgressEvent:
    return ProgressEvent("salesforce", table, stage, **figures)


def test_a_table_moves_from_planned_to_loaded_by_its_rows() -> None:
    progress = LoadProgress.of("salesforce", ["a"])
    seen: list[float] = [progress.percent()]
    for one in (
        event("planned", batches=1),
        event("waiting"),
        event("extracting", rows=250, of_rows=1000),
        event("extracting", rows=750, of_rows=1000, bytes=2**21),
    ):
        progress.take(one)
        seen.append(progress.percent())
    assert progress.text(90) == "0 of 1 tables done after 90 s. a: 750 of 1,000 rows, 2.0 MiB read"
    for one in (event("extracted", rows=1000), event("loading", rows=1000), event("loaded", rows=1000)):
        progress.take(one)
        seen.append(progress.percent())
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 100)
    assert progress.text(600) == "1 of 1 tables done after 10 min."


def test_a_backfill_moves_by_its_batches() -> None:
    progress = LoadProgress.of("salesforce", ["a"])
    progress.take(event("planned", batches=4))
    for _ in range(3):
        progress.take(event("loaded", rows=1_000))
    assert progress.percent() == 75
    assert progress.text(30) == "0 of 1 tables done after 30 s. a: 3 of 4 batches, 3,000 rows"


def test_files_move_by_their_bytes_and_failed_tables_are_named() -> None:
    progress = LoadProgress.of("salesforce", ["a", "b", "c"])
    progress.take(event("extracting", "a", bytes=50, of_bytes=100))
    progress.take(event("failed", "b"))
    progress.take(event("unchanged", "c"))
    assert 66 < progress.percent() < 100
    assert "Failed: b." in progress.text(1)
    assert "2 of 3 tables done" in progress.text(1)


def test_another_source_in_the_same_process_is_left_alone() -> None:
    progress = LoadProgress.of("salesforce", ["a"])
    progress.take(ProgressEvent("zuora", "a", "loaded"))
    assert progress.percent() == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["planned", "waiting", "extracting", "extracted", "loading", "loaded", "unchanged", "failed"]
            ),
            st.sampled_from(["a", "b", "c"]),
            st.integers(0, 10**9),
            st.integers(0, 10**9),
            st.integers(0, 5),
        )
    )
)
def test_no_order_of_events_makes_it_go_back_or_over(events: list[tuple[Any, str, int, int, int]]) -> None:
    progress = LoadProgress.of("salesforce", ["a", "b"])
    before = 0.0
    for stage, table, rows, of_rows, batches in events:
        progress.take(event(stage, table, rows=rows, of_rows=of_rows, batches=batches))
        assert before <= progress.percent() <= 100
        before = progress.percent()
        assert progress.text(1.0)


@given(st.lists(st.tuples(st.floats(0.1, 600), st.floats(0, 10)), max_size=400))
def test_writes_are_bounded_whatever_the_load_does(steps: list[tuple[float, float]]) -> None:
    now = percent = 0.0
    pace, writes = Pace(0.0), 0
    for seconds, more in steps:
        now, percent = now + seconds, min(100.0, percent + more)
        if pace.is_due(now, percent):
            pace.wrote(now, percent)
            writes += 1
    assert writes + 1 <= Pace.most(now)


def test_a_load_that_lasts_twice_as_long_may_write_once_more() -> None:
    assert Pace.most(20 * HOUR) == Pace.most(10 * HOUR) + 1
    assert Pace.most(24 * HOUR) <= 36


async def artifact(key: str) -> Any:
    """The newest artifact of a key."""
    async with get_client() as client:
        found = await client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
        return max(found, key=lambda one: one.updated)


async def loads(door: Door, pages: int) -> int:
    """Calls about artifacts of a load that shows `pages` pages in a day, of which each look sees one."""
    now = 0.0
    looked = asyncio.Event()

    def clock() -> float:
        looked.set()
        return now

    @flow(name="load")
    async def load() -> None:
        nonlocal now
        async with shown("salesforce", ["a"], look_seconds=0.0, clock=clock):
            for page in range(pages):
                now += 24 * HOUR / pages
                emit(event("extracting", rows=page, of_rows=pages))
                looked.clear()
                await looked.wait()
            emit(event("loaded", rows=pages))

    door.calls.clear()
    async with asyncio.timeout(300):
        await load()
    return sum(count for call, count in door.calls.items() if "artifacts" in call)


async def test_calls_to_the_server_do_not_grow_with_the_load(door: Door) -> None:
    with door.used():
        few, many = await loads(door, 100), await loads(door, 2_000)
    assert 2 < few <= Pace.most(24 * HOUR)
    assert 2 < many <= Pace.most(24 * HOUR)
    last = await artifact("progress-salesforce")
    assert float(last.data) == 100
    assert last.description == "1 of 1 tables done after 1,440 min."


def test_a_real_load_of_many_pages_asks_the_server_no_oftener_than_one_of_few(stage: Stage, door: Door) -> None:
    def calls(page_rows: int) -> tuple[int, int]:
        pages: list[ProgressEvent] = []
        settings = {"MGDW_SALESFORCE_PAGE_ROWS": str(page_rows), "MGDW_SALESFORCE_REST_BELOW_ROWS": "0"}
        stage.sandbox.advance(1)
        with door.used(), subscribed(pages.append):
            stage.run(salesforce, full=True, changes=settings)
            asked = sum(count for call, count in door.calls.items() if call != "POST logs")
        return asked, sum(page.stage == "extracting" for page in pages)

    (few, few_pages), (many, many_pages) = calls(100_000), calls(10)
    assert many_pages > 10 * few_pages
    assert many <= few + Pace.most(HOUR) < many_pages


async def test_a_short_load_has_no_progress_artifact_and_costs_no_call(door: Door) -> None:
    @flow(name="load")
    async def load() -> None:
        async with shown("salesforce", ["a"], look_seconds=0.0, clock=lambda: 0.0):
            emit(event("loaded"))

    with door.used():
        await load()
    assert not [call for call in door.calls if "artifacts" in call]


async def test_a_server_in_trouble_harms_no_load_and_is_told_once(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with door.used("artifacts"), caplog.at_level("WARNING", logger="prefect.flow_runs"):
        assert await loads(door, 100) > 2
    told = [record.getMessage() for record in caplog.records if "was not written" in record.getMessage()]
    assert len(told) == 1
    assert "the run goes on without" in told[0]


@pytest.mark.parametrize(
    ("source", "table", "real"),
    [
        ("salesforce", "sfdc_opportunity", salesforce),
        ("netsuite", "netsuite_invoices", netsuite),
        ("zuora", "zuora_invoice", zuora),
        ("s3", "s3_cm_usage_data", s3_usage),
    ],
)
def test_every_source_says_how_much_there_is_before_it_is_read(
    stage: Stage, source: str, table: str, real: Flow[..., Any]
) -> None:
    events: list[ProgressEvent] = []
    stage.sandbox.advance(1)
    with subscribed(events.append):
        stage.run(real, tables=[table], full=True, changes={"MGDW_SALESFORCE_REST_BELOW_ROWS": "0"})
    ours = [one for one in events if (one.source, one.table) == (source, table)]
    assert [one.batches for one in ours if one.stage == "planned"] == [1]
    read = [one for one in ours if one.stage == "extracting" and (one.rows or one.bytes)]
    assert read
    last, loaded = read[-1], next(one for one in ours if one.stage == "loaded")
    assert last.of_rows == loaded.rows or last.of_bytes == last.bytes
    assert GAP_SECONDS > 1
