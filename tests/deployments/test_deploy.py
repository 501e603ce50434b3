"""`mgdw deploy` against a real server: what it makes, what it leaves alone, what it takes out of use."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Completed

from connectors.errors import ConfigurationError, SourceUnavailable, WorkFailed
from flows.automations import Applied
from flows.deploy import Change, deploy
from flows.deploy_check import read_template
from flows.deploy_file import PREFECT_YAML, DeploymentFileError, read_file
from flows.deploy_smoke import smoke
from sandbox.prefect_server import PrefectServer

ROOT = PREFECT_YAML.parent
IMAGE = "us-central1-docker.pkg.dev/p/mg-dw-docker-images/mg-dw@sha256:" + "a" * 64
NEXT = IMAGE.replace("a" * 64, "b" * 64)
T = TypeVar("T")


def _ask(question: Callable[[PrefectClient], Awaitable[T]]) -> T:
    async def asked() -> T:
        async with get_client() as client:
            return await question(client)

    return asyncio.run(asked())


def _read(name: str) -> DeploymentResponse:
    return _ask(lambda client: client.read_deployment_by_name(name))


async def _clear(client: PrefectClient) -> None:
    for deployment in await client.read_deployments():
        await client.delete_deployment(deployment.id)
    for pool in await client.read_work_pools():
        await client.delete_work_pool(pool.name)
    for automation in await client.read_automations():
        await client.delete_automation(automation.id)
    for block in await client.read_block_documents():
        await client.delete_block_document(block.id)


@pytest.fixture
def server(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """A server without pools, deployments, automations and blocks."""
    yield prefect_server
    _ask(_clear)


class File:
    """prefect.yaml with four of its deployments, which a test changes as a commit would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = json.loads(json.dumps(yaml.safe_load(PREFECT_YAML.read_text())))
        self.every = {d["name"]: d for d in self.content["deployments"]}
        self.deployments = {name: self.every[name] for name in ("daily", "zuora", "reconcile", "dbt")}

    def deployed(self, **options: Any) -> dict[str, Change | Applied]:
        self.content["deployments"] = list(self.deployments.values())
        self.path.write_text(yaml.safe_dump(self.content))
        given = {"image": IMAGE, "release": "3f1c", "path": self.path, **options}
        return {change.name: change for change in asyncio.run(deploy(**given))}


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "prefect.yaml")


def _what(changes: dict[str, Change | Applied]) -> set[str]:
    return {change.what for change in changes.values()}


def test_everything_of_the_file_is_made_and_nothing_is_changed_the_second_time(server: PrefectServer) -> None:
    made = asyncio.run(deploy(image=IMAGE, release="3f1c"))
    assert {change.what for change in made} == {"made"}
    assert len(made) == 2 + len(read_file().deployments)
    before = {d.id: d.updated for d in _ask(lambda client: client.read_deployments())}
    assert {change.what for change in asyncio.run(deploy(image=IMAGE, release="3f1c"))} == {"unchanged"}
    assert {d.id: d.updated for d in _ask(lambda client: client.read_deployments())} == before


def test_a_deployment_is_on_the_server_as_the_file_says(server: PrefectServer, file: File) -> None:
    file.deployed()
    pool = _ask(lambda client: client.read_work_pool("mg-dw"))
    assert (pool.type, pool.base_job_template) == ("kubernetes", read_template())
    daily = _read("daily-refresh/daily")
    assert daily.version == "3f1c"
    assert daily.entrypoint == "flows.daily_refresh.daily_refresh"
    assert daily.work_pool_name == "mg-dw"
    assert daily.job_variables["image"] == IMAGE
    assert daily.pull_steps == [{"prefect.deployments.steps.set_working_directory": {"directory": "/app"}}]
    assert daily.global_concurrency_limit is not None
    assert daily.global_concurrency_limit.limit == 1
    assert daily.concurrency_options is not None
    assert daily.concurrency_options.collision_strategy == "ENQUEUE"
    assert {
        (s.slug, s.schedule.cron, s.schedule.timezone, s.active, s.parameters["full"]) for s in daily.schedules
    } == {
        ("incremental", "0 4 * * 1-6", "America/New_York", True, False),
        ("weekly-full", "0 3 * * 0", "America/New_York", True, True),
    }
    assert daily.parameter_openapi_schema is not None
    assert daily.parameter_openapi_schema["properties"]["full"]["description"]
    assert _read("dbt/dbt").job_variables["service_account_name"] == "dbt-runner"


def test_a_new_image_changes_the_image_and_the_version_and_nothing_else(server: PrefectServer, file: File) -> None:
    file.deployed()
    changed = file.deployed(image=NEXT, release="9b2d")
    assert {changed.pop(name).what for name in ("mg-dw", "children")} == {"unchanged"}
    assert {(change.what, change.note) for change in changed.values()} == {("changed", "version, job_variables")}
    assert _read("zuora/zuora").job_variables["image"] == NEXT
    assert _what(file.deployed(image=NEXT, release="9b2d")) == {"unchanged"}


