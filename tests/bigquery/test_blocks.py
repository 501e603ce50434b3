"""`mgdw blocks`: credentials, bucket and secrets as Prefect blocks, made from the settings and a key file."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.oauth2.service_account import Credentials
from prefect import flow
from prefect.client.orchestration import get_client
from prefect_gcp import GcpCredentials, GcpSecret
from prefect_gcp.cloud_storage import GcsBucket

from connectors.errors import ConfigurationError, SettingMissing
from connectors.google import GoogleAccess
from connectors.warehouse import LoadResult
from connectors.window import Window
from flows.blocks import BUCKET_BLOCK, RESULTS_BLOCK, write_blocks
from flows.dbt import profile_environment
from flows.failures import Failure
from flows.gcp import google_access, project_access
from flows.load import LoadFailed
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
    assert {
        "gcp-credentials/mg-dw", f"gcs-bucket/{BUCKET_BLOCK}", f"gcs-bucket/{RESULTS_BLOCK}",
        "gcpsecret/zuora-client-secret-v3",
    } <= set(written)  # fmt: skip
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


class _Tokens(BaseHTTPRequestHandler):
    """Google's token endpoint, as far as a service account's key asks it."""

    def do_POST(self) -> None:
        body = json.dumps({"access_token": "loopback", "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def key(tmp_path: Path) -> Iterator[Path]:
    """A key whose tokens come from this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = service_account(tmp_path, PROJECT)
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "token_uri": f"http://127.0.0.1:{server.server_address[1]}/token"}))
    yield path
    server.shutdown()
    server.server_close()


async def test_what_a_child_returns_or_raises_comes_to_its_parent_through_the_results_bucket(
    key: Path, emulated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(write_blocks, key)
    store = GoogleAccess(PROJECT, "US").storage()
    bucket = store.create_bucket(f"{PROJECT}-results")
    batch = LoadResult("zuora_account", "a batch", Window(None, datetime(2026, 6, 15, tzinfo=UTC)), read=3)

    @flow(persist_result=True, result_storage=f"gcs-bucket/{RESULTS_BLOCK}")
    async def child(fails: bool) -> list[LoadResult]:
        if fails:
            raise LoadFailed("zuora", [Failure("zuora", "zuora_invoice", "answered 503", "Run again.")], [batch])
        return [batch]

    async with get_client() as client:
        for fails in (False, True):
            ran = await child(fails, return_state=True)
            assert ran.state_details.flow_run_id
            told = await client.read_flow_run(ran.state_details.flow_run_id)
            assert told.state
            result: Any = await told.state.aresult(raise_on_failure=False)
            if not fails:
                assert result == [batch]
                continue
            assert isinstance(result, LoadFailed)
            assert (result.results, result.failures[0].what, result.step) == ((batch,), "zuora_invoice", "zuora")
    assert [blob.name.count("/") for blob in bucket.list_blobs()] == [0, 0]
