"""The pages of one finished job, from a server that serves nothing else."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from connectors.errors import SourceUnavailable, UnreadableFile
from connectors.http import HttpSession, RetryPolicy
from connectors.lake.local import LocalLake, LocalPartWriter
from connectors.progress import ProgressEvent, subscribed
from connectors.salesforce.pages import Page, PageCopy
from connectors.salesforce.result import Sink
from connectors.salesforce.settings import SalesforceSettings
from sandbox.faults import FaultInjector, Faults
from sandbox.server import Servers
from tests.connectors.salesforce.conftest import USER, Pauses

HEADER = "Id,Username,SystemModstamp\n"
JOB = "/jobs/750"
Answer = Callable[[Request], Awaitable[Response]]


def csv(*ids: str) -> bytes:
    return (HEADER + "".join(f"{one},,\n" for one in ids)).encode()


def page(*ids: str, locator: str | None = None, **headers: str) -> Response:
    """One page of rows; `locator` names the next one."""
    told = {"Sforce-NumberOfRecords": str(len(ids)), "Content-Type": "text/csv"}
    told |= {} if locator is None else {"Sforce-Locator": locator}
    return Response(csv(*ids), headers={**told, **{k.replace("_", "-"): v for k, v in headers.items()}})


@dataclass
class Job:
    """A finished job. Test by test: the answers to `resultPages` in their order, and to each address of rows.

    Attributes:
        asked: path and query of each request.
    """

    lists: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    answers: dict[str, Answer | Response] = field(default_factory=dict[str, "Answer | Response"])
    asked: list[str] = field(default_factory=list[str])
    faults: Faults = field(default_factory=Faults)

    def app(self) -> FaultInjector:
        routes = [Route("/jobs/750/resultPages", self._list), Route("/{path:path}", self._rows)]
        return FaultInjector(Starlette(routes=routes), self.faults)

    def _note(self, request: Request) -> str:
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.asked.append(target)
        return target

    async def _list(self, request: Request) -> Response:
        self._note(request)
        return JSONResponse(self.lists.pop(0))

    async def _rows(self, request: Request) -> Response:
        answer = self.answers[self._note(request)]
        return answer if isinstance(answer, Response) else await answer(request)


@dataclass
class Copied:
    """What was copied, and what its sink was told."""

    pages: list[Page]
    sink: Sink

    @property
    def names(self) -> list[str]:
        return [one.part.name.rpartition("-")[0] for one in self.pages if one.part]


class WatchedLake(LocalLake):
    """Says when a part's file is open."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.opened = threading.Semaphore(0)

    @asynccontextmanager
    async def new_part(self, prefix: str, name: str, **what: Any) -> AsyncGenerator[LocalPartWriter]:
        async with super().new_part(prefix, name, **what) as writer:
            self.opened.release()
            yield writer


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as running:
        yield running


@pytest.fixture
def job() -> Job:
    return Job()


@pytest.fixture
def url(servers: Servers, job: Job) -> str:
    return servers.serve(job.app())


@pytest.fixture
def lake(tmp_path: Path) -> WatchedLake:
    return WatchedLake(tmp_path)


Copy = Callable[..., Awaitable[Copied]]


@pytest.fixture
async def copy(url: str, lake: LocalLake) -> AsyncIterator[Copy]:
    async with HttpSession(url, name="salesforce", retry=RetryPolicy(attempts=3, sleep=Pauses().sleep)) as session:

        async def run(fields: tuple[str, ...] = USER.fields, **changes: Any) -> Copied:
            settings = SalesforceSettings(login_url=url, **changes)
            sink = Sink(USER, lake, "raw/x")
            async with asyncio.timeout(20):
                return Copied(list(await PageCopy(session, settings, JOB, fields, sink).all()), sink)

        yield run


def files(lake: LocalLake) -> list[str]:
    return sorted(path.name for path in lake.root.rglob("*") if path.is_file())


def listed(*urls: str, **more: Any) -> dict[str, Any]:
    return {"resultPages": [{"resultUrl": url} for url in urls], **more}


