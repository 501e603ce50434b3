"""What goes wrong at NetSuite ends in one clear error, or in nothing at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from connectors.batch import BatchRequest
from connectors.errors import (
    ConfigurationError,
    CountMismatch,
    CredentialsRefused,
    DataError,
    MgdwError,
    RateLimited,
    SettingMissing,
    SourceUnavailable,
    UnknownField,
    UnknownObject,
)
from connectors.lake.local import LocalLake
from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.source import SUITEQL_PATH, NetSuiteSource
from connectors.window import Window
from sandbox.netsuite.credentials import NetSuiteCredentials
from tests.connectors.netsuite.conftest import IMPATIENT, TABLES, Office, extracted, records, table

QUERY = f"POST {SUITEQL_PATH}"


def whole(office: Office, *names: str) -> list[BatchRequest]:
    return [BatchRequest(table(name), Window(None, office.world.now)) for name in names or ("products",)]


def stamped(error: MgdwError) -> str:
    return f"{error}\n{error.facts}"


async def failure(source: NetSuiteSource, lake: LocalLake, requests: list[BatchRequest]) -> MgdwError:
    """The one error of an extract."""
    with pytest.raises(ExceptionGroup) as caught:
        await extracted(source, lake, requests)
    (error,) = caught.value.exceptions
    assert isinstance(error, MgdwError)
    return error


@pytest.mark.parametrize("change", ["client_id", "certificate_id"])
async def test_a_wrong_client_or_certificate_is_refused_without_repeating_it(office: Office, change: str) -> None:
    source = office.source(**{change: "wrong"})
    with pytest.raises(CredentialsRefused, match="netsuite refused the login") as caught:
        async with source:
            pass
    assert "certificate" in caught.value.remedy
    assert source.calls == 1


async def test_a_key_that_does_not_fit_the_certificate_is_refused_and_never_shown(office: Office) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(CredentialsRefused) as caught:
        async with office.source(private_key=SecretStr(key.decode())):
            pass
    assert key.decode().splitlines()[1] not in stamped(caught.value)


async def test_an_ec_key_logs_in_as_well(office: Office) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip
    office.account.credentials = replace(NetSuiteCredentials(), private_key=private, public_key=public)
    office.account.__post_init__()
    async with office.source(private_key=SecretStr(private.replace("\n", "\\n"))) as source:
        assert await source.horizon(table("products")) == office.world.now


def test_something_that_is_no_key_is_a_configuration_error(office: Office) -> None:
    with pytest.raises(ConfigurationError, match="PEM") as caught:
        office.source(private_key=SecretStr("planted-secret"))
    assert "planted-secret" not in stamped(caught.value)


def test_settings_name_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MGDW_NETSUITE_ACCOUNT", raising=False)
    with pytest.raises(SettingMissing, match="MGDW_NETSUITE_ACCOUNT"):
        NetSuiteSettings()


def test_the_address_follows_from_the_account() -> None:
    assert NetSuiteSettings(account="1234567_SB1").base_url == "https://1234567-sb1.suitetalk.api.netsuite.com"


def test_plain_http_is_for_this_machine_only() -> None:
    with pytest.raises(ConfigurationError, match="https"):
        NetSuiteSettings(account="1", base_url="http://example.com")


async def test_a_server_that_is_down_is_named_with_what_to_do() -> None:
    credentials = NetSuiteCredentials()
    settings = NetSuiteSettings(
        account="1",
        base_url="http://127.0.0.1:9",
        client_id="c",
        certificate_id="k",
        private_key=SecretStr(credentials.private_key),
    )
    with pytest.raises(SourceUnavailable, match="netsuite") as caught:
        async with NetSuiteSource(settings, retry=IMPATIENT):
            pass
    assert "run the flow again" in caught.value.remedy


async def test_a_token_that_expires_in_mid_run_is_renewed(office: Office, lake: LocalLake) -> None:
    async with office.source(page_rows=50) as source:
        office.faults.arm(QUERY, after=2, act=office.account.expire_sessions)
        manifest = (await extracted(source, lake, whole(office, "customers")))["netsuite_customers"]
    assert manifest.rows == len(office.rows("SELECT 1 FROM netsuite.customer WHERE _deleted_at IS NULL"))
    assert sum("token" in call for call in office.faults.seen) == 2


@pytest.mark.parametrize("status", [429, 400])
async def test_both_forms_of_too_many_calls_are_waited_out(office: Office, lake: LocalLake, status: int) -> None:
    body = {
        "title": "Too many", "status": status,
        "o:errorDetails": [{"detail": "Concurrent request limit", "o:errorCode": "CONCURRENCY_LIMIT_EXCEEDED"}],
    }  # fmt: skip
    async with office.source() as source:
        office.faults.arm(QUERY, times=3, status=status, body=body)
        assert (await extracted(source, lake, whole(office)))["netsuite_products"].rows
        office.faults.arm(QUERY, times=None, status=status, body=body)
        error = await failure(source, lake, whole(office, "customers"))
    assert isinstance(error, RateLimited)
    assert "MGDW_NETSUITE_CONCURRENCY" in error.remedy


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "body": "<html><body>Scheduled maintenance</body></html>"},
        {"status": 200, "body": "<html><body>Scheduled maintenance</body></html>"},
        {
            "status": 500,
            "body": {"status": 500, "o:errorDetails": [{"detail": "?", "o:errorCode": "UNEXPECTED_ERROR"}]},
        },
        {"truncate_after": 300},
        {"drop": "before"},
        {"drop": "after"},
        {"status": 200, "body": '{"count":3,"items":[{"links":[],"id":"1"'},
    ],
    ids=["maintenance", "maintenance as 200", "unexpected", "truncated", "dropped", "answer lost", "cut in mid-text"],
)
async def test_a_passing_trouble_costs_nothing_but_a_call(
    office: Office, lake: LocalLake, fault: dict[str, Any]
) -> None:
    async with office.source(page_rows=40) as source:
        office.faults.arm(QUERY, after=1, **fault)
        manifest = (await extracted(source, lake, whole(office, "customers")))["netsuite_customers"]
    ids = [int(r["id"]) for r in records(lake, manifest)]
    assert sorted(ids) == [
        i for (i,) in office.rows("SELECT id FROM netsuite.customer WHERE _deleted_at IS NULL ORDER BY id")
    ]


async def test_every_missing_field_is_named_and_the_other_tables_arrive(office: Office, lake: LocalLake) -> None:
    office.account.options.hidden = frozenset({"customer.email", "customer.phone", "customer.custentity_brand"})
    requests = [BatchRequest(t, Window(None, office.world.now)) for t in TABLES.values()]
    async with office.source() as source:
        error = await failure(source, lake, requests)
        assert isinstance(error, UnknownField)
        assert error.facts["table"] == "netsuite_customers"
        assert error.facts["fields"] == ("email", "phone", "custentity_brand")
        assert all(name in str(error) for name in ("email", "phone", "custentity_brand"))
    done = [r.table.name for r in requests if await lake.manifest(r.prefix)]
    assert done == [name for name in TABLES if name != "netsuite_customers"]


async def test_a_record_that_is_not_enabled_is_an_unknown_object(office: Office, lake: LocalLake) -> None:
    office.account.options.hidden = frozenset({"subscription"})
    async with office.source() as source:
        error = await failure(source, lake, whole(office, "subscriptions"))
        assert isinstance(error, UnknownObject)
        assert error.facts["table"] == "netsuite_subscriptions"
        with pytest.raises(UnknownObject):
            await source.drift(table("subscriptions"))


async def test_a_page_short_of_its_own_count_is_never_loaded(office: Office, lake: LocalLake) -> None:
    body = {
        "links": [],
        "count": 3,
        "hasMore": False,
        "items": [{"links": [], "id": "1"}],
        "offset": 0,
        "totalResults": 3,
    }
    async with office.source() as source:
        office.faults.arm(QUERY, times=None, status=200, body=body)
        error = await failure(source, lake, whole(office))
    assert isinstance(error, CountMismatch)
    assert await lake.manifest(whole(office)[0].prefix) is None


async def test_rows_the_source_counts_but_never_serves_fail_the_batch(office: Office, lake: LocalLake) -> None:
    body = {"links": [], "count": 1, "hasMore": False, "items": [{"links": [], "id": "99999999"}], "totalResults": 1}
    async with office.source(page_rows=40) as source:
        office.faults.arm(QUERY, after=1, times=None, status=200, body=body)
        error = await failure(source, lake, whole(office, "customers"))
    assert isinstance(error, DataError)
    assert await lake.manifest(whole(office, "customers")[0].prefix) is None


async def test_a_page_that_lies_once_is_asked_for_again(office: Office, lake: LocalLake) -> None:
    body = {"links": [], "count": 1, "hasMore": False, "items": [{"links": [], "id": "99999999"}], "totalResults": 1}
    async with office.source(page_rows=40) as source:
        office.faults.arm(QUERY, after=2, status=200, body=body)
        manifest = (await extracted(source, lake, whole(office, "customers")))["netsuite_customers"]
    assert {int(r["id"]) for r in records(lake, manifest)} == {
        i for (i,) in office.rows("SELECT id FROM netsuite.customer WHERE _deleted_at IS NULL")
    }
    assert manifest.details["pages_asked_again"] == 1


async def test_a_row_edited_while_we_read_leaves_the_window_without_an_alarm(
    busy_office: Office, lake: LocalLake
) -> None:
    office = busy_office
    now = office.world.now
    (last,) = office.rows("SELECT max(id) FROM netsuite.customer WHERE _deleted_at IS NULL")[0]

    def edit() -> None:
        office.world.sql(f"UPDATE netsuite.customer SET lastmodifieddate = '{now:%Y-%m-%d %H:%M:%S}' WHERE id = {last}")

    (oldest,) = office.rows("SELECT min(lastmodifieddate) AT TIME ZONE 'UTC' FROM netsuite.customer")[0]
    async with office.source(page_rows=10, concurrency=1) as source:
        office.faults.arm(QUERY, after=1, act=edit)
        request = BatchRequest(table("customers"), Window(oldest, now))
        manifest = (await extracted(source, lake, [request]))["netsuite_customers"]
    assert {int(r["id"]) for r in records(lake, manifest)} == {
        i for (i,) in office.rows("SELECT id FROM netsuite.customer WHERE _deleted_at IS NULL") if i != last
    }
    assert manifest.source_rows == manifest.rows
    assert "pages_asked_again" not in manifest.details


@pytest.mark.parametrize(("zone", "setting", "words"), [("America/Los_Angeles", "UTC", "UTC-07:00")])
async def test_a_clock_in_another_zone_than_the_settings_say_is_refused(
    office: Office, zone: str, setting: str, words: str
) -> None:
    office.account.options.time_zone = zone
    with pytest.raises(ConfigurationError, match=words) as caught:
        async with office.source(time_zone=setting):
            pass
    assert "MGDW_NETSUITE_TIME_ZONE" in caught.value.remedy


async def test_a_zone_that_is_none_is_refused(office: Office) -> None:
    with pytest.raises(ConfigurationError, match="Mars"):
        async with office.source(time_zone="Mars"):
            pass
