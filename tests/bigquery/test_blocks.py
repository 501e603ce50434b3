"""`mgdw blocks`: credentials, bucket and secrets as Prefect blocks, made from the settings and a key file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from google.oauth2.service_account import Credentials
from prefect_gcp import GcpCredentials, GcpSecret
from prefect_gcp.cloud_storage import GcsBucket

from connectors.errors import ConfigurationError, SettingMissing
from flows.blocks import BUCKET_BLOCK, write_blocks
from flows.dbt import profile_environment
from flows.gcp import google_access, project_access
from flows.settings import FlowSettings
from sandbox.prefect_server import PrefectServer
from tests.bigquery.test_secrets import service_account

PROJECT = "mgdw-test-blocks"


@pytest.fixture(autouse=True)
def settings(prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MGDW_WAREHOUSE": "bigquery", "MGDW_GCP_PROJECT": PROJECT, "MGDW_LAKE": "gs://mgdw-test-lake/here",
        "MGDW_SECRETS": "gcp", "MGDW_ZUORA_BASE_URL": "https://rest.zuora.com",
        "MGDW_ZUORA_CLIENT_SECRET": "secret://zuora-client-secret@3",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


def test_blocks_are_made_and_made_again_and_the_flows_use_the_key(tmp_path: Path) -> None:
    key = service_account(tmp_path, PROJECT)
    written = write_blocks(key)
    assert {"gcp-credentials/mg-dw", f"gcs-bucket/{BUCKET_BLOCK}", "gcpsecret/zuora-client-secret-v3"} <= set(written)
    assert write_blocks(key) == written
    bucket = GcsBucket.load(BUCKET_BLOCK, _sync=True)
    assert (bucket.bucket, bucket.bucket_folder) == ("mgdw-test-lake", "here/")
    secret = GcpSecret.load("zuora-client-secret-v3", _sync=True)
    assert (secret.secret_name, secret.secret_version) == ("zuora-client-secret", "3")
    access = google_access()
    assert access is not None
    assert isinstance(access.credentials, Credentials)
    assert access.credentials.service_account_email == f"pipeline@{PROJECT}.iam.gserviceaccount.com"
    assert "BEGIN" not in repr(access)


def test_dbt_gets_the_blocks_key_as_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    write_blocks(service_account(tmp_path, PROJECT))
    with profile_environment(FlowSettings.from_environment(), "run-1") as variables:
        held = Path(variables["GOOGLE_APPLICATION_CREDENTIALS"])
        assert held.stat().st_mode & 0o077 == 0
        assert PROJECT in held.read_text()
        assert variables["MGDW_RUN_ID"] == "run-1"
    assert not held.exists()


def test_a_key_that_is_none_is_refused_without_showing_it(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text('{"type": "service_account", "private_key": "planted-secret-4711"}')
    with pytest.raises(ConfigurationError, match=r"key\.json") as caught:
        write_blocks(key)
    assert "4711" not in repr(caught.value.__cause__) + str(caught.value)
    with pytest.raises(ConfigurationError, match="not readable"):
        write_blocks(tmp_path / "nothing.json")


def test_the_usual_block_may_be_absent_and_one_that_is_named_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(_forget("mg-dw"))
    assert project_access().credentials is None
    monkeypatch.setenv("MGDW_GCP_CREDENTIALS_BLOCK", "no-such-block")
    with pytest.raises(SettingMissing, match="gcp-credentials/no-such-block") as caught:
        project_access()
    assert "mgdw blocks" in caught.value.remedy


def test_neither_warehouse_nor_lake_in_google_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MGDW_WAREHOUSE", "duckdb")
    monkeypatch.setenv("MGDW_LAKE", "lake")
    monkeypatch.setenv("MGDW_GCP_CREDENTIALS_BLOCK", "no-such-block")
    assert google_access() is None


async def _forget(name: str) -> None:
    await GcpCredentials.adelete(name)