def test_a_schedule_that_somebody_paused_stays_paused_and_is_mentioned(server: PrefectServer, file: File) -> None:
    file.deployed()
    daily = _read("daily-refresh/daily")
    (weekly,) = [s for s in daily.schedules if s.slug == "weekly-full"]
    assert weekly.id is not None
    _ask(lambda client: client.update_deployment_schedule(daily.id, weekly.id, active=False))
    # Prefect's server forgets a schedule's parameters when it is paused or resumed; deploying brings them back.
    healed = file.deployed()["daily-refresh/daily"]
    assert (healed.what, healed.note) == ("changed", "schedules; schedule weekly-full stays paused")
    unchanged = file.deployed()["daily-refresh/daily"]
    assert (unchanged.what, unchanged.note) == ("unchanged", "schedule weekly-full stays paused")
    changed = file.deployed(image=NEXT)["daily-refresh/daily"]
    assert (changed.what, changed.note) == ("changed", "job_variables; schedule weekly-full stays paused")
    assert {s.slug: s.active for s in _read("daily-refresh/daily").schedules} == {
        "incremental": True, "weekly-full": False,
    }  # fmt: skip


def test_a_deployment_that_somebody_paused_stays_paused(server: PrefectServer, file: File) -> None:
    file.deployed()
    daily = _read("daily-refresh/daily")
    _ask(lambda client: client.pause_deployment(daily.id))
    changed = file.deployed(image=NEXT)["daily-refresh/daily"]
    assert changed.note == "job_variables; it stays paused"
    assert _read("daily-refresh/daily").paused


def test_a_schedule_that_is_gone_from_the_file_is_gone_from_the_server(server: PrefectServer, file: File) -> None:
    file.deployed()
    file.deployments["daily"]["schedules"].pop()
    changed = file.deployed()["daily-refresh/daily"]
    assert (changed.what, changed.note) == ("changed", "schedules")
    assert [s.slug for s in _read("daily-refresh/daily").schedules] == ["incremental"]


def test_what_the_file_no_longer_has_is_retired_with_its_history_and_comes_back_with_a_rollback(
    server: PrefectServer, file: File
) -> None:
    file.deployed()
    reconcile = _read("reconcile/reconcile")
    run = _ask(lambda client: client.create_flow_run_from_deployment(reconcile.id, state=Completed()))
    entry = file.deployments.pop("reconcile")
    changes = file.deployed()
    assert changes.pop("reconcile/reconcile").what == "retired"
    assert _what(changes) == {"unchanged"}
    retired = _read("reconcile/reconcile")
    assert retired.paused
    assert "retired" in retired.tags
    soon = datetime.now(UTC) + timedelta(days=400)
    scheduled = _ask(lambda client: client.get_scheduled_flow_runs_for_deployments([retired.id], scheduled_before=soon))
    assert scheduled == []
    assert _ask(lambda client: client.read_flow_run(run.id)).deployment_id == reconcile.id

    assert "reconcile/reconcile" not in file.deployed(), "it is told once"
    file.deployments["reconcile"] = entry
    back = file.deployed()
    assert back["reconcile/reconcile"].what == "changed"
    found = _read("reconcile/reconcile")
    assert (found.id, found.paused, "retired" in found.tags) == (reconcile.id, False, False)
    assert [(s.slug, s.active) for s in found.schedules] == [("monthly", True)]


def test_what_is_not_ours_is_left_alone(server: PrefectServer, file: File) -> None:
    file.deployed()
    zuora = _read("zuora/zuora")
    _ask(
        lambda client: client.create_deployment(
            flow_id=zuora.flow_id, name="of-an-analyst", work_pool_name="mg-dw", job_variables={"image": IMAGE}
        )
    )
    changes = file.deployed()
    assert "zuora/of-an-analyst" not in changes
    theirs = _read("zuora/of-an-analyst")
    assert (theirs.paused, theirs.tags) == (False, [])


def test_a_pools_template_is_brought_to_what_the_file_says_and_its_pause_and_limit_are_peoples_own(
    server: PrefectServer, file: File
) -> None:
    file.deployed()
    _ask(
        lambda client: client.update_work_pool(
            "mg-dw", WorkPoolUpdate(base_job_template={}, is_paused=True, concurrency_limit=3)
        )
    )
    assert file.deployed()["mg-dw"].what == "changed"
    pool = _ask(lambda client: client.read_work_pool("mg-dw"))
    assert (pool.base_job_template, pool.is_paused, pool.concurrency_limit) == (read_template(), True, 3)
    assert file.deployed()["mg-dw"].note == "it is paused: no run starts"


def test_a_bad_file_changes_nothing(server: PrefectServer, file: File) -> None:
    file.deployments["daily"]["scheduels"] = []
    with pytest.raises(DeploymentFileError, match="Did you mean schedules"):
        file.deployed()
    assert _ask(lambda client: client.read_work_pools()) == []


