"""What is counted against the org's daily allowances, by an org that answers nothing but `/limits`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors.errors import RateLimited
from connectors.http import HttpSession
from connectors.salesforce.quota import Quota, api_usage

JOBS, MEGABYTES = "DailyBulkV2QueryJobs", "DailyBulkV2QueryFileStorageMB"
DATE = "Mon, 15 Jun 2026 06:00:00 GMT"


class Limits:
    """The answer to `/limits`, and how often it was asked for."""

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}
        self.headers = {"Date": DATE}
        self.looks = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.looks += 1
        return httpx.Response(200, json=self.body, headers=self.headers)

    def set(self, name: str, most: int, remaining: int) -> None:
        self.body[name] = {"Max": most, "Remaining": remaining}


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
async def session(limits: Limits) -> AsyncIterator[HttpSession]:
    async with HttpSession("https://org.example", name="salesforce", transport=httpx.MockTransport(limits)) as session:
        yield session


def quota(session: HttpSession, share: float = 0.5) -> Quota:
    return Quota(session, "/limits/", share)


async def test_our_own_jobs_count_until_only_the_reserve_is_left(limits: Limits, session: HttpSession) -> None:
    limits.set(JOBS, 11, 10)
    watched = quota(session)
    for _ in range(5):
        await watched.take_job()
    with pytest.raises(RateLimited, match="6 of 11 bulk query jobs .* are used, and 6 stay reserved") as caught:
        await watched.take_job()
    assert caught.value.facts == {"used": 6, "allowed": 11, "reserved": 6}
    assert caught.value.retry_after == 3600
    assert "2026-06-16 06:00 UTC" in caught.value.remedy
    assert limits.looks == 1


async def test_the_share_itself_is_not_used_up_to_its_last_job(limits: Limits, session: HttpSession) -> None:
    limits.set(JOBS, 10, 5)
    with pytest.raises(RateLimited, match="5 of 10"):
        await quota(session).take_job()


async def test_jobs_are_not_counted_as_megabytes(limits: Limits, session: HttpSession) -> None:
    limits.set(JOBS, 1000, 1000)
    limits.set(MEGABYTES, 10, 6)
    watched = quota(session)
    for _ in range(3):
        await watched.take_job()
    limits.set(MEGABYTES, 10, 5)
    with pytest.raises(RateLimited, match="5 of 10 MB of bulk query results"):
        await quota(session).take_job()


async def test_the_limits_are_read_anew_after_twenty_jobs(limits: Limits, session: HttpSession) -> None:
    limits.set(JOBS, 1000, 1000)
    watched = quota(session)
    for _ in range(20):
        await watched.take_job()
    assert limits.looks == 1
    for _ in range(20):
        await watched.take_job()
    assert limits.looks == 2
    await watched.take_job()
    assert limits.looks == 3


async def test_a_limit_that_is_not_told_limits_nothing(limits: Limits, session: HttpSession) -> None:
    limits.body = {JOBS: None}
    for _ in range(3):
        await quota(session, share=0.1).take_job()


async def test_the_clock_is_the_orgs_and_read_once(limits: Limits, session: HttpSession) -> None:
    watched = quota(session)
    assert await watched.clock() == datetime(2026, 6, 15, 6, tzinfo=UTC)
    limits.headers = {"Date": "Mon, 15 Jun 2026 07:00:00 GMT"}
    assert await watched.clock() == datetime(2026, 6, 15, 6, tzinfo=UTC)
    assert limits.looks == 1
    assert await watched.look() == await watched.clock() == datetime(2026, 6, 15, 7, tzinfo=UTC)


async def test_an_org_that_does_not_tell_the_time_is_read_by_ours(limits: Limits, session: HttpSession) -> None:
    limits.headers = {}
    assert abs(await quota(session).look() - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ("api-usage=18/5000", (18, 5000)),
        ("per-app-api-usage=17/250(appName=mg-dw), api-usage=18/5000", (18, 5000)),
        ("per-app-api-usage=17/250(appName=mg-dw)", None),
        (None, None),
    ],
)
def test_the_orgs_calls_are_read_from_each_answer(said: str | None, usage: tuple[int, int] | None) -> None:
    assert api_usage(httpx.Headers({"Sforce-Limit-Info": said} if said else {})) == usage
