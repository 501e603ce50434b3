"""What goes wrong at Zuora ends in one clear error a table, or in nothing at all."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.errors import (
    CountMismatch,
    CredentialsRefused,
    MgdwError,
    PermissionMissing,
    RateLimited,
    SettingMissing,
    SourceUnavailable,
    TruncatedBody,
    UnknownField,
    UnknownObject,
    UnreadableFile,
    WorkFailed,
)
from connectors.lake.local import LocalLake
from connectors.zuora.settings import ZuoraSettings
from connectors.zuora.source import ZuoraSource
from tests.connectors.zuora.conftest import IMPATIENT, TABLES, Office, extracted, table

FILE = "GET /v1/file/"
SUBMIT = "POST /v1/batch-query"
JOB = "GET /v1/batch-query/jobs/"


async def failures(source: ZuoraSource, lake: LocalLake, office: Office, *names: str) -> dict[str, MgdwError]:
    """The errors of an extract by table."""
    with pytest.raises(ExceptionGroup) as caught:
        await extracted(source, lake, office.whole(*names))
    found: dict[str, MgdwError] = {}
    for error in caught.value.exceptions:
        assert isinstance(error, MgdwError)
        found[str(error.facts["table"])] = error
    return found


async def done(lake: LocalLake, office: Office, *names: str) -> set[str]:
    return {r.table.name for r in office.whole(*names) if await lake.manifest(r.prefix)}


async def test_a_wrong_secret_is_refused_once_and_never_shown(office: Office) -> None:
    source = office.source(client_secret=SecretStr("planted-secret"))
    with pytest.raises(CredentialsRefused, match="zuora refused the login") as caught:
        async with source:
            pass
    assert "planted-secret" not in f"{caught.value} {caught.value.facts}"
    assert "MGDW_ZUORA_CLIENT_SECRET" in caught.value.remedy
    assert source.calls == 1


def test_settings_name_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MGDW_ZUORA_BASE_URL", raising=False)
    with pytest.raises(SettingMissing, match="MGDW_ZUORA_BASE_URL"):
        ZuoraSettings()


async def test_a_server_that_is_down_is_named_with_what_to_do() -> None:
    settings = ZuoraSettings(base_url="http://127.0.0.1:9", client_id="c", client_secret=SecretStr("s"))
    with pytest.raises(SourceUnavailable, match="zuora") as caught:
        async with ZuoraSource(settings, retry=IMPATIENT):
            pass
    assert "run the flow again" in caught.value.remedy


@pytest.mark.parametrize("call", [SUBMIT, JOB, FILE])
async def test_a_token_that_expires_in_mid_run_is_renewed(office: Office, lake: LocalLake, call: str) -> None:
    async with office.source() as source:
        office.faults.arm(call, act=office.tenant.expire_sessions)
        manifests = await extracted(source, lake, office.whole())
    assert set(manifests) == set(TABLES)
    assert sum("/oauth/token" in seen for seen in office.faults.seen) == 2


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (SUBMIT, {"status": 503}),
        (SUBMIT, {"drop": "before"}),
        (JOB, {"status": 429, "headers": {"Retry-After": "1"}}),
        (JOB, {"status": 200, "body": "<html>maintenance</html>"}),
        (JOB, {"status": 200, "body": {"success": False, "reasons": [{"code": 58000061, "message": "temporary"}]}}),
        (JOB, {"truncate_after": 20}),
        (FILE, {"status": 502, "body": "<html>bad gateway</html>"}),
        (FILE, {"status": 200, "body": "<html>maintenance</html>"}),
        (FILE, {"status": 200, "body": {"success": False, "reasons": [{"code": 50000070, "message": "too many"}]}}),
        (FILE, {"truncate_after": 100}),
        (FILE, {"drop": "after"}),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_passing_trouble_costs_nothing_but_a_call(
    office: Office, lake: LocalLake, call: str, fault: dict[str, Any]
) -> None:
    async with office.source() as source:
        office.faults.arm(call, **fault)
        manifest = (await extracted(source, lake, office.whole("account")))["zuora_account"]
    assert manifest.rows == len(office.rows("SELECT 1 FROM zuora.Account"))
    assert not office.faults.pending


async def test_every_missing_field_is_named_and_the_other_tables_arrive(office: Office, lake: LocalLake) -> None:
    office.tenant.options.hidden = frozenset({"Payment.Gateway", "Payment.Brand__c"})
    async with office.source() as source:
        errors = await failures(source, lake, office)
    assert set(errors) == {"zuora_payment"}
    error = errors["zuora_payment"]
    assert isinstance(error, UnknownField)
    assert error.facts["fields"] == ("Brand__c", "Gateway")
    assert await done(lake, office) == set(TABLES) - {"zuora_payment"}


async def test_an_object_the_tenant_lacks_stops_only_its_table(office: Office, lake: LocalLake) -> None:
    office.tenant.options.hidden = frozenset({"RatePlan"})
    async with office.source() as source:
        errors = await failures(source, lake, office)
        with pytest.raises(UnknownObject):
            await source.drift(table("rate_plan"))
    assert set(errors) == {"zuora_rate_plan"}
    assert isinstance(errors["zuora_rate_plan"], UnknownObject)
    assert await done(lake, office) == set(TABLES) - {"zuora_rate_plan"}


async def test_a_query_that_zuora_ignores_is_a_missing_permission(office: Office, lake: LocalLake) -> None:
    def withdraw() -> None:
        office.tenant.options.hidden = frozenset({"Payment"})

    async with office.source() as source:
        office.faults.arm(SUBMIT, act=withdraw)
        errors = await failures(source, lake, office)
    assert set(errors) == {"zuora_payment"}
    assert isinstance(errors["zuora_payment"], PermissionMissing)
    assert await done(lake, office) == set(TABLES) - {"zuora_payment"}


async def test_one_query_zuora_cannot_read_does_not_take_the_others_along(office: Office, lake: LocalLake) -> None:
    def withdraw() -> None:
        office.tenant.options.hidden = frozenset({"Payment.Gateway"})

    async with office.source() as source:
        office.faults.arm(SUBMIT, act=withdraw)
        errors = await failures(source, lake, office)
    assert set(errors) == {"zuora_payment"}
    assert isinstance(errors["zuora_payment"], UnknownField)
    assert "Gateway" in str(errors["zuora_payment"])
    assert await done(lake, office) == set(TABLES) - {"zuora_payment"}


async def test_a_job_that_dies_is_tried_query_by_query(office: Office, lake: LocalLake) -> None:
    office.tenant.jobs.fail_next("failed")
    async with office.source() as source:
        manifests = await extracted(source, lake, office.whole("account", "product"))
    assert set(manifests) == {"zuora_account", "zuora_product"}
    assert office.submissions() == 3


async def test_a_query_that_keeps_dying_is_failed_work(office: Office, lake: LocalLake) -> None:
    office.tenant.jobs.fail_next("error")
    async with office.source() as source:
        errors = await failures(source, lake, office, "product")
    assert isinstance(errors["zuora_product"], WorkFailed)
    assert "aborted" in errors["zuora_product"].cause


async def test_a_user_without_aqua_is_told_so_for_every_table(office: Office, lake: LocalLake) -> None:
    office.tenant.options.aqua_allowed = False
    async with office.source(data_query=False) as source:
        errors = await failures(source, lake, office)
    assert set(errors) == set(TABLES)
    assert all(isinstance(error, PermissionMissing) for error in errors.values())
    assert office.submissions() == 1


async def test_a_job_that_takes_too_long_is_cancelled(office: Office, lake: LocalLake) -> None:
    office.tenant.options.polls_until_done = 1_000_000
    async with office.source(job_deadline_seconds=0.2) as source:
        errors = await failures(source, lake, office, "product")
    assert isinstance(errors["zuora_product"], WorkFailed)
    assert any(call.startswith("DELETE /v1/batch-query/jobs/") for call in office.faults.seen)


async def test_a_job_we_walk_away_from_is_cancelled(office: Office, lake: LocalLake) -> None:
    office.tenant.options.polls_until_done = 1_000_000
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with office.source() as source:
        office.faults.arm(JOB, after=2, act=lambda: loop.call_soon_threadsafe(asked.set))
        task = asyncio.create_task(extracted(source, lake, office.whole("product")))
        await asyncio.wait_for(asked.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert any(call.startswith("DELETE /v1/batch-query/jobs/") for call in office.faults.seen)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"Id,Name\n1,a\n", UnreadableFile),
        (gzip.compress(b"Id,Name\n1,a\n"), UnreadableFile),
        (b'{"success": true, "message": "no such file"}', UnreadableFile),
        (b"", TruncatedBody),
        (b"\x1f\x8b broken", UnreadableFile),
    ],
    ids=["not packed", "other columns", "JSON", "empty", "broken gzip"],
)
async def test_a_file_that_is_not_what_it_should_be_is_never_committed(
    office: Office, lake: LocalLake, body: bytes, kind: type[MgdwError]
) -> None:
    async with office.source() as source:
        office.faults.arm(FILE, times=None, status=200, body=body)
        errors = await failures(source, lake, office, "product")
    assert isinstance(errors["zuora_product"], kind)
    assert not await done(lake, office, "product")


async def test_a_file_with_fewer_rows_than_zuora_counted_fails_its_table_alone(office: Office, lake: LocalLake) -> None:
    for _ in range(2):
        office.tenant.jobs.spoil_next(lambda name, text: text.splitlines(True)[0] if "product" in name else text)
    async with office.source() as source:
        errors = await failures(source, lake, office, "product", "account")
    assert set(errors) == {"zuora_product"}
    assert isinstance(errors["zuora_product"], CountMismatch)
    assert await done(lake, office, "product", "account") == {"zuora_account"}


async def test_a_lasting_rate_limit_ends_as_such(office: Office, lake: LocalLake) -> None:
    async with office.source() as source:
        office.faults.arm(SUBMIT, times=None, status=429, headers={"Retry-After": "2"})
        errors = await failures(source, lake, office, "product")
    error = errors["zuora_product"]
    assert isinstance(error, RateLimited)
    assert error.retry_after == 2
