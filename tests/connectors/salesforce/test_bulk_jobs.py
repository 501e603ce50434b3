"""One bulk job from order to removal, against a server that serves nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.errors import CountMismatch, RateLimited, SourceUnavailable, WorkFailed
from connectors.http import HttpSession, RetryPolicy
from connectors.lake.local import LocalLake
from connectors.progress import ProgressEvent, subscribed
from connectors.salesforce.bulk import BulkQuery
from connectors.salesforce.classify import classify, is_too_much
from connectors.salesforce.quota import Quota
from connectors.salesforce.result import Sink
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.soql import Query
from sandbox.server import Servers
from tests.connectors.salesforce.conftest import USER, Pauses

JOBS = "/services/data/v62.0/jobs/query"
QUERY = Query(USER, USER.fields, None)


@dataclass
class Org:
    """Jobs that are what a test says.

    Attributes:
        states: what looking at the job says, one after the other; the last one stays.
        pages: rows of each result page.
        refused: how a request (`DELETE 750`) is answered in its turn, until its list is used up.
        orders: method, job and JSON body of every request that changes something.
        left: jobs that others may still start today.
    """

    states: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    pages: list[int] = field(default_factory=list[int])
    refused: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    orders: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])
    looks: int = 0
    left: int = 10_000

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/limits/", self._limits),
                Route(JOBS, self._create, methods=["POST"]),
                Route(f"{JOBS}/{{job}}/resultPages", self._pages),
                Route("/page/{number:int}", self._page),
                Route(f"{JOBS}/{{job}}", self._job, methods=["GET", "PATCH", "DELETE"]),
            ]
        )

    async def _limits(self, _: Request) -> Response:
        return JSONResponse({"DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": self.left}})

    async def _create(self, request: Request) -> Response:
        self.orders.append(("POST", "", await request.json()))
        return JSONResponse({"id": "750", "state": "UploadComplete"})

    async def _pages(self, _: Request) -> Response:
        return JSONResponse(
            {"resultPages": [{"resultUrl": f"/page/{n}"} for n in range(len(self.pages))], "done": True}
        )

    async def _page(self, request: Request) -> Response:
        rows = self.pages[request.path_params["number"]]
        text = "Id,Username,SystemModstamp\n" + "1,,\n" * rows
        return Response(text, headers={"Sforce-NumberOfRecords": str(rows), "Content-Type": "text/csv"})

    async def _job(self, request: Request) -> Response:
        job, body = request.path_params["job"], await request.body()
        if request.method != "GET":
            self.orders.append((request.method, job, json.loads(body) if body else None))
        else:
            self.looks += 1
        codes = self.refused.get(f"{request.method} {job}", [])
        if codes:
            return JSONResponse([{"errorCode": "NOT_FOUND", "message": "no"}], codes.pop(0))
        if request.method != "GET":
            return Response(status_code=204)
        return JSONResponse(self.states.pop(0) if len(self.states) > 1 else self.states[0])


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as running:
        yield running


@pytest.fixture
def org() -> Org:
    return Org()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    return Sink(USER, LocalLake(tmp_path), "raw/x")


Open = Callable[..., Any]


@pytest.fixture
def opened(servers: Servers, org: Org, pauses: Pauses) -> Open:
    url = servers.serve(org.app())

    @asynccontextmanager
    async def bulk(**changes: Any) -> AsyncGenerator[BulkQuery]:
        retry = RetryPolicy(attempts=2, sleep=pauses.sleep)
        async with HttpSession(url, name="salesforce", classify=classify, retry=retry) as session:
            yield BulkQuery(session, SalesforceSettings(login_url=url, **changes), Quota(session, "/limits/", 0.9))

    return bulk


class TestOrder:
    async def test_it_asks_for_every_row_as_plain_csv_and_tells_the_jobs_id(self, org: Org, opened: Open) -> None:
        async with opened() as bulk:
            assert await bulk.create(QUERY) == "750"
        asked = {"contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"}
        assert org.orders == [("POST", "", {"operation": "queryAll", "query": QUERY.soql, **asked})]

    async def test_none_is_made_once_only_the_reserve_is_left(self, org: Org, opened: Open) -> None:
        org.left = 1000
        async with opened() as bulk:
            with pytest.raises(RateLimited):
                await bulk.create(QUERY)
        assert org.orders == []


class TestThere:
    @pytest.mark.parametrize(
        ("state", "there"),
        [
            ("UploadComplete", True),
            ("InProgress", True),
            ("JobComplete", True),
            ("Aborted", False),
            ("Failed", False),
        ],
    )
    async def test_a_job_that_works_or_holds_its_result_is_there(
        self, org: Org, opened: Open, state: str, there: bool
    ) -> None:
        org.states = [{"state": state}]
        async with opened() as bulk:
            assert await bulk.is_there("750") is there

    async def test_one_that_salesforce_forgot_is_not(self, org: Org, opened: Open) -> None:
        org.refused = {"GET 750": [404]}
        async with opened() as bulk:
            assert await bulk.is_there("750") is False

    async def test_one_that_cannot_be_asked_about_is_an_error(self, org: Org, opened: Open) -> None:
        org.refused = {"GET 750": [503, 503]}
        async with opened() as bulk:
            with pytest.raises(SourceUnavailable):
                await bulk.is_there("750")


class TestResult:
    async def test_who_listens_is_told_how_many_rows_will_come(self, org: Org, opened: Open, sink: Sink) -> None:
        org.states = [{"state": "InProgress"}, {"state": "JobComplete", "numberRecordsProcessed": 3}]
        org.pages = [2, 1]
        events: list[ProgressEvent] = []
        with subscribed(events.append):
            async with opened(pages_at_once=1) as bulk:
                sink.say("waiting")
                await bulk.result("750", QUERY, sink)
                await bulk.result("751", QUERY, sink)
        told = [(0, 0), (2, 3), (3, 3), (5, 6), (6, 6)]
        assert [(one.rows, one.of_rows) for one in events] == told

    async def test_it_is_looked_at_less_and_less_often_until_it_is_complete(
        self, org: Org, opened: Open, pauses: Pauses, sink: Sink
    ) -> None:
        org.states = [{"state": "UploadComplete"}, *[{"state": "InProgress"}] * 4]
        org.states.append({"state": "JobComplete", "numberRecordsProcessed": 3})
        org.pages = [2, 0, 1]
        async with opened(first_poll_seconds=1, longest_poll_seconds=5, pages_at_once=1) as bulk:
            result = await bulk.result("750", QUERY, sink)
        assert pauses.waits == [1, 2, 4, 5, 5]
        assert (result.rows, [part.rows for part in result.parts]) == (3, [2, 1])
        assert result.origin == ("bulk 750", QUERY.soql)

    @pytest.mark.parametrize("counted", [2, 4, None])
    async def test_pages_that_hold_other_rows_than_the_job_counted_are_refused(
        self, org: Org, opened: Open, sink: Sink, counted: int | None
    ) -> None:
        org.states, org.pages = [{"state": "JobComplete", "numberRecordsProcessed": counted}], [3]
        async with opened() as bulk:
            with pytest.raises(CountMismatch, match=f"hold 3 rows, the job counted {counted}") as caught:
                await bulk.result("750", QUERY, sink)
        assert caught.value.facts == {"job_id": "750", "pages": 3, "job": counted}

    @pytest.mark.parametrize(
        ("state", "reason", "too_much"),
        [
            ("Failed", "Query timed out", True),
            ("Failed", "QUERY_TIMEOUT: Your query request was running for too long", True),
            ("Failed", "InternalServerError : Retried more than fifteen times", True),
            ("Failed", "Read timeout", True),
            ("Failed", "Connection time-out", True),
            ("Failed", "the disk is on fire", False),
            ("Aborted", "Query timed out", False),
            ("Aborted", None, False),
        ],
    )
    async def test_a_job_that_ended_otherwise_says_why_and_whether_less_may_work(
        self, org: Org, opened: Open, sink: Sink, state: str, reason: str | None, too_much: bool
    ) -> None:
        org.states = [{"state": state} | ({"errorMessage": reason} if reason else {})]
        async with opened() as bulk:
            with pytest.raises(WorkFailed, match=f"750 ended as {state}: {reason or 'no reason given'}") as caught:
                await bulk.result("750", QUERY, sink)
        assert is_too_much(caught.value) is too_much
        assert caught.value.facts["error_message"] == (reason or "no reason given")
        assert org.looks == 1

    async def test_a_job_that_takes_too_long_is_too_much(
        self, org: Org, opened: Open, pauses: Pauses, sink: Sink
    ) -> None:
        org.states = [{"state": "InProgress"}]
        async with opened(first_poll_seconds=1, longest_poll_seconds=1, job_deadline_seconds=3) as bulk:
            with pytest.raises(WorkFailed, match="still InProgress after 3 s") as caught:
                await bulk.result("750", QUERY, sink)
        assert is_too_much(caught.value)
        assert pauses.waits == [1, 1, 1]
        assert org.looks == 4


class TestRemoval:
    async def test_every_job_is_deleted(self, org: Org, opened: Open) -> None:
        async with opened() as bulk:
            await bulk.remove(["750", "751"])
        assert org.orders == [("DELETE", "750", None), ("DELETE", "751", None)]

    async def test_one_that_still_runs_is_stopped_first(self, org: Org, opened: Open) -> None:
        org.refused = {"DELETE 750": [400]}
        async with opened() as bulk:
            await bulk.remove(["750", "751"])
        assert org.orders == [
            ("DELETE", "750", None), ("PATCH", "750", {"state": "Aborted"}), ("DELETE", "750", None),
            ("DELETE", "751", None),
        ]  # fmt: skip

    async def test_one_that_cannot_be_removed_is_left_and_the_next_is_not(self, org: Org, opened: Open) -> None:
        org.refused = {"DELETE 750": [400, 400], "PATCH 750": [400]}
        async with opened() as bulk:
            await bulk.remove(["750", "751"])
        assert org.orders[-1] == ("DELETE", "751", None)
