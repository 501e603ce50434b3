"""The emulators: what the other tests below tests/bigquery lean on."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import secretmanager
from google.cloud.bigquery import LoadJobConfig, SourceFormat
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceRestTransport,
)

from connectors.google import GoogleAccess
from tests.bigquery.emulators import install, servers

_CHILD = """
import pathlib, sys, time
from tests.bigquery.emulators.servers import Emulators
with Emulators(pathlib.Path(sys.argv[1])) as emulators:
    print(*emulators.pids, flush=True)
    time.sleep(600)
"""


def test_a_project_sees_nothing_of_another(new_google: Callable[[], GoogleAccess]) -> None:
    first, second = new_google(), new_google()
    with first.bigquery() as client:
        client.query_and_wait("CREATE TABLE STG.t AS SELECT 1 AS x")
        assert [tuple(row) for row in client.query_and_wait("SELECT x FROM STG.t")] == [(1,)]
    with second.bigquery() as client:
        assert list(client.list_tables("STG")) == []


def test_bigquery_loads_what_lies_in_the_bucket(google: GoogleAccess, lake_bucket: str) -> None:
    google.storage().bucket(lake_bucket).blob("x/rows.jsonl").upload_from_string('{"x": 7}\n')
    with google.bigquery() as client:
        config = LoadJobConfig(source_format=SourceFormat.NEWLINE_DELIMITED_JSON, autodetect=True)
        client.load_table_from_uri(f"gs://{lake_bucket}/x/rows.jsonl", "STG.loaded", job_config=config).result()
        assert [row.x for row in client.query_and_wait("SELECT x FROM STG.loaded")] == [7]


def test_the_first_loads_of_a_server_may_come_at_the_same_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def load(number: int) -> int:
        config = LoadJobConfig(source_format=SourceFormat.NEWLINE_DELIMITED_JSON, autodetect=True)
        with access.bigquery() as client:
            together.wait(30)
            job = client.load_table_from_uri("gs://first/rows.jsonl", f"STG.t{number}", job_config=config)
            return job.result(timeout=60, retry=None).output_rows or 0

    with servers.Emulators(tmp_path / "data") as own:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", own.bigquery_url)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", own.gcs_url)
        access = GoogleAccess("mgdw-test-first", "US")
        with access.bigquery() as client:
            client.create_dataset("STG")
        access.storage().create_bucket("first").blob("rows.jsonl").upload_from_string('{"x": 7}\n')
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(load, range(8))) == [1] * 8


def test_a_secret_is_read_back(secrets_url: str) -> None:
    transport = SecretManagerServiceRestTransport(
        host=secrets_url.removeprefix("http://"), credentials=AnonymousCredentials(), url_scheme="http"
    )
    client = secretmanager.SecretManagerServiceClient(transport=transport)
    secret = client.create_secret(
        parent="projects/p", secret_id="sfdc-username", secret={"replication": {"automatic": {}}}
    )
    client.add_secret_version(parent=secret.name, payload={"data": b"ida"})
    found = client.access_secret_version(name=f"{secret.name}/versions/latest")
    assert found.payload.data == b"ida"


def test_the_servers_end_when_their_parent_is_killed(emulators: servers.Emulators, tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, tmp_path / "data"], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    with child:
        assert child.stdout is not None
        pids = [int(pid) for pid in child.stdout.readline().split()]
        assert len(pids) == 3
        watches = [os.pidfd_open(pid) for pid in pids]
        child.send_signal(signal.SIGKILL)
    for watch in watches:
        ended, _, _ = select.select([watch], [], [], 30)
        os.close(watch)
        assert ended


def test_emulators_that_are_not_installed_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install, "ROOT", tmp_path)
    with pytest.raises(RuntimeError, match="make test-bigquery"), servers.Emulators(tmp_path / "data"):
        pass


def test_an_installation_that_was_cut_short_is_not_taken_for_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(install, "ROOT", tmp_path)
    (install.home() / "venv").mkdir(parents=True)
    with pytest.raises(RuntimeError, match="make test-bigquery"):
        install.python()


def test_the_lock_names_no_address_and_hashes_everything() -> None:
    text = (install.HERE / "lock.txt").read_text()
    assert not re.search(r"https?://|--index-url|--find-links", text)
    pinned = re.findall(r"^[a-z0-9][\w.-]*==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^[a-z0-9][\w.-]*==", text, re.MULTILINE)) > 30
