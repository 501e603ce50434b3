"""Jobs that wait, hang or die, and files that are gone, cut or spoilt."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from connectors.batch import BatchRequest
from connectors.errors import CountMismatch, PermissionMissing, RateLimited, UnreadableFile, WorkFailed
from connectors.lake.local import LocalLake
from connectors.source import TableState
from connectors.window import Window
from connectors.zuora.source import ZuoraSource
from tests.connectors.zuora.conftest import IMPATIENT, TABLES, Office, extracted, records, table
from tests.connectors.zuora.test_failures import FILE, JOB, SUBMIT, done, failures


def rows_of(office: Office, name: str) -> int:
    return len(office.rows(f'SELECT 1 FROM zuora."{table(name).object}"'))


def without_last_cell(name: str, text: bytes) -> bytes:
    """Products whose last row is one cell short."""
    return text.rstrip(b"\n").rpartition(b",")[0] + b"\n" if "product" in name else text


async def test_a_job_that_is_refused_as_too_many_is_offered_again_until_there_is_room(
    office: Office, lake: LocalLake
) -> None:
    office.tenant.options.jobs_at_once = 0

    def make_room() -> None:
        office.tenant.options.jobs_at_once = 1

    async with office.source() as source:
        office.faults.arm(SUBMIT, after=9, act=make_room)
        manifests = await extracted(source, lake, office.whole("product"))
    assert set(manifests) == {"zuora_product"}
    assert office.submissions() == 10


async def test_waiting_for_room_ends_at_the_deadline(office: Office, lake: LocalLake) -> None:
    office.tenant.options.jobs_at_once = 0
    async with office.source(job_deadline_seconds=0.1) as source:
        errors = await failures(source, lake, office, "product", "account")
    assert all(isinstance(error, WorkFailed) for error in errors.values())
    assert "concurrent" in errors["zuora_product"].cause


async def test_a_state_nobody_knows_is_waited_for(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        office.faults.arm(JOB, times=3, body={"id": "1", "status": "queued", "batches": []})
        manifests = await extracted(source, lake, office.whole("product"))
    assert manifests["zuora_product"].rows == rows_of(office, "product")


async def test_a_server_that_is_down_when_we_give_up_does_not_hold_us(office: Office, lake: LocalLake) -> None:
    office.tenant.options.polls_until_done = 1_000_000
    async with office.source(job_deadline_seconds=0.1) as source:
        office.faults.arm("DELETE /v1/batch-query/jobs/", times=None, status=503)
        errors = await failures(source, lake, office, "product")
    assert "after 0 s" in errors["zuora_product"].cause


async def test_a_query_that_dies_fails_its_table_and_the_others_of_the_job_arrive(
    office: Office, lake: LocalLake
) -> None:
    office.tenant.options.judged = "when run"
    office.tenant.options.refused = frozenset({"Payment.Gateway"})
    async with office.source() as source:
        errors = await failures(source, lake, office)
    assert set(errors) == {"zuora_payment"}
    assert await done(lake, office) == set(TABLES) - {"zuora_payment"}


async def test_one_window_zuora_cannot_read_among_many_is_found_in_a_few_jobs(office: Office, lake: LocalLake) -> None:
    now = office.world.now
    windows = [Window(now - timedelta(days=n + 1), now - timedelta(days=n)) for n in range(24)]
    requests = [replace(BatchRequest(table("product"), w), label="again") for w in windows]
    refused = replace(table("invoice"), filter="Balance >")
    async with office.source() as source:
        with pytest.raises(ExceptionGroup) as caught:
            await extracted(source, lake, [*requests, *[BatchRequest(refused, windows[0])]])
    assert len(caught.value.exceptions) == 1
    assert all([await lake.manifest(r.prefix) for r in requests])
    assert office.submissions() < 12


async def test_an_ignored_query_names_its_object(office: Office, lake: LocalLake) -> None:
    def withdraw() -> None:
        office.tenant.options.hidden = frozenset({"Payment"})

    async with office.source() as source:
        office.faults.arm(SUBMIT, act=withdraw)
        errors = await failures(source, lake, office, "payment", "product")
    error = errors["zuora_payment"]
    assert isinstance(error, PermissionMissing)
    assert (error.facts["object"], "Payment" in error.remedy) == ("Payment", True)


async def test_files_that_expired_are_made_anew(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        office.faults.arm(FILE, act=office.tenant.jobs.forget_files)
        manifests = await extracted(source, lake, office.whole())
    assert {name: m.rows for name, m in manifests.items()} == {
        t.name: rows_of(office, t.name.removeprefix("zuora_")) for t in TABLES.values()
    }
    assert office.submissions() == 2


async def test_files_that_are_always_gone_are_an_error(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        office.faults.arm(FILE, times=None, status=404, body={"success": False, "reasons": [{"code": 50000040}]})
        errors = await failures(source, lake, office, "product")
    assert set(errors) == {"zuora_product"}
    assert office.submissions() == 2


async def test_a_ragged_file_is_made_anew(office: Office, lake: LocalLake) -> None:
    office.tenant.jobs.spoil_next(without_last_cell)
    async with office.source() as source:
        manifests = await extracted(source, lake, office.whole("product", "account"))
    assert manifests["zuora_product"].rows == rows_of(office, "product")
    assert office.submissions() == 2


async def test_a_file_that_stays_ragged_is_refused_with_its_line(office: Office, lake: LocalLake) -> None:
    office.tenant.jobs.spoil_next(without_last_cell)
    office.tenant.jobs.spoil_next(without_last_cell)
    async with office.source() as source:
        errors = await failures(source, lake, office, "product", "account")
    error = errors["zuora_product"]
    assert isinstance(error, UnreadableFile)
    assert "not rectangular" in error.cause
    assert f"line {error.facts['line']} " in error.cause
    assert await done(lake, office, "product", "account") == {"zuora_account"}


async def test_a_missing_segment_is_noticed(office: Office, lake: LocalLake) -> None:
    office.tenant.options.segment_rows = 200

    def half(name: str, text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        return b"".join(lines[:20]) if len(lines) == 201 else text

    for _ in range(2):
        office.tenant.jobs.spoil_next(half)
    async with office.source() as source:
        errors = await failures(source, lake, office, "payment")
    assert isinstance(errors["zuora_payment"], CountMismatch)
    assert not await done(lake, office, "payment")


async def test_an_empty_file_of_an_empty_result_is_no_part(office: Office, lake: LocalLake) -> None:
    now = office.world.now
    office.tenant.jobs.spoil_next(lambda _name, _text: b"")
    async with office.source(overlap_seconds=0) as source:
        (manifest,) = (await extracted(source, lake, [BatchRequest(table("product"), Window(now, now))])).values()
    assert (manifest.parts, manifest.source_rows) == ((), 0)


async def test_a_row_committed_late_is_found_by_the_next_window(busy_office: Office, lake: LocalLake) -> None:
    """Its stamp lies in a window that was loaded before the row could be seen."""
    office = busy_office
    products = table("product")
    async with office.source(overlap_seconds=1800) as source:
        (first,) = await source.plan(products, TableState(), full=True)
        await extracted(source, lake, [first])
        office.world.sql(
            "INSERT INTO zuora.Product (Id, UpdatedDate) VALUES ('late', ?)",
            [(first.window.hi - timedelta(minutes=29)).replace(tzinfo=None)],
        )
        office.world.advance(1)
        (second,) = await source.plan(products, TableState((first.window,)))
        (manifest,) = (await extracted(source, lake, [second])).values()
    assert "late" in {record["Id"] for record in records(lake, manifest)}


async def test_windows_follow_zuoras_clock_however_wrong_ours_is(
    busy_office: Office, lake: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    years = 3600 * 24 * 365.0
    async with busy_office.source(lag_seconds=300) as source:
        monkeypatch.setattr(time, "time", lambda: years * 80)
        (request,) = await source.plan(table("product"), TableState())
    assert request.window.hi == busy_office.world.now - timedelta(seconds=300)


async def test_a_limit_without_a_wait_is_waited_for_as_long_as_its_window_lasts(office: Office) -> None:
    async with office.source() as source:
        office.faults.arm("GET /v1/describe/", times=None, status=429, headers={"RateLimit-Reset": "17"})
        with pytest.raises(RateLimited) as caught:
            await source.drift(table("product"))
    assert caught.value.retry_after == 17


async def test_every_call_names_the_entity(office: Office, lake: LocalLake) -> None:
    asked: list[str | None] = []

    class Wire(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path != "/oauth/token":
                asked.append(request.headers.get("Zuora-Entity-Ids"))
            return await super().handle_async_request(request)

    settings = office.settings(entity_id="2c92a0fa-64ad-4be5-a0c8-9e1f2d3c4b5a")
    async with ZuoraSource(settings, transport=Wire(), retry=IMPATIENT) as source:
        await extracted(source, lake, office.whole("product"))
    assert asked
    assert set(asked) == {"2c92a0fa-64ad-4be5-a0c8-9e1f2d3c4b5a"}
