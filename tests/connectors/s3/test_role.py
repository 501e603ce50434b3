"""A bucket in another account: a role is taken on with its ExternalId, again and again before its session ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.session import Session
from obstore.auth.boto3 import Boto3CredentialProvider
from pydantic import SecretStr

from connectors.contract import Table
from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    PermissionMissing,
    SettingMissing,
    SourceUnavailable,
)
from connectors.lake.local import LocalLake
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.source import TableState
from sandbox.s3 import S3Server
from sandbox.sts import Role
from tests.connectors.s3.deliveries import csv_body, extracted, sent


@pytest.fixture
def role() -> Role:
    return Role(external_id="planted-external-id")


@pytest.fixture
def bucket(role: Role, cm: Table) -> Iterator[S3Server]:
    with S3Server(role=role) as server:
        server.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"]))])
        yield server


@pytest.fixture
def assuming(settings: S3Settings, bucket: S3Server, role: Role) -> S3Settings:
    """The settings, with the role."""
    external_id = SecretStr(role.external_id)
    return settings.model_copy(
        update={"role_arn": role.arn, "external_id": external_id, "sts_endpoint_url": bucket.url, "retries": 0}
    )


async def test_the_bucket_is_read_with_the_roles_session_and_not_with_our_keys(
    settings: S3Settings, assuming: S3Settings, role: Role, lake: LocalLake, cm: Table
) -> None:
    with pytest.raises(PermissionMissing):
        await S3Source(settings).plan(cm, TableState())

    async with S3Source(assuming) as source:
        [manifest] = await extracted(source, await source.plan(cm, TableState()), lake)

    assert [f.key for f in manifest.files] == ["cm/usage/a.csv"]
    assert len(role.sessions) == 2  # one to log in, one that obstore asked for and kept


async def test_a_session_near_its_end_is_replaced_before_it_ends(
    assuming: S3Settings, role: Role, lake: LocalLake, cm: Table
) -> None:
    role.session_seconds = 0  # obstore asks again from five minutes before the end
    async with S3Source(assuming) as source:
        requests = await source.plan(cm, TableState())
        role.end_sessions()
        [manifest] = await extracted(source, requests, lake)

    assert len(manifest.files) == 1


async def test_the_role_may_be_taken_on_with_a_blocks_keys(
    assuming: S3Settings, bucket: S3Server, role: Role, cm: Table
) -> None:
    session = Session()
    session.set_credentials(*bucket.credentials)
    bare = assuming.model_copy(update={"access_key_id": None, "secret_access_key": None})

    async with S3Source(bare, credentials=Boto3CredentialProvider(session)) as source:
        assert len(await source.plan(cm, TableState())) == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"external_id": SecretStr("another-planted-id")}, "ExternalId"),
        ({"external_id": None}, "ExternalId"),
        ({"role_arn": "arn:aws:iam::123456789012:role/another"}, "role/another"),
        ({"secret_access_key": SecretStr("planted-secret")}, "active keys"),
    ],
)
async def test_a_role_that_is_refused_says_what_its_owner_should_check(
    assuming: S3Settings, change: dict[str, object], named: str
) -> None:
    with pytest.raises(CredentialsRefused) as caught:
        async with S3Source(assuming.model_copy(update=change)):
            pass
    assert named in str(caught.value)
    assert "planted" not in f"{caught.value!r} {caught.value} {caught.value.facts}"


async def test_a_role_that_is_withdrawn_meanwhile_is_named_and_not_the_bucket(
    assuming: S3Settings, role: Role, cm: Table
) -> None:
    role.session_seconds = 0
    async with S3Source(assuming) as source:
        await source.plan(cm, TableState())
        role.external_id = "changed by its owner"
        with pytest.raises(CredentialsRefused, match=r"STS refused to let us take on .*usage-reader"):
            await source.plan(cm, TableState())


async def test_sts_without_an_answer_is_no_matter_of_keys(assuming: S3Settings) -> None:
    with pytest.raises(SourceUnavailable, match="STS did not answer"):
        async with S3Source(assuming.model_copy(update={"sts_endpoint_url": "http://127.0.0.1:9"})):
            pass


async def test_without_any_keys_nobody_can_take_on_a_role(
    assuming: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(SettingMissing, match="no credentials to take on arn:aws"):
        async with S3Source(assuming.model_copy(update={"access_key_id": None})):
            pass


def test_a_role_is_named_by_its_arn() -> None:
    with pytest.raises(ConfigurationError, match="MGDW_S3_ROLE_ARN"):
        S3Settings(bucket="usage", role_arn="usage-reader")
