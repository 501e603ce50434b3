"""Jobs that a process left behind when it died: the next run takes them up, and what it loads is right."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Contract, Table
from connectors.errors import SourceUnavailable
from connectors.lake.local import LocalLake
from connectors.salesforce.unfinished import NAME
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.window import Window
from sandbox.salesforce import SalesforceOptions
from tests.connectors.salesforce.conftest import ACCOUNT, Served, rows, window
from tests.connectors.salesforce.test_choice import FLAT
from tests.sandbox.salesforce.tiny_world import TinyWorld, account_id

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
POLL = r"GET .*/jobs/query/\w+$"

Die = Callable[..., Awaitable[None]]


async def run(served: Served, lake: LocalLake, request: BatchRequest, **changes: Any) -> Manifest:
    async with served.source(**{"rest_below_rows": 0, **changes}) as source:
        try:
            (manifest,) = [manifest async for manifest in source.extract([request], lake)]
        except ExceptionGroup as group:
            (error,) = group.exceptions
            raise error from None
    return manifest


@pytest.fixture
def die(served: Served, lake: LocalLake) -> Die:
    """Run a request and die at the first (or a later) call that matches."""

    async def at(call: str, request: BatchRequest, after: int = 0, **changes: Any) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(run(served, lake, request, **changes))
        served.faults.arm(call, after=after, act=lambda: loop.call_soon_threadsafe(task.cancel))
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    return at


def snapshot(served: Served, of: Table = ACCOUNT, **changes: Any) -> BatchRequest:
    return replace(BatchRequest(of, Window(None, served.world.now)), **changes)


def note(lake: LocalLake) -> Any:
    return json.loads((lake.root / "raw/salesforce/sfdc_account" / NAME).read_text())


@pytest.mark.parametrize("call", [POLL, "GET .*/resultPages", "GET .*/results"])
async def test_a_job_is_taken_up_where_the_process_died(served: Served, lake: LocalLake, die: Die, call: str) -> None:
    await die(call, snapshot(served))
    assert served.jobs_left == 1
    manifest = await run(served, lake, snapshot(served))
    assert len(rows(lake, manifest)) == manifest.source_rows == 40
    assert len(served.org.jobs.asked) == 1
    assert served.jobs_left == 0
    assert note(lake) == {}


async def test_leaving_early_is_dying(served: Served, lake: LocalLake) -> None:
    requests = [snapshot(served, replace(ACCOUNT, name=f"sfdc_account_{n}")) for n in range(3)]
    async with served.source(tables_at_once=1, rest_below_rows=0) as source:
        manifests = source.extract(requests, lake)
        await anext(manifests)
        await manifests.aclose()
    async with served.source(rest_below_rows=0) as source:
        found = [manifest async for manifest in source.extract(requests, lake)]
    assert [manifest.source_rows for manifest in found] == [40] * 3
    assert served.jobs_left == 0


async def test_an_outage_leaves_the_job_for_the_next_run(served: Served, lake: LocalLake) -> None:
    served.faults.arm(POLL, times=4, status=503)
    with pytest.raises(SourceUnavailable):
        await run(served, lake, snapshot(served))
    await run(served, lake, snapshot(served))
    assert len(served.org.jobs.asked) == 1
    assert served.jobs_left == 0


@pytest.mark.parametrize("meanwhile", ["expired", "failed"])
async def test_a_job_that_is_gone_is_made_anew(served: Served, lake: LocalLake, die: Die, meanwhile: str) -> None:
    if meanwhile == "failed":
        served.org.jobs.arm("FROM Account", fail="InternalServerError : the disk is on fire")
    await die(POLL, snapshot(served))
    (job,) = served.org.jobs.all()
    if meanwhile == "expired":
        while str(job.state) != "JobComplete":
            await asyncio.sleep(0)
        served.org.jobs.delete(job.id)
    manifest = await run(served, lake, snapshot(served))
    assert manifest.source_rows == 40
    assert len(served.org.jobs.asked) == 2


async def test_a_job_that_another_process_finishes_and_deletes_under_us_is_made_anew(
    served: Served, lake: LocalLake, die: Die
) -> None:
    await die("GET .*/results", snapshot(served))
    (job,) = served.org.jobs.all()
    served.faults.arm("GET .*/results", after=1, act=lambda: served.org.jobs.delete(job.id))
    manifest = await run(served, lake, snapshot(served), pages_at_once=1)
    assert len(rows(lake, manifest)) == manifest.source_rows == 40
    assert len(served.org.jobs.asked) == 2
    assert served.jobs_left == 0


async def test_a_note_that_makes_no_sense_is_no_harm(served: Served, lake: LocalLake) -> None:
    for text in ("", "[]", "{", '{"rows beginning": {"hi": "yesterday"}}', '{"rows beginning": 7}'):
        await lake.note("raw/salesforce/sfdc_account", NAME, text)
        manifest = await run(served, lake, snapshot(served, label=f"note {len(text)}"))
        assert manifest.source_rows == 40


@pytest.mark.parametrize(
    ("changes", "settings"),
    [({"absent": ("Name",)}, {}), ({}, {"api_version": "63.0"}), ({"label": "again"}, {})],
    ids=["other fields", "another version", "another reading"],
)
async def test_a_job_for_something_else_is_not_taken_up(
    served: Served, lake: LocalLake, die: Die, changes: dict[str, Any], settings: dict[str, Any]
) -> None:
    await die(POLL, snapshot(served))
    manifest = await run(served, lake, snapshot(served, **changes), **settings)
    assert manifest.source_rows == 40
    assert len(served.org.jobs.asked) == 2


class TestTheNextDay:
    """The clock has moved: the window of the next run ends later than that of the run that died."""

    @pytest.fixture
    def change(self, served: Served, world: TinyWorld) -> Callable[[], None]:
        def change() -> None:
            """What people do in an hour: edit, make, bin, and delete for good."""
            world.now += timedelta(hours=1)
            stamp = (world.now - timedelta(minutes=30)).replace(tzinfo=None)
            update = 'UPDATE salesforce."Account" SET "SystemModstamp" = ?,'
            world.sql(f"""{update} "Name" = 'edited' WHERE "Id" = ?""", [stamp, account_id(1)])
            world.sql(f'{update} "IsDeleted" = true WHERE "Id" = ?', [stamp, account_id(2)])
            world.sql('UPDATE salesforce."Account" SET "_deleted_at" = ? WHERE "Id" = ?', [stamp, account_id(3)])
            world.sql(
                'INSERT INTO salesforce."Account" ("Id", "IsDeleted", "Name", "CreatedDate", "SystemModstamp")'
                " VALUES (?, false, 'new', ?, ?)", [account_id(99), stamp, stamp],
            )  # fmt: skip

        return change

    async def loaded(self, lake: LocalLake, tmp_path: Path, *manifests: Manifest) -> dict[str, str]:
        async with DuckDBWarehouse(tmp_path / "warehouse.duckdb") as warehouse:
            await warehouse.ensure(Contract((FLAT,)))
            for manifest in manifests:
                await warehouse.load(FLAT, manifest, lake, run_id="test")
            found = await warehouse.rows("SELECT id, name FROM STG.sfdc_account WHERE NOT _deleted")
        return {row["id"]: row["name"] for row in found}

    def living(self, world: TinyWorld) -> dict[str, str]:
        query = 'SELECT "Id", "Name" FROM salesforce."Account" WHERE "_deleted_at" IS NULL AND NOT "IsDeleted"'
        return dict(world.sql(query).fetchall())

    async def test_a_whole_object_is_completed_by_what_changed_since(
        self, served: Served, world: TinyWorld, lake: LocalLake, die: Die, change: Callable[[], None], tmp_path: Path
    ) -> None:
        await die("GET .*/results", snapshot(served, FLAT))
        change()
        manifest = await run(served, lake, snapshot(served, FLAT), rest_below_rows=2000)
        assert len(served.org.jobs.asked) == 1
        assert [query["by"].split()[0] for query in manifest.details["queries"]] == ["bulk", "rest"]
        assert await self.loaded(lake, tmp_path, manifest) == self.living(world)
        assert served.jobs_left == 0

    async def test_a_window_is_completed_as_well(
        self, served: Served, world: TinyWorld, lake: LocalLake, die: Die, change: Callable[[], None], tmp_path: Path
    ) -> None:
        first = await run(served, lake, BatchRequest(FLAT, Window(None, JUNE + timedelta(minutes=20))))
        lo = JUNE + timedelta(minutes=20)
        world.now = datetime(2026, 6, 3, tzinfo=UTC)
        await die("GET .*/results", BatchRequest(FLAT, Window(lo, world.now)))
        change()
        manifest = await run(served, lake, BatchRequest(FLAT, Window(lo, world.now)))
        assert await self.loaded(lake, tmp_path, first, manifest) == self.living(world)
        assert "2026-06-03T00:00:00.000Z" in manifest.details["queries"][0]["soql"]

    async def test_after_two_days_it_is_read_anew(
        self, served: Served, world: TinyWorld, lake: LocalLake, die: Die
    ) -> None:
        await die("GET .*/results", snapshot(served))
        world.now += timedelta(days=2)
        manifest = await run(served, lake, snapshot(served))
        assert len(manifest.details["queries"]) == 1
        assert len(served.org.jobs.asked) == 2
        assert served.jobs_left == 0

    async def test_keys_are_read_anew(
        self, served: Served, lake: LocalLake, die: Die, change: Callable[[], None]
    ) -> None:
        await die("GET .*/results", snapshot(served, scope="keys"))
        change()
        manifest = await run(served, lake, snapshot(served, scope="keys"))
        assert account_id(99) in {row["Id"] for row in rows(lake, manifest, "keys")}
        assert len(served.org.jobs.asked) == 2
        assert served.jobs_left == 0


class TestPieces:
    @pytest.fixture
    def world(self) -> TinyWorld:
        world = TinyWorld()
        world.now = JUNE + timedelta(days=1)
        return world

    @pytest.fixture
    def options(self) -> SalesforceOptions:
        return SalesforceOptions(bulk_page_rows=10, most_rows_in_time=25)

    async def test_pieces_that_were_read_are_taken_up_and_what_was_too_much_is_not_tried_again(
        self, served: Served, lake: LocalLake, die: Die
    ) -> None:
        whole = BatchRequest(ACCOUNT, window(JUNE, minutes=41))
        await die("GET .*/results", whole, after=3)
        before = len(served.org.jobs.asked)
        assert before == 3
        manifest = await run(served, lake, whole)
        assert [row["Id"] for row in rows(lake, manifest)] == [account_id(n) for n in range(1, 41)]
        assert len(served.org.jobs.asked) == before
        assert served.jobs_left == 0

    async def test_a_later_piece_is_made_anew_when_an_earlier_one_is(
        self, served: Served, lake: LocalLake, die: Die
    ) -> None:
        whole = BatchRequest(ACCOUNT, window(JUNE, minutes=41))
        await die("GET .*/results", whole, after=3)
        served.org.jobs.delete(served.org.jobs.all()[0].id)
        manifest = await run(served, lake, whole)
        assert manifest.source_rows == 40
        assert len(served.org.jobs.asked) == 5
        assert served.jobs_left == 0

    async def test_a_row_that_moves_between_pieces_of_two_runs_is_not_lost(
        self, served: Served, world: TinyWorld, lake: LocalLake, die: Die
    ) -> None:
        """The first piece's job is gone and it comes by REST now; the second is a job of the run that died."""
        world.now = JUNE + timedelta(minutes=41)
        world.sql('ALTER TABLE salesforce."Account" DROP COLUMN "CreatedDate"')
        table = replace(FLAT, columns=tuple(c for c in FLAT.columns if c.field != "CreatedDate"))
        await die("GET .*/results", BatchRequest(table, Window(None, world.now)), after=3)
        served.org.jobs.delete(served.org.jobs.all()[0].id)
        hi = world.now
        world.now += timedelta(minutes=1)
        world.sql(
            'UPDATE salesforce."Account" SET "SystemModstamp" = ? WHERE "Id" = ?',
            [world.now.replace(tzinfo=None), account_id(1)],
        )
        manifest = await run(served, lake, BatchRequest(table, Window(None, hi)), rest_below_rows=30)
        assert {row["Id"] for row in rows(lake, manifest)} == {account_id(n) for n in range(1, 41)}
        assert served.jobs_left == 0
