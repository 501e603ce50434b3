"""What goes wrong on the way is survived within the run, or told; it never passes for success."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import (
    CountMismatch,
    CredentialsRefused,
    DataError,
    RetryableError,
    SourceUnavailable,
    TruncatedBody,
)
from tests.conformance.conftest import ALL, ALL_APIS, Bench, every
from tests.conformance.station import PAGE

PASSING: dict[str, dict[str, Any]] = {
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "1"}},
    "503": {"status": 503, "body": "<html>busy</html>"},
    "500 without a body": {"status": 500},
    "connection closed before the answer": {"drop": "before"},
    "connection closed after the work": {"drop": "after"},
    "body cut short": {"truncate_after": 20},
}
"""Faults that pass, as arguments of `Faults.arm`."""


@every(ALL)
class TestPassingFaults:
    @pytest.mark.parametrize("fault", PASSING)
    async def test_a_fault_that_passes_is_survived_within_the_run(self, bench: Bench, fault: str) -> None:
        bench.stock(2 * PAGE + 1)
        armed = bench.station.faults
        await bench.good_run(before_extract=lambda: armed.arm(bench.station.data_call, **PASSING[fault]))
        await bench.agrees()
        assert not armed.pending
        (entry,) = await bench.ledger()
        assert entry["rows_read"] == 2 * PAGE + 1


@every(ALL_APIS)
class TestSessions:
    async def test_a_session_that_ends_in_mid_run_is_renewed_once(self, bench: Bench) -> None:
        bench.stock(2 * PAGE + 1)
        await bench.good_run(before_extract=bench.station.expire)
        await bench.agrees()
        assert bench.station.login_call is not None
        assert bench.station.times(bench.station.login_call) == 2


@every(["s3-sandbox", "s3-hostile"])
async def test_keys_that_expire_in_mid_run_are_told_and_not_shown(bench: Bench) -> None:
    bench.stock(PAGE)
    error = await bench.failure(before_extract=bench.station.expire)
    assert isinstance(error, CredentialsRefused)
    assert await bench.stored() == {}


@every(ALL)
class TestLastingFaults:
    async def test_a_server_that_stays_away_fails_the_run_and_the_next_one_makes_it_good(self, bench: Bench) -> None:
        bench.stock(PAGE + 1)
        armed = bench.station.faults
        error = await bench.failure(
            before_extract=lambda: armed.arm(bench.station.data_call, times=None, status=503, body="busy")
        )
        assert isinstance(error, RetryableError)
        assert await bench.stored() == {}
        assert await bench.ledger() == []
        armed.clear()
        await bench.good_run()
        await bench.agrees()

    async def test_a_body_that_is_always_cut_is_never_loaded(self, bench: Bench) -> None:
        bench.stock(PAGE + 1)
        armed = bench.station.faults
        error = await bench.failure(
            before_extract=lambda: armed.arm(bench.station.data_call, times=None, truncate_after=30)
        )
        assert isinstance(error, (TruncatedBody, SourceUnavailable, DataError))
        assert await bench.stored() == {}

    async def test_a_source_that_counts_other_rows_than_it_sends_is_not_believed(self, bench: Bench) -> None:
        bench.stock(2 * PAGE + 1)
        error = await bench.right_or_refused(before_extract=bench.station.lose_a_row)
        if bench.station.source == "s3":
            assert isinstance(error, DataError)
        elif error is not None:  # else the rows came by another way
            assert isinstance(error, CountMismatch)

    async def test_an_answer_that_is_a_web_page_is_no_data(self, bench: Bench) -> None:
        bench.stock(PAGE)
        page = "<!DOCTYPE html><html><body>Down for maintenance</body></html>"
        armed, html = bench.station.faults, {"Content-Type": "text/html"}
        await bench.right_or_refused(
            before_extract=lambda: armed.arm(bench.station.data_call, times=None, status=200, headers=html, body=page)
        )
        armed.clear()
        await bench.good_run()
        await bench.agrees()


@every(ALL)
class TestCancelling:
    async def test_a_cancelled_run_leaves_nothing_that_counts(self, bench: Bench) -> None:
        bench.stock(2 * PAGE + 1)
        reached, release = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def hold() -> None:
            loop.call_soon_threadsafe(reached.set)
            release.wait(10)

        armed, after = bench.station.faults, bench.station.calls_for(2 * PAGE) - 1
        run = asyncio.create_task(
            bench.run(before_extract=lambda: armed.arm(bench.station.data_call, after=after, act=hold))
        )
        waiting = asyncio.create_task(reached.wait())
        await asyncio.wait([run, waiting], return_when=asyncio.FIRST_COMPLETED)
        assert waiting.done(), "the run ended before it reached its second page"
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        release.set()
        for manifest in await bench.manifests():
            assert all(Path(bench.lake.uri(manifest, part)).is_file() for part in manifest.parts)
        assert await bench.stored() == {}
        await bench.good_run()
        await bench.agrees()
