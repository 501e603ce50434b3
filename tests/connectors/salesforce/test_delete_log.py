"""What is asked of the org's log of deleted records, and what its answers say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.errors import MgdwError, PermissionMissing
from connectors.http import HttpSession, RetryPolicy
from connectors.lake.local import LocalLake
from connectors.salesforce.classify import classify
from connectors.salesforce.deletes import DeleteLog, Deletes
from connectors.salesforce.soql import literal, parse
from connectors.window import Window
from sandbox.server import Servers
from tests.connectors.salesforce.conftest import ACCOUNT

NOW = datetime(2026, 6, 15, 6, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
REACH = timedelta(days=14)


@dataclass
class Log:
    """A log that keeps `gone` (id and time), and tells at most `most` at once.

    Attributes:
        asked: start and end of each request.
        refusals: error codes, one for each request until they are used up.
    """

    gone: list[tuple[str, datetime]] = field(default_factory=list[tuple[str, datetime]])
    most: int = 1000
    earliest: str | None = None
    asked: list[tuple[datetime, datetime]] = field(default_factory=list[tuple[datetime, datetime]])
    refusals: list[str] = field(default_factory=list[str])

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/data/sobjects/Account/deleted/", self._deleted)])

    async def _deleted(self, request: Request) -> Response:
        start, end = (datetime.fromisoformat(request.query_params[name]) for name in ("start", "end"))
        self.asked.append((start, end))
        if self.refusals and (code := self.refusals.pop(0)):
            return JSONResponse([{"errorCode": code, "message": "no"}], 400)
        # Salesforce ignores seconds.
        first, last = start.replace(second=0), end.replace(second=0)
        found = [{"id": one, "deletedDate": _written(at)} for one, at in self.gone if first <= at < last]
        if len(found) > self.most:
            return JSONResponse([{"errorCode": "EXCEEDED_ID_LIMIT", "message": "too many"}], 400)
        answer: dict[str, Any] = {"deletedRecords": found, "latestDateCovered": _written(end)}
        return JSONResponse(answer | ({"earliestDateAvailable": self.earliest} if self.earliest else {}))


def _written(stamp: datetime) -> str:
    return literal(stamp).replace("Z", "+0000")


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as running:
        yield running


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path)


@pytest.fixture
async def session(servers: Servers, log: Log) -> AsyncIterator[HttpSession]:
    url = servers.serve(log.app())
    retry = RetryPolicy(attempts=1)
    async with HttpSession(url, name="salesforce", classify=classify, retry=retry) as session:
        yield session


@pytest.fixture
def copy(session: HttpSession, lake: LocalLake) -> Callable[..., Awaitable[Deletes]]:
    async def run(lo: datetime, hi: datetime = NOW, overlap: timedelta = timedelta()) -> Deletes:
        return await DeleteLog(session, "/data", overlap).copy(ACCOUNT, Window(lo, hi), NOW, lake, "raw/x")

    return run


class TestSpan:
    async def test_the_window_is_asked_for_with_the_overlap_before_it(self, log: Log, copy: Any) -> None:
        deletes = await copy(NOW - 3 * HOUR, NOW - HOUR, overlap=HOUR)
        assert log.asked == [(NOW - 4 * HOUR, NOW - HOUR)]
        assert deletes == Deletes(None, NOW - 4 * HOUR)

    @pytest.mark.parametrize("length", [0 * MINUTE, MINUTE, 2 * MINUTE])
    async def test_a_short_window_is_asked_for_as_two_minutes(self, log: Log, copy: Any, length: timedelta) -> None:
        assert (await copy(NOW - length)).known_since == NOW - 2 * MINUTE
        assert log.asked == [(NOW - 2 * MINUTE, NOW)]

    async def test_a_longer_one_is_not_made_longer(self, log: Log, copy: Any) -> None:
        await copy(NOW - 2 * MINUTE - SECOND)
        assert log.asked == [(NOW - 2 * MINUTE - SECOND, NOW)]

    async def test_nothing_older_than_14_days_is_asked_for(self, log: Log, copy: Any) -> None:
        assert (await copy(NOW - 2 * REACH)).known_since == NOW - REACH
        assert log.asked == [(NOW - REACH, NOW)]

    async def test_a_window_that_ended_before_is_not_asked_for_at_all(self, log: Log, copy: Any) -> None:
        for ended in (NOW - 2 * REACH, NOW - REACH + 2 * MINUTE - SECOND):
            assert await copy(NOW - 3 * REACH, ended) == Deletes(None, None, kept=True)
        assert log.asked == []
        await copy(NOW - 3 * REACH, NOW - REACH + 2 * MINUTE)
        assert log.asked == [(NOW - REACH, NOW - REACH + 2 * MINUTE)]

    async def test_a_log_that_begins_later_says_from_when_it_knows(self, log: Log, copy: Any) -> None:
        log.earliest = _written(NOW - HOUR)
        assert (await copy(NOW - 2 * HOUR)).known_since == NOW - HOUR

    async def test_a_log_that_begins_earlier_is_known_from_where_it_was_asked(self, log: Log, copy: Any) -> None:
        log.earliest = _written(NOW - REACH)
        assert (await copy(NOW - 2 * HOUR)).known_since == NOW - 2 * HOUR


class TestFound:
    async def test_they_are_lines_of_id_and_time(self, log: Log, copy: Any, lake: LocalLake) -> None:
        log.gone = [("001", NOW - 30 * MINUTE), ("002", NOW - 20 * MINUTE)]
        deletes = await copy(NOW - HOUR)
        part = deletes.part
        assert part is not None
        assert (part.kind, part.format, part.header, part.rows) == ("deletes", "jsonl", ("Id", "deletedDate"), 2)
        assert part.name.startswith("deletes-00000") and part.name.endswith(".jsonl")
        text = (lake.root / "raw/x" / part.name).read_text()
        assert text.endswith("\n")
        assert [json.loads(line) for line in text.splitlines()] == [
            {"Id": "001", "deletedDate": "2026-06-15T05:30:00.000Z"},
            {"Id": "002", "deletedDate": "2026-06-15T05:40:00.000Z"},
        ]
        assert deletes.known_since == NOW - HOUR
        assert deletes.kept

    async def test_where_nothing_vanished_there_is_no_part(self, copy: Any, lake: LocalLake) -> None:
        deletes = await copy(NOW - HOUR)
        assert deletes == Deletes(None, NOW - HOUR, kept=True)
        assert not lake.root.exists() or not list(lake.root.rglob("*.*"))


class TestRefused:
    @pytest.mark.parametrize(
        "code", ["NOT_FOUND", "INVALID_TYPE", "INVALID_TYPE_FOR_OPERATION", "FUNCTIONALITY_NOT_ENABLED"]
    )
    async def test_an_object_without_a_log_is_told_apart(self, log: Log, copy: Any, code: str) -> None:
        log.refusals = [code]
        assert await copy(NOW - HOUR) == Deletes(None, None, kept=False)

    @pytest.mark.parametrize("refusals", [["INSUFFICIENT_ACCESS"], ["EXCEEDED_ID_LIMIT", "", "INSUFFICIENT_ACCESS"]])
    async def test_any_other_refusal_is_an_error(self, log: Log, copy: Any, refusals: list[str]) -> None:
        log.refusals = list(refusals)
        with pytest.raises(PermissionMissing):
            await copy(NOW - HOUR)
        assert len(log.asked) == len(refusals)

    async def test_an_answer_without_a_code_is_an_error(self, log: Log, copy: Any) -> None:
        log.refusals = ["SOMETHING_NEW"]
        with pytest.raises(MgdwError, match="SOMETHING_NEW"):
            await copy(NOW - HOUR)


class TestTooMany:
    async def test_the_span_is_halved_at_whole_minutes_until_each_answer_holds_them(
        self, log: Log, copy: Any, lake: LocalLake
    ) -> None:
        log.gone = [(f"00{n}", NOW - n * MINUTE) for n in range(1, 10)]
        log.most = 3
        log.earliest = _written(NOW - 12 * MINUTE)
        lo = NOW - 15 * MINUTE
        deletes = await copy(lo)
        assert [tuple((stamp - lo) / MINUTE for stamp in span) for span in log.asked] == [
            (0, 15), (0, 7), (7, 15), (7, 11), (7, 9), (9, 11), (11, 15), (11, 13), (13, 15),
        ]  # fmt: skip
        assert deletes.part is not None
        lines = (lake.root / "raw/x" / deletes.part.name).read_text().splitlines()
        assert sorted(json.loads(line)["Id"] for line in lines) == [f"00{n}" for n in range(1, 10)]
        assert deletes.part.rows == 9
        assert deletes.known_since == NOW - 12 * MINUTE

    @pytest.mark.parametrize(
        ("lo", "asked"),
        [
            (NOW - 4 * MINUTE, 2),
            (NOW - 4 * MINUTE + SECOND, 1),
            (NOW - 4 * MINUTE + timedelta(microseconds=1), 1),
            (NOW - 3 * MINUTE, 1),
        ],
    )
    async def test_no_half_is_shorter_than_two_minutes_and_then_nothing_is_known(
        self, log: Log, copy: Any, lo: datetime, asked: int
    ) -> None:
        log.most = -1
        assert await copy(lo) == Deletes(None, None, kept=True)
        assert len(log.asked) == asked


def test_a_log_reaches_a_window_whose_start_it_knows() -> None:
    assert Deletes(None, NOW).reach(Window(NOW, NOW + HOUR))
    assert not Deletes(None, NOW + SECOND).reach(Window(NOW, NOW + HOUR))
    assert not Deletes(None, None).reach(Window(NOW, NOW + HOUR))
    assert Deletes(None, NOW).reach(Window(None, NOW + HOUR))
    assert not Deletes(None, None).reach(Window(None, NOW + HOUR))


def test_times_are_read_as_the_rest_api_writes_them() -> None:
    assert parse(_written(NOW)) == NOW
