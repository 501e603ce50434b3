"""Answers that are lost, refusals and crashes: nothing is loaded twice, and the error says what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Contract
from connectors.errors import ConfigurationError, MgdwError, PermissionMissing, RateLimited, SourceUnavailable
from connectors.google import GoogleAccess
from connectors.lake.local import LocalLake
from connectors.warehouse.bigquery import BigQueryWarehouse
from tests.bigquery.warehouse_faults import Fault, Faults
from tests.connectors.warehouse.batches import ACCOUNT, Batch, counts, load, window

ONE_TABLE = Contract((ACCOUNT,))
FIRST = window(None, "2026-06-15 12:00")
STAMP = "2026-06-10T00:00:00Z"
ROWS = [{"Id": str(i), "Name": "x", "SystemModstamp": STAMP} for i in range(3)]


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
def proxy(google: GoogleAccess, bigquery_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    with Faults(bigquery_url) as opened:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", opened.url)
        yield opened


class Crash(Exception):
    pass


@asynccontextmanager
async def opened(google: GoogleAccess, **more: Any) -> AsyncIterator[BigQueryWarehouse]:
    async with BigQueryWarehouse(google, patience=30, **more) as warehouse:
        await warehouse.ensure(ONE_TABLE)
        yield warehouse


def is_load(method: str, path: str, body: bytes) -> bool:
    return method == "POST" and path.startswith("/upload/")


def is_script(method: str, path: str, body: bytes) -> bool:
    return method == "POST" and "/jobs?" in path and b"mgdw-merge" in body


async def everything(warehouse: BigQueryWarehouse) -> tuple[int, int]:
    [found] = await warehouse.rows(
        "SELECT (SELECT COUNT(*) FROM STG.sfdc_account) AS a, (SELECT COUNT(*) FROM STG._ledger) AS b"
    )
    return found["a"], found["b"]


@pytest.mark.parametrize("request_of", [is_load, is_script])
async def test_an_answer_lost_after_a_job_was_accepted_loads_nothing_twice(
    google: GoogleAccess, lake: LocalLake, proxy: Faults, request_of: Callable[[str, str, bytes], bool]
) -> None:
    async with opened(google) as warehouse:
        proxy.faults.append(Fault(request_of, is_lost=True))
        result = await load(warehouse, await Batch(lake, ACCOUNT, FIRST).rows(*ROWS))
        assert counts(result) == {"read": 3, "inserted": 3} and proxy.faults[0].seen == 1
        assert await everything(warehouse) == (3, 1)
    merges = {job for job in proxy.jobs if job.startswith("mgdw-merge")}
    assert len(merges) == 1


@pytest.mark.parametrize("step", ["LOAD DATA", "DECLARE batch_inserted"])
async def test_a_crash_between_the_jobs_is_healed_by_the_next_run(
    google: GoogleAccess, lake: LocalLake, emulated: None, step: str
) -> None:
    def watch(sql: str) -> None:
        if sql.startswith(step):
            raise Crash

    batch = await Batch(lake, ACCOUNT, FIRST).rows(*ROWS, {"Id": "bad", "NumberOfEmployees": "x"})
    with pytest.raises(Crash):
        async with opened(google, on_statement=watch) as warehouse:
            await load(warehouse, batch)
    async with opened(google) as warehouse:
        assert await everything(warehouse) == (0, 0)
        assert counts(await load(warehouse, batch)) == {"read": 4, "inserted": 3, "quarantined": 1}
        assert (await load(warehouse, batch)).skipped
        assert await everything(warehouse) == (3, 1)


DENIED = (
    "Access Denied: Project mg-dw: User does not have bigquery.jobs.create permission in project mg-dw. "
    "pipeline@mg-dw.iam.gserviceaccount.com"
)


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Fault(is_script, 403, "accessDenied", DENIED), PermissionMissing, "roles/bigquery.jobUser"),
        (Fault(is_script, 403, "quotaExceeded", "Quota exceeded: too many"), RateLimited, "quota is used up"),
        (Fault(is_script, 400, "bytesBilledLimitExceeded", "Query exceeded limit for bytes billed: 10485760. "
               "20971520 or higher required."), ConfigurationError, "MGDW_MAXIMUM_BYTES_BILLED"),
        (Fault(is_script, 404, "notFound", "Not found: Dataset p:STG was not found in location US"),
         ConfigurationError, "MGDW_GCP_LOCATION"),
    ],
)  # fmt: skip
async def test_a_refusal_is_one_clear_error_and_the_next_run_loads(
    google: GoogleAccess, lake: LocalLake, proxy: Faults, fault: Fault, kind: type[MgdwError], says: str
) -> None:
    batch = await Batch(lake, ACCOUNT, FIRST).rows(*ROWS)
    async with opened(google) as warehouse:
        proxy.faults.append(fault)
        with pytest.raises(kind, match=says):
            await load(warehouse, batch)
        assert counts(await load(warehouse, batch)) == {"read": 3, "inserted": 3}
        assert await everything(warehouse) == (3, 1)


async def test_a_server_that_is_away_for_good_is_given_up_in_time(
    google: GoogleAccess, lake: LocalLake, proxy: Faults
) -> None:
    batch = await Batch(lake, ACCOUNT, FIRST).rows(*ROWS)
    async with opened(google):
        pass
    proxy.faults.append(Fault(lambda *_: True, 503, "backendError", "try again", times=10**6))
    async with BigQueryWarehouse(google, patience=2) as warehouse:
        with pytest.raises(SourceUnavailable, match="nothing is loaded twice"):
            await load(warehouse, batch)


async def test_requests_refused_for_a_moment_are_repeated(google: GoogleAccess, lake: LocalLake, proxy: Faults) -> None:
    batch = await Batch(lake, ACCOUNT, FIRST).rows(*ROWS)
    async with opened(google) as warehouse:
        proxy.faults += [
            Fault(is_script, 503, "backendError", "try again", times=2),
            Fault(
                lambda method, path, _: method == "GET" and "/queries/" in path, 429, "rateLimitExceeded", "slow down"
            ),
        ]
        assert counts(await load(warehouse, batch)) == {"read": 3, "inserted": 3}
