"""Queries that are too much for one job: cut in half by time, the oldest half first, and no row is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.batch import BatchRequest
from connectors.errors import WorkFailed
from connectors.lake.local import LocalLake
from connectors.salesforce.soql import Query, Span
from connectors.window import Window
from sandbox.salesforce import SalesforceOptions
from tests.connectors.salesforce.conftest import ACCOUNT, OPPORTUNITY, Extract, Served, rows, window
from tests.sandbox.salesforce.tiny_world import TinyWorld, account_id

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
EVERYBODY = [account_id(n) for n in range(1, 41)]
STAMPS = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@pytest.fixture
def options() -> SalesforceOptions:
    return SalesforceOptions(bulk_page_rows=10, most_rows_in_time=12)


@pytest.fixture
def created(world: TinyWorld) -> None:
    """Accounts made one a day, so that there is something to cut by."""
    world.sql(
        """UPDATE salesforce."Account" SET "CreatedDate" = TIMESTAMP '2026-01-01' + to_days("NumberOfEmployees"::INT)"""
    )


def keep_editing(served: Served, edit: Callable[[int], None]) -> None:
    """Call `edit` with a number before every job is made."""
    count = iter(range(100_000))
    served.faults.arm("POST .*/jobs/query$", times=None, act=lambda: edit(next(count)))


class TestWindow:
    @pytest.fixture
    def world(self) -> TinyWorld:
        world = TinyWorld()
        world.now = JUNE + timedelta(days=1)
        return world

    async def test_a_window_that_is_too_much_is_read_in_pieces(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        manifest = await extract(window=window(JUNE, minutes=45))
        assert [row["Id"] for row in rows(lake, manifest)] == EVERYBODY
        assert manifest.source_rows == 40
        assert len(manifest.details["queries"]) == 4
        assert served.jobs_left == 0

    async def test_the_pieces_meet_and_the_oldest_comes_first(self, served: Served, extract: Extract) -> None:
        manifest = await extract(window=window(JUNE, minutes=45))
        pieces = [re.findall(r"[<>]=? (\S+Z)", query["soql"]) for query in manifest.details["queries"]]
        assert [piece[0] for piece in pieces[1:]] == [piece[1] for piece in pieces[:-1]]
        assert pieces[0][0] == "2026-06-01T00:00:00.000Z"
        assert pieces[-1][1] == "2026-06-01T00:45:00.000Z"
        assert pieces == sorted(pieces)

    async def test_repeating_it_asks_the_same(self, served: Served, extract: Extract, lake: LocalLake) -> None:
        await extract(window=window(JUNE, minutes=45))
        first = list(served.org.jobs.asked)
        for manifest in lake.root.rglob("manifest.json"):
            manifest.unlink()
        await extract(window=window(JUNE, minutes=45))
        assert served.org.jobs.asked == first * 2

    async def test_a_burst_within_one_second_cannot_be_cut(
        self, served: Served, world: TinyWorld, extract: Extract
    ) -> None:
        world.sql("""UPDATE salesforce."Account" SET "SystemModstamp" = TIMESTAMP '2026-06-01 00:10:00'""")
        with pytest.raises(WorkFailed, match="retried more than fifteen times") as caught:
            await extract(window=window(JUNE, minutes=45))
        assert "small pieces" in caught.value.remedy
        assert served.jobs_left == 0

    async def test_a_job_that_never_ends_is_stopped_and_halved(
        self, served: Served, options: SalesforceOptions, extract: Extract, lake: LocalLake
    ) -> None:
        options.most_rows_in_time = None
        served.org.jobs.arm("FROM Account", polls=10_000_000)
        manifest = await extract(window=window(JUNE, minutes=45), job_deadline_seconds=300, longest_poll_seconds=1)
        assert len(rows(lake, manifest)) == 40
        assert len(manifest.details["queries"]) >= 2
        assert served.jobs_left == 0

    async def test_a_failure_that_is_no_timeout_is_not_tried_in_pieces(self, served: Served, extract: Extract) -> None:
        served.org.jobs.arm("FROM Account", fail="InternalServerError : the disk is on fire")
        with pytest.raises(WorkFailed, match="disk is on fire"):
            await extract(window=window(JUNE, minutes=45))
        assert len(served.org.jobs.asked) == 1


@pytest.mark.usefixtures("created")
class TestSnapshot:
    async def test_a_whole_object_is_cut_by_the_day_its_rows_were_made(
        self, served: Served, extract: Extract, lake: LocalLake
    ) -> None:
        manifest = await extract()
        assert [row["Id"] for row in rows(lake, manifest)] == EVERYBODY
        pieces = [query["soql"].partition(" WHERE ")[2] for query in manifest.details["queries"]]
        assert all("CreatedDate" in piece and "SystemModstamp" not in piece for piece in pieces)
        assert ">=" not in pieces[0]
        assert "< " not in pieces[-1]
        assert served.jobs_left == 0

    async def test_rows_that_change_and_rows_that_come_meanwhile_are_in_it(
        self, served: Served, world: TinyWorld, extract: Extract, lake: LocalLake
    ) -> None:
        hi = world.now

        def edit(number: int) -> None:
            world.now += timedelta(seconds=1)
            stamp = world.now.replace(tzinfo=None)
            world.sql('UPDATE salesforce."Account" SET "SystemModstamp" = ? WHERE "NumberOfEmployees" % 7 = ?',
                      [stamp, number % 7])  # fmt: skip
            world.sql('INSERT INTO salesforce."Account" ("Id", "IsDeleted", "CreatedDate", "SystemModstamp")'
                      " VALUES (?, false, ?, ?)", [account_id(900 + number), stamp, stamp])  # fmt: skip

        keep_editing(served, edit)
        found = [row["Id"] for row in rows(lake, await extract(window=Window(None, hi)))]
        assert set(EVERYBODY) <= set(found)
        assert len(found) == len(set(found))

    async def test_without_a_day_of_creation_it_is_cut_by_the_cursor_and_still_loses_nothing(
        self, served: Served, world: TinyWorld, extract: Extract, lake: LocalLake
    ) -> None:
        world.sql('ALTER TABLE salesforce."Account" DROP COLUMN "CreatedDate"')
        hi = world.now

        def edit(number: int) -> None:
            world.now += timedelta(seconds=1)
            world.sql('UPDATE salesforce."Account" SET "SystemModstamp" = ? WHERE "NumberOfEmployees" % 5 = ?',
                      [world.now.replace(tzinfo=None), number % 5])  # fmt: skip

        served.org.options.most_rows_in_time = 30
        keep_editing(served, edit)
        manifest = await extract(window=Window(None, hi))
        assert set(EVERYBODY) == {row["Id"] for row in rows(lake, manifest)}
        assert "SystemModstamp <" in manifest.details["queries"][0]["soql"]

    async def test_an_empty_object_that_is_too_much_is_an_error(self, served: Served, extract: Extract) -> None:
        served.world.sql('DELETE FROM salesforce."Opportunity"')
        served.org.jobs.arm("FROM Opportunity", fail="Query timed out")
        with pytest.raises(WorkFailed, match="timed out"):
            await extract(OPPORTUNITY)

    async def test_keys_are_read_in_pieces_as_well(self, served: Served, lake: LocalLake) -> None:
        request = BatchRequest(ACCOUNT, Window(None, served.world.now), scope="keys")
        async with served.source() as source:
            (manifest,) = [manifest async for manifest in source.extract([request], lake)]
        living = [account_id(n) for n in range(1, 41) if n % 10 != 9]
        assert [row["Id"] for row in rows(lake, manifest, "keys")] == living
        assert {part.kind for part in manifest.parts} == {"keys"}
        assert manifest.source_rows == 36


@given(STAMPS, STAMPS, STAMPS, STAMPS)
def test_halves_are_disjoint_and_together_the_whole(
    lo: datetime, hi: datetime, earliest: datetime, row: datetime
) -> None:
    lo, hi = sorted((lo, hi))
    for span in (Span("X", lo, hi), Span("X", None, hi), Span("X", lo, None), Span("X")):
        query = Query(ACCOUNT, ("Id",), span)
        middle = query.cut(min(earliest, lo), hi)
        if middle is None:
            assert hi - lo < timedelta(seconds=3)
            continue
        halves = [half.span for half in query.halves(middle)]
        assert [_holds(half, row) for half in halves].count(True) == _holds(span, row)


def _holds(span: Span | None, row: datetime) -> bool:
    assert span is not None
    return (span.lo is None or span.lo <= row) and (span.hi is None or row < span.hi)