def test_automations_are_written_where_they_tell_of_failures(
    server: PrefectServer, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {change.kind for change in file.deployed().values()} == {"work pool", "work queue", "deployment"}
    monkeypatch.setenv("MGDW_ALERTS", "automations")
    monkeypatch.setenv("MGDW_SLACK_WEBHOOK_URL", "https://hooks.slack.example/services/T/B/x")
    made = {change.kind: change.what for change in file.deployed().values()}
    assert made == {
        "work pool": "unchanged",
        "work queue": "unchanged",
        "deployment": "unchanged",
        "block": "made",
        "automation": "made",
    }
    assert _what(file.deployed()) == {"unchanged"}


@pytest.mark.parametrize("image", [None, "mg-dw:latest", "mg-dw", "mg-dw@sha256:abc"])
def test_runs_in_kubernetes_need_an_image_by_digest(server: PrefectServer, file: File, image: str | None) -> None:
    with pytest.raises(ConfigurationError) as raised:
        file.deployed(image=image)
    assert "name@sha256:…" in raised.value.remedy
    assert _ask(lambda client: client.read_work_pools()) == []


def test_a_pool_of_the_other_type_is_not_touched(server: PrefectServer, file: File) -> None:
    file.deployed()
    with pytest.raises(ConfigurationError, match="is of type kubernetes, not process"):
        file.deployed(pool_type="process")
    assert _what(file.deployed()) == {"unchanged"}


def test_without_a_server_it_says_which_setting_is_missing(file: File) -> None:
    with (
        temporary_settings(set_defaults={}, restore_defaults={PREFECT_API_URL}),
        pytest.raises(ConfigurationError) as e,
    ):
        file.deployed()
    assert "PREFECT_API_URL" in e.value.remedy


def test_a_server_that_does_not_answer_is_told_in_a_line(file: File) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}/api"
        with (
            temporary_settings({PREFECT_API_URL: nowhere, PREFECT_CLIENT_MAX_RETRIES: 0}),
            pytest.raises(SourceUnavailable, match="Prefect's API gave no answer"),
        ):
            file.deployed()


def _mgdw(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "mgdw"), "deploy", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_the_command_prints_a_line_for_each_thing_and_a_sum(server: PrefectServer) -> None:
    first = _mgdw("--image", IMAGE, "--release", "3f1c")
    assert first.returncode == 0, first.stderr
    assert f"{2 + len(read_file().deployments)} made" in first.stdout
    refused = _mgdw("--image", "mg-dw:latest")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Failed: 'mg-dw:latest' is not an image by digest\nWhat to do: ")
    assert "Traceback" not in refused.stderr


SECRETS = (
    "NETSUITE_CERTIFICATE_ID", "NETSUITE_CLIENT_ID", "NETSUITE_PRIVATE_KEY", "SFDC_CLIENT_ID", "SFDC_CLIENT_SECRET",
    "TABLEAU_TOKEN_SECRET", "ZUORA_CLIENT_ID", "ZUORA_CLIENT_SECRET",
)  # fmt: skip


@pytest.fixture
def laptop(tmp_path: Path) -> dict[str, str]:
    """The environment of a worker whose settings are in order."""
    return {
        **os.environ,
        **dict.fromkeys(SECRETS, "x"),
        "MGDW_SALESFORCE_LOGIN_URL": "https://example.my.salesforce.com",
        "MGDW_NETSUITE_ACCOUNT": "1234567",
        "MGDW_ZUORA_BASE_URL": "https://rest.zuora.example",
        "MGDW_S3_BUCKET": "usage",
        "MGDW_LAKE": str(tmp_path / "lake"),
        "MGDW_DUCKDB_PATH": str(tmp_path / "mgdw.duckdb"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }


def test_on_a_laptop_a_worker_runs_the_deployments_as_processes(
    server: PrefectServer, tmp_path: Path, laptop: dict[str, str]
) -> None:
    asyncio.run(deploy(pool_type="process"))
    found = _read("doctor/doctor")
    assert (found.job_variables, found.work_pool_name) == (
        {"env": {"MGDW_TIME_LIMIT": "600"}},
        "mg-dw",
    )
    prefect = str(Path(sys.executable).parent / "prefect")
    with (tmp_path / "worker.log").open("w") as log:
        worker = subprocess.Popen(
            [prefect, "worker", "start", "--pool", "mg-dw"], cwd=tmp_path, env=laptop, stdout=log, stderr=log
        )
    try:
        assert asyncio.run(smoke(seconds=300)) == "smoke", (tmp_path / "worker.log").read_text()
    finally:
        worker.terminate()
        try:
            worker.wait(60)
        finally:
            worker.kill()


def test_a_release_whose_run_does_not_get_through_is_told_with_its_state(server: PrefectServer, file: File) -> None:
    file.deployments["doctor"] = file.every["doctor"]
    file.deployed()
    with pytest.raises(WorkFailed, match="doctor/doctor has not ended after 1 s, it is Scheduled"):
        asyncio.run(smoke(seconds=1))
