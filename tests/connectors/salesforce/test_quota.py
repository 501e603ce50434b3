"""The org's daily allowances: we stop while there is room for others, and what was fetched is kept."""

from __future__ import annotations

import pytest

from connectors.batch import BatchRequest
from connectors.errors import RateLimited
from connectors.lake.local import LocalLake
from connectors.window import Window
from sandbox.salesforce import SalesforceOptions
from tests.connectors.salesforce.conftest import ACCOUNT, OPPORTUNITY, USER, Extract, Served


async def test_the_last_jobs_of_the_day_are_left_to_others(
    served: Served, options: SalesforceOptions, lake: LocalLake
) -> None:
    options.daily_bulk_query_jobs = 4
    requests = [BatchRequest(t, Window(None, served.world.now)) for t in (ACCOUNT, OPPORTUNITY, USER)]
    async with served.source(quota_share=0.5, tables_at_once=1) as source:
        with pytest.raises(ExceptionGroup) as caught:
            _ = [manifest async for manifest in source.extract(requests, lake)]
    (error,) = caught.value.exceptions
    assert isinstance(error, RateLimited)
    assert "2 of 4 bulk query jobs of the last 24 hours are used, and 2 stay reserved" in error.cause
    assert "2026-06-16 06:00 UTC" in error.remedy
    assert error.facts["table"] == "sfdc_user"
    assert served.org.jobs.created == 2
    assert sum(1 for _ in lake.root.rglob("manifest.json")) == 2


async def test_jobs_of_others_count_as_well(served: Served, options: SalesforceOptions, extract: Extract) -> None:
    options.daily_bulk_query_jobs = 100
    served.org.jobs.created = 90
    with pytest.raises(RateLimited, match="90 of 100 bulk query jobs"):
        await extract()
    assert served.org.jobs.created == 90


async def test_the_limits_are_looked_at_again_as_it_goes(
    served: Served, options: SalesforceOptions, lake: LocalLake
) -> None:
    options.daily_bulk_query_jobs = 1000
    requests = [BatchRequest(ACCOUNT, Window(None, served.world.now), label=str(n)) for n in range(25)]

    def spend() -> None:
        served.org.jobs.created = 950

    served.faults.arm("POST .*/jobs/query$", after=10, act=spend)
    async with served.source(tables_at_once=1) as source:
        with pytest.raises(ExceptionGroup) as caught:
            _ = [manifest async for manifest in source.extract(requests, lake)]
    assert len(caught.value.exceptions) == 5
    assert served.org.jobs.created == 960


async def test_the_size_of_results_is_watched_too(served: Served, options: SalesforceOptions, extract: Extract) -> None:
    options.daily_bulk_query_megabytes = 1000
    served.org.jobs.result_bytes = 950_000_000
    with pytest.raises(RateLimited, match="950 of 1000 MB of bulk query results"):
        await extract()


async def test_an_org_that_tells_no_limits_is_read_all_the_same(served: Served, extract: Extract) -> None:
    served.faults.arm("GET .*/limits", times=None, status=200, body={})
    assert (await extract()).source_rows == 40


async def test_many_workers_that_meet_an_expired_session_log_in_once(served: Served, lake: LocalLake) -> None:
    requests = [BatchRequest(ACCOUNT, Window(None, served.world.now), label=str(n)) for n in range(12)]
    served.faults.arm("GET .*/results", after=5, act=served.org.expire_sessions)
    async with served.source(tables_at_once=12, pages_at_once=4) as source:
        done = [manifest async for manifest in source.extract(requests, lake)]
    assert [manifest.source_rows for manifest in done] == [40] * 12
    assert served.org.logins == 2
    assert served.jobs_left == 0
