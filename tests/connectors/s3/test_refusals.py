"""Whatever S3 refuses ends in one error of ours, with the remedy and without a secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from obstore.auth.boto3 import Boto3CredentialProvider
from pydantic import SecretStr

from connectors.contract import Table
from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    PermissionMissing,
    RateLimited,
    SettingMissing,
    SourceUnavailable,
    UnknownObject,
)
from connectors.lake.local import LocalLake
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.source import TableState
from sandbox import s3 as sandbox_s3
from sandbox.s3 import S3Server
from tests.connectors.s3.deliveries import csv_body, extracted, sent


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The headers of each request the bucket gets."""
    seen: list[dict[str, str]] = []
    check = sandbox_s3.refusal

    def refusal(*args: Any, **more: Any) -> tuple[str, str] | None:
        seen.append(dict(args[3]))
        return check(*args, **more)

    monkeypatch.setattr(sandbox_s3, "refusal", refusal)
    return seen


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"access_key_id": "AKIANOBODY"}, CredentialsRefused, "InvalidAccessKeyId"),
        ({"secret_access_key": SecretStr("planted-secret")}, CredentialsRefused, "SignatureDoesNotMatch"),
        ({"bucket": "no-such-bucket"}, UnknownObject, "no-such-bucket"),
        ({"endpoint_url": "http://127.0.0.1:9", "retries": 0}, SourceUnavailable, "no answer"),
    ],
)
async def test_a_wrong_setting_is_named(
    settings: S3Settings, cm: Table, change: dict[str, object], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named) as caught:
        await S3Source(settings.model_copy(update=change)).plan(cm, TableState())
    assert "MGDW_S3_" in str(caught.value)
    assert "planted-secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("status", "code", "error", "advice"),
    [
        (403, "AccessDenied", PermissionMissing, "s3:ListBucket"),
        (403, "ExpiredToken", CredentialsRefused, "still active"),
        (403, "RequestTimeTooSkewed", ConfigurationError, "clock"),
        (301, "PermanentRedirect", ConfigurationError, "MGDW_S3_REGION"),
        (503, "SlowDown", RateLimited, "later"),
        (500, "InternalError", SourceUnavailable, "reachable"),
    ],
)
async def test_an_answer_of_s3_is_explained(
    bucket: S3Server, source: S3Source, cm: Table, status: int, code: str, error: type[Exception], advice: str
) -> None:
    body = f"<Error><Code>{code}</Code><CanonicalRequest>x-amz-security-token:planted-secret</CanonicalRequest></Error>"
    bucket.faults.arm("GET .*list-type=2", times=None, status=status, body=body)

    with pytest.raises(error) as caught:
        await source.plan(cm, TableState())

    assert advice in str(caught.value)
    assert "planted-secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.facts}"  # type: ignore[attr-defined]


async def test_credentials_may_come_from_a_boto3_session(bucket: S3Server, settings: S3Settings, cm: Table) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"]))])
    session = Session()
    session.set_credentials(*bucket.credentials)
    bare = settings.model_copy(update={"access_key_id": None, "secret_access_key": None})

    source = S3Source(bare, credentials=Boto3CredentialProvider(session))

    assert len(await source.plan(cm, TableState())) == 1


def test_missing_settings_are_named(settings: S3Settings) -> None:
    with pytest.raises(SettingMissing, match="MGDW_S3_BUCKET: is not set"):
        S3Settings.from_environment()
    with pytest.raises(SettingMissing, match="no credentials"):
        S3Source(settings.model_copy(update={"access_key_id": None}))


def test_keys_do_not_travel_over_plain_http_to_another_machine() -> None:
    with pytest.raises(ConfigurationError, match="MGDW_S3_ENDPOINT_URL: would send secrets in the clear"):
        S3Settings(bucket="usage", endpoint_url="http://s3.example.com")


async def test_a_foreign_endpoint_in_the_environment_is_not_used(
    bucket: S3Server, settings: S3Settings, cm: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"]))])
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "foreign")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    assert len(await S3Source(settings).plan(cm, TableState())) == 1


AT_KMS = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on the resource"


@pytest.mark.parametrize(
    ("request_", "message", "advice"),
    [
        ("GET .*list-type=2", "", "s3:ListBucket on usage-delivery-.*the bucket itself.*MGDW_S3_REQUESTER_PAYS=true"),
        (
            "GET .*a.csv",
            "",
            "s3:GetObject on .*MGDW_S3_REQUESTER_PAYS=true. Without s3:ListBucket S3 says the same of a",
        ),
        ("GET .*a.csv", AT_KMS, "kms:Decrypt on the customer key that usage-delivery"),
    ],
)
async def test_what_is_forbidden_says_which_grant_is_lacking(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table, request_: str, message: str, advice: str
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"]))])
    body = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
    bucket.faults.arm(request_, times=None, status=403, body=body)

    errors: list[BaseException] = []
    try:
        await extracted(source, await source.plan(cm, TableState()), lake)
    except ExceptionGroup as group:
        errors += group.exceptions
    except PermissionMissing as error:
        errors.append(error)

    [error] = errors
    assert isinstance(error, PermissionMissing)
    assert re.search(advice, error.remedy)
    assert error.facts["table"] == "s3_cm_usage_data"


async def test_who_pays_for_the_requests_is_said_with_each_of_them(
    bucket: S3Server, settings: S3Settings, tmp_path: Path, cm: Table, headers: list[dict[str, str]]
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"]))])
    for pays in (False, True):
        headers.clear()
        source = S3Source(settings.model_copy(update={"requester_pays": pays}))
        await source.drift(cm)
        await extracted(source, await source.plan(cm, TableState()), LocalLake(tmp_path / str(pays)))
        assert [h.get("x-amz-request-payer") for h in headers if "authorization" in h] == [
            "requester" if pays else None
        ] * 3


@pytest.mark.parametrize("key", ["cm/usage//a.csv", "cm/usage/./a.csv", "cm/usage/a\nb.csv"])
async def test_a_key_that_cannot_be_read_is_named(bucket: S3Server, source: S3Source, cm: Table, key: str) -> None:
    bucket.deliver([sent("cm/usage/ok.csv", csv_body(cm, ["A1"])), sent(key, csv_body(cm, ["A1"]))])

    with pytest.raises(ConfigurationError) as caught:
        await source.plan(cm, TableState())
    assert repr(key) in caught.value.cause
    assert "renamed or moved" in caught.value.remedy