class TestOneAfterTheOther:
    async def test_a_page_size_is_asked_of_every_page_and_locators_lead_on(self, job: Job, copy: Copy) -> None:
        job.answers = {
            f"{JOB}/results?maxRecords=2": page("1", "2", locator="a b"),
            f"{JOB}/results?locator=a+b&maxRecords=2": page("3", locator="c"),
            f"{JOB}/results?locator=c&maxRecords=2": page("4", locator="null"),
        }
        copied = await copy(page_rows=2)
        assert job.asked == list(job.answers)
        assert [(one.rows, one.locator) for one in copied.pages] == [(2, "a b"), (1, "c"), (1, None)]
        assert copied.names == ["rows-00000", "rows-00001", "rows-00002"]

    async def test_before_version_58_pages_follow_their_locators(self, job: Job, copy: Copy) -> None:
        job.answers = {f"{JOB}/results": page("1", locator="z"), f"{JOB}/results?locator=z": page("2", locator="")}
        copied = await copy(api_version="57.0")
        assert [one.rows for one in copied.pages] == [1, 1]
        assert job.asked == list(job.answers)

    async def test_a_page_without_a_locator_is_the_last(self, job: Job, copy: Copy) -> None:
        job.answers = {f"{JOB}/results": page("1")}
        assert len((await copy(api_version="57.0")).pages) == 1


class TestSideBySide:
    @pytest.mark.parametrize("name", ["nextRecordsUrl", "nextRecordUrl"])
    async def test_from_version_58_all_pages_are_named_before_they_are_fetched(
        self, job: Job, copy: Copy, name: str
    ) -> None:
        job.lists = [
            listed("/p/1", "/p/2", **{name: f"{JOB}/resultPages?from=2"}),
            listed("/p/3", done=True),
        ]
        job.answers = {"/p/1": page("1", "2", locator="ignored"), "/p/2": page("3"), "/p/3": page("4")}
        copied = await copy(api_version="58.0", pages_at_once=1)
        assert job.asked == [f"{JOB}/resultPages", f"{JOB}/resultPages?from=2", "/p/1", "/p/2", "/p/3"]
        assert [one.rows for one in copied.pages] == [2, 1, 1]
        assert copied.names == ["rows-00000", "rows-00001", "rows-00002"]

    async def test_a_list_that_is_done_is_not_followed(self, job: Job, copy: Copy) -> None:
        job.lists = [listed("/p/1", done=True, nextRecordsUrl=f"{JOB}/resultPages?from=1")]
        job.answers = {"/p/1": page("1")}
        assert len((await copy()).pages) == 1

    async def test_a_list_that_says_it_is_not_done_is_followed(self, job: Job, copy: Copy) -> None:
        job.lists = [listed("/p/1", done=False, nextRecordsUrl=f"{JOB}/resultPages?from=1"), listed("/p/2")]
        job.answers = {"/p/1": page("1"), "/p/2": page("2")}
        assert [one.rows for one in (await copy()).pages] == [1, 1]

    async def test_as_many_pages_come_at_once_as_the_settings_say(self, job: Job, copy: Copy) -> None:
        partner, open_now, most = asyncio.Barrier(2), 0, 0

        async def together(request: Request) -> Response:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            await partner.wait()
            open_now -= 1
            return page(request.url.path)

        job.lists = [listed("/p/1", "/p/2", "/p/3", "/p/4", done=True)]
        job.answers = dict.fromkeys(("/p/1", "/p/2", "/p/3", "/p/4"), together)
        copied = await copy(pages_at_once=2)
        assert [one.rows for one in copied.pages] == [1, 1, 1, 1]
        assert most == 2

    async def test_when_one_page_fails_the_others_are_stopped_and_leave_nothing(
        self, job: Job, copy: Copy, lake: WatchedLake
    ) -> None:
        gone = asyncio.Event()

        async def endless(_: Request) -> Response:
            async def body() -> AsyncIterator[bytes]:
                try:
                    yield csv("1")
                    await asyncio.Event().wait()
                finally:
                    gone.set()

            return StreamingResponse(body(), headers={"Sforce-NumberOfRecords": "1"})

        async def spoiled(_: Request) -> Response:
            # Both others are in the middle of their files by then.
            for name in ("rows-00000", "rows-00002"):
                assert await asyncio.to_thread(lake.opened.acquire, timeout=10), name
            return Response("no rows here")

        job.lists = [listed("/p/1", "/p/2", "/p/3", done=True)]
        job.answers = {"/p/1": endless, "/p/2": spoiled, "/p/3": endless}
        with pytest.raises(UnreadableFile, match="/p/2 does not say how many records it holds"):
            await copy(pages_at_once=3)
        assert files(lake) == []


class TestOnePage:
    @pytest.fixture
    def job(self) -> Job:
        return Job(lists=[listed("/p/1", "/p/2", "/p/3", done=True)], answers={"/p/2": page(), "/p/3": page("3")})

    async def test_its_bytes_are_stored_as_sent_under_a_name_that_says_how(
        self, job: Job, copy: Copy, lake: LocalLake
    ) -> None:
        packed = gzip.compress(csv("1", "2"), mtime=0)
        headers = {"Sforce-NumberOfRecords": "2", "Content-Encoding": "gzip"}
        job.answers["/p/1"] = Response(packed, headers=headers)
        first, _, third = [one.part for one in (await copy()).pages]
        assert first is not None and third is not None
        assert (lake.root / "raw/x" / first.name).read_bytes() == packed
        assert first.name.endswith(".csv.gz") and third.name.endswith(".csv") and "gz" not in third.name
        assert (first.rows, first.kind, first.format, first.header) == (2, "rows", "csv", USER.fields)

    async def test_an_empty_one_is_no_part(self, job: Job, copy: Copy, lake: LocalLake) -> None:
        job.answers["/p/1"] = page("1")
        copied = await copy()
        assert [one.part is None for one in copied.pages] == [False, True, False]
        assert copied.names == ["rows-00000", "rows-00002"]
        assert len(files(lake)) == 2

    async def test_every_one_is_told_once_with_its_rows_and_bytes(self, job: Job, copy: Copy, lake: LocalLake) -> None:
        job.answers["/p/1"] = page("1", "2")
        job.faults.arm("/p/", status=503, times=2)
        events: list[ProgressEvent] = []
        with subscribed(events.append):
            copied = await copy(pages_at_once=1)
        assert [(one.stage, one.rows, one.bytes) for one in events] == [
            ("extracting", 2, len(csv("1", "2"))),
            ("extracting", 2, len(csv("1", "2"))),
            ("extracting", 3, len(csv("1", "2")) + len(csv("3"))),
        ]
        assert (copied.sink.rows, copied.sink.bytes) == (events[-1].rows, events[-1].bytes)

    async def test_one_that_breaks_off_is_fetched_into_a_part_of_its_own(
        self, job: Job, copy: Copy, lake: LocalLake
    ) -> None:
        job.answers["/p/1"] = page("1", "2")
        job.faults.arm("/p/1", truncate_after=len(HEADER) + 4)
        copied = await copy()
        assert [one.rows for one in copied.pages] == [2, 0, 1]
        assert files(lake) == sorted(one.part.name for one in copied.pages if one.part)

    async def test_one_that_ends_within_its_gzip_is_fetched_again(self, job: Job, copy: Copy, lake: LocalLake) -> None:
        packed = gzip.compress(csv("1", "2"), mtime=0)
        job.answers["/p/1"] = Response(packed, headers={"Sforce-NumberOfRecords": "2", "Content-Encoding": "gzip"})
        short = {"Sforce-NumberOfRecords": "2", "Content-Encoding": "gzip", "Content-Type": "text/csv"}
        job.faults.arm("/p/1", status=200, headers=short, body=packed[:-4])
        first = (await copy()).pages[0].part
        assert first is not None
        assert (lake.root / "raw/x" / first.name).read_bytes() == packed

    async def test_a_web_page_in_its_place_is_asked_again_whatever_it_says_of_rows(self, job: Job, copy: Copy) -> None:
        job.answers["/p/1"] = page("1", "2")
        html = {"Content-Type": "text/HTML; charset=utf-8", "Sforce-NumberOfRecords": "2"}
        job.faults.arm("/p/1", status=200, headers=html, body=csv("a", "b").decode())
        assert (await copy()).pages[0].rows == 2
        assert job.faults.seen.count("GET /p/1") == 2

    async def test_a_web_page_that_stays_counts_as_the_source_being_down(self, job: Job, copy: Copy) -> None:
        job.faults.arm("/p/1", status=200, headers={"Content-Type": "text/html"}, body="<p>hello", times=None)
        with pytest.raises(SourceUnavailable, match="answered with a web page"):
            await copy()

    @pytest.mark.parametrize("told", [{}, {"Sforce-NumberOfRecords": "many"}])
    async def test_one_that_does_not_say_how_many_rows_it_holds_is_refused(
        self, job: Job, copy: Copy, told: dict[str, str]
    ) -> None:
        job.answers["/p/1"] = Response(csv("1"), headers=told)
        with pytest.raises(UnreadableFile, match="does not say how many records"):
            await copy()

    async def test_its_columns_are_named_as_they_were_asked_for(self, job: Job, copy: Copy) -> None:
        job.answers["/p/1"] = Response(
            b"USERNAME,id,systemmodstamp\n,1,\n", headers={"Sforce-NumberOfRecords": "1", "Content-Type": "text/csv"}
        )
        first = (await copy()).pages[0].part
        assert first is not None
        assert first.header == ("Username", "Id", "SystemModstamp")

    async def test_one_with_other_columns_is_refused(self, job: Job, copy: Copy, lake: LocalLake) -> None:
        job.answers["/p/1"] = Response(b"Id,Name\n1,\n", headers={"Sforce-NumberOfRecords": "1"})
        with pytest.raises(UnreadableFile, match="Id, Name"):
            await copy(pages_at_once=1)
        assert files(lake) == []
