"""`doctor` on the sandbox: all is well, then one thing after the other breaks, and each is told with its remedy."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from connectors.errors import ConfigurationError
from flows.checks import Check, Diagnosis, Status, in_thread, run_checks
from flows.checks.sources import Reading, clock_diagnoses
from flows.doctor import GROUPS, doctor, examined
from flows.failures import StepFailed
from sandbox.prefect_server import PrefectServer
from tests.flows.conftest import ROOT, Stage
from tests.flows.test_cli import mgdw

POOL = "mg-dw"


@pytest.fixture(scope="module")
def deployed(prefect_server: PrefectServer) -> Iterator[None]:
    """A work pool with a worker that has just reported, and what prefect.yaml deploys."""

    async def pool() -> None:
        async with get_client() as client:
            await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
            await client.send_worker_heartbeat(POOL, "a worker", heartbeat_interval_seconds=3600)

    async def clear() -> None:
        async with get_client() as client:
            for deployment in await client.read_deployments():
                await client.delete_deployment(deployment.id)
            await client.delete_work_pool(POOL)

    asyncio.run(pool())
    command = [str(Path(sys.executable).parent / "prefect"), "--no-prompt", "deploy", "--all"]
    environment = {**os.environ, "MGDW_HOME": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    yield
    asyncio.run(clear())


@pytest.fixture(autouse=True)
def healed(stage: Stage) -> Iterator[None]:
    yield
    for faults in stage.sandbox.faults.values():
        faults.clear()


def _look(stage: Stage, only: Collection[str] | None = None, *, send: bool = False, **changes: str) -> list[Diagnosis]:
    with stage.settings(**changes):
        return asyncio.run(examined(only, send=send))


def _failed(found: list[Diagnosis]) -> list[Diagnosis]:
    return [one for one in found if one.status is Status.FAILED]


def _only_failure(found: list[Diagnosis]) -> Diagnosis:
    (failure,) = _failed(found)
    assert failure.remedy
    return failure


def _nowhere() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_sound_house_is_told_so_in_every_room_and_nothing_is_left_behind(stage: Stage, deployed: None) -> None:
    found = _look(stage, send=True)
    assert {one.check for one in found} == {*GROUPS, "clock"}
    assert {one.status for one in found} <= {Status.OK, Status.NOT_USED}, [o for o in found if o.status != Status.OK]
    assert not stage.database.exists()
    assert [path for path in (stage.home / "lake").rglob("*") if path.is_file()] == []
    assert any("doctor" in text for text in stage.sandbox.slack.texts)
    shown = "\n".join(f"{one.where} {one.found} {one.remedy}" for one in found)
    for name, value in stage.environment().items():
        if name.endswith(("SECRET", "PRIVATE_KEY", "WEBHOOK_URL")):
            assert value not in shown


def test_all_that_is_wrong_with_settings_is_told_at_once_and_not_again_by_what_needs_them(stage: Stage) -> None:
    changes = {"MGDW_ZUORA_BASE_URL": "http://zuora.example", "MGDW_S3_CONCURRENCY": "0", "MGDW_SALESFORCE_QUOTA": "1"}
    try:
        found = _look(stage, ["settings", "zuora"], **changes)
    finally:
        os.environ.pop("MGDW_SALESFORCE_QUOTA", None)
    assert {one.where for one in _failed(found)} == {"MGDW_ZUORA_…", "MGDW_S3_…"}
    misspelt = next(one for one in found if one.where == "MGDW_SALESFORCE_QUOTA")
    assert misspelt.remedy == "Did you mean MGDW_SALESFORCE_QUOTA_SHARE?"
    assert [one.found for one in found if one.check == "zuora"] == ["not checked: see settings"]


def test_a_dbt_target_in_another_warehouse_is_a_setting_that_is_wrong(stage: Stage) -> None:
    failure = _only_failure(_look(stage, ["settings"], MGDW_DBT_TARGET="prod"))
    assert "another warehouse" in failure.found


def test_a_broken_contract_is_told_once(stage: Stage, tmp_path: Path) -> None:
    staging = tmp_path / "models" / "staging"
    shutil.copytree(ROOT / "dbt" / "models" / "staging", staging)
    path = staging / "zuora" / "_zuora__sources.yml"
    path.write_text(path.read_text().replace("primary_key: [id]", "primary_key: [no]", 1))
    found = _look(stage, ["contract", "zuora", "salesforce"], MGDW_DBT_PROJECT_DIR=str(tmp_path))
    assert _only_failure(found).check == "contract"
    assert "_zuora__sources.yml" in _only_failure(found).found


def test_each_secret_that_is_missing_is_a_line_of_its_own(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZUORA_THERE", "planted-secret-4711")
    changes = {"MGDW_ZUORA_CLIENT_ID": "secret://zuora-there", "MGDW_ZUORA_CLIENT_SECRET": "secret://zuora-gone"}
    found = _look(stage, ["secrets"], **changes)
    assert _only_failure(found).where == "secret://zuora-gone"
    assert "Set ZUORA_GONE" in _only_failure(found).remedy
    assert [one.where for one in found if one.status is Status.OK] == ["environment ZUORA_THERE"]
    assert "4711" not in repr(found)


def test_a_lake_that_is_a_file_is_told_with_its_path(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("not a folder")
    failure = _only_failure(_look(stage, ["lake"], MGDW_LAKE=str(tmp_path / "lake")))
    assert str(tmp_path / "lake") in failure.found
    assert "folder" in failure.found + failure.remedy


def test_a_locked_warehouse_is_told_with_the_process_that_holds_it(stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "held.duckdb"
    program = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        failure = _only_failure(_look(stage, ["warehouse"], MGDW_DUCKDB_PATH=str(path)))
    finally:
        holder.communicate()
    assert f"process {holder.pid}" in failure.found
    assert "Close that program" in failure.remedy
    assert not _failed(_look(stage, ["warehouse"], MGDW_DUCKDB_PATH=str(path)))


def test_a_file_that_is_no_database_is_told(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "w.duckdb").write_text("not a database" * 1000)
    failure = _only_failure(_look(stage, ["warehouse"], MGDW_DUCKDB_PATH=str(tmp_path / "w.duckdb")))
    assert "is no DuckDB database" in failure.found


@pytest.mark.parametrize(
    ("source", "setting"),
    [
        ("salesforce", "MGDW_SALESFORCE_CLIENT_SECRET"),
        ("zuora", "MGDW_ZUORA_CLIENT_SECRET"),
        ("s3", "MGDW_S3_SECRET_ACCESS_KEY"),
    ],
)
def test_a_wrong_secret_fails_its_source_and_no_other(stage: Stage, source: str, setting: str) -> None:
    found = _look(stage, ["salesforce", "zuora", "s3"], **{setting: "the-wrong-secret"})
    assert {one.check for one in _failed(found)} == {source}
    assert all("the-wrong-secret" not in one.found + one.remedy for one in found)
    assert any("secret" in one.remedy.lower() or "key" in one.remedy.lower() for one in _failed(found))


def test_a_source_that_is_down_is_told_by_its_name(stage: Stage) -> None:
    failure = _only_failure(_look(stage, ["zuora"], MGDW_ZUORA_BASE_URL=_nowhere()))
    assert "zuora" in failure.found
    assert "reachable" in failure.remedy


def test_a_hidden_field_and_a_missing_bucket_are_told_with_what_to_grant(stage: Stage) -> None:
    options = stage.sandbox.salesforce.options
    options.hidden = frozenset({"Campaign.ActualCost"})
    try:
        failure = _only_failure(_look(stage, ["salesforce"]))
    finally:
        options.hidden = frozenset()
    assert (failure.where, "ActualCost" in failure.found) == ("sfdc_campaign", True)
    assert "Grant the integration user" in failure.remedy
    gone = _failed(_look(stage, ["s3"], MGDW_S3_BUCKET="no-such-bucket"))
    assert gone
    assert all("no-such-bucket" in one.found for one in gone)


def test_a_drifted_clock_is_told_with_its_source(stage: Stage) -> None:
    late = format_datetime(stage.sandbox.now.astimezone(UTC) - timedelta(minutes=10), usegmt=True)
    stage.sandbox.faults["zuora"].arm("GET .*describe", times=None, headers={"Date": late})
    found = _look(stage, ["zuora", "salesforce", "netsuite"])
    failure = _only_failure(found)
    assert (failure.check, failure.where) == ("clock", "zuora")
    assert "600 s behind" in failure.found
    assert "NTP" in failure.remedy


@pytest.mark.parametrize(
    ("seconds", "status"), [(0, Status.OK), (-59, Status.OK), (61, Status.WARNING), (-181, Status.FAILED)]
)
def test_a_source_elsewhere_is_compared_with_this_machines_clock(seconds: int, status: Status) -> None:
    ours = datetime(2026, 6, 1, tzinfo=UTC)
    (told,) = clock_diagnoses({"zuora": Reading(ours + timedelta(seconds=seconds), ours, nearby=False)})
    assert told.status is status


def test_tableau_is_told_when_it_refuses_and_when_there_is_none(stage: Stage) -> None:
    failure = _only_failure(_look(stage, ["tableau"], MGDW_TABLEAU_TOKEN_SECRET="the-wrong-secret"))
    assert "the-wrong-secret" not in failure.found + failure.remedy
    with stage.settings():
        del os.environ["MGDW_TABLEAU_SERVER_URL"]
        (told,) = asyncio.run(examined(["tableau"]))
    assert told.status is Status.NOT_USED


def test_a_webhook_is_tried_only_when_asked(stage: Stage) -> None:
    assert not _failed(_look(stage, ["slack"]))
    wrong = stage.environment()["MGDW_SLACK_WEBHOOK_URL"].rpartition("/")[0] + "/wrong"
    assert not _failed(_look(stage, ["slack"], MGDW_SLACK_WEBHOOK_URL=wrong))
    assert "webhook" in _only_failure(_look(stage, ["slack"], send=True, MGDW_SLACK_WEBHOOK_URL=wrong)).remedy
    failure = _only_failure(_look(stage, ["slack"], MGDW_SLACK_WEBHOOK_URL="https://slack.example/hello"))
    assert "hello" not in failure.found + failure.where


def test_a_dbt_project_that_does_not_parse_is_told_in_dbts_words(stage: Stage, tmp_path: Path) -> None:
    project = tmp_path / "dbt-project"
    shutil.copytree(ROOT / "dbt", project, ignore=shutil.ignore_patterns("target", "logs"))
    (project / "models" / "marts" / "mart_broken.sql").write_text("select * from {{ ref('no_such_model') }}")
    failure = _only_failure(_look(stage, ["dbt"], MGDW_DBT_PROJECT_DIR=str(project)))
    assert "no_such_model" in failure.found
    assert "dbt parse" in failure.remedy


def _told_by_prefect(stage: Stage) -> dict[str, Diagnosis]:
    return {one.where: one for one in _look(stage, ["prefect"])}


def test_what_is_missing_at_prefect_is_told_piece_by_piece(stage: Stage, deployed: None) -> None:
    async def broken() -> None:
        async with get_client() as client:
            by_name: dict[str, Any] = {d.name: d for d in await client.read_deployments()}
            await client.delete_deployment(by_name["backfill"].id)
            for schedule in by_name["daily"].schedules:
                await client.update_deployment_schedule(by_name["daily"].id, schedule.id, active=False)
            for worker in await client.read_workers_for_work_pool(POOL):
                await client.request("DELETE", f"/work_pools/{POOL}/workers/{worker.name}")

    asyncio.run(broken())
    told = _told_by_prefect(stage)
    assert told[f"work pool {POOL}"].found == "no worker is online: runs stay scheduled"
    assert "prefect worker start" in told[f"work pool {POOL}"].remedy
    assert told["deployments"].found == "not registered: backfill"
    assert "mgdw deploy" in told["deployments"].remedy
    assert told["schedules"].status is Status.WARNING
    assert "daily/incremental" in told["schedules"].found
    assert "daily/weekly-full" in told["schedule parameters"].found, "Prefect's server forgot that it is full"


def test_a_block_that_settings_name_and_nobody_made_is_told(stage: Stage, deployed: None) -> None:
    found = _look(stage, ["prefect"], MGDW_AWS_CREDENTIALS_BLOCK="usage-reader")
    told = next(one for one in found if one.where == "block aws-credentials/usage-reader")
    assert (told.status, "MGDW_AWS_CREDENTIALS_BLOCK" in told.remedy) == (Status.FAILED, True)


def test_the_command_prints_a_table_and_ends_with_1_when_something_failed(stage: Stage, tmp_path: Path) -> None:
    settings = stage.environment() | {"PREFECT_API_URL": _nowhere() + "/api"}
    ended = mgdw("doctor", "--only", "lake,prefect", **settings)
    assert ended.status == 1
    assert "written once, read, deleted" in ended.out
    assert "gave no answer" in " ".join(ended.out.split())
    assert "1 of 2 failed" in ended.out
    assert mgdw("doctor", "--only", "lake", **settings).status == 0
    unknown = mgdw("doctor", "--only", "wharehouse", **settings)
    assert unknown.status == 1
    assert "It has: settings, contract" in unknown.err


def test_the_flow_leaves_a_table_and_ends_failed_with_every_failure(stage: Stage, deployed: None) -> None:
    stage.sandbox.slack.messages.clear()
    with pytest.raises(StepFailed) as caught:
        stage.run(doctor, {"MGDW_ZUORA_CLIENT_SECRET": "the-wrong-secret"}, only=["zuora", "lake"])
    assert [failure.step for failure in caught.value.failures] == ["zuora"]
    assert len(stage.sandbox.slack.messages) == 1

    async def kept() -> list[Any]:
        async with get_client() as client:
            return await client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["doctor"])))

    (artifact,) = asyncio.run(kept())
    assert "written once" in artifact.data
    assert "the-wrong-secret" not in artifact.data


def test_a_check_that_hangs_or_breaks_does_not_stop_the_others() -> None:
    async def hang() -> list[Diagnosis]:
        await asyncio.Event().wait()
        return []

    async def hang_in_a_thread() -> list[Diagnosis]:
        return await in_thread(lambda: asyncio.run(hang()))

    async def break_down() -> list[Diagnosis]:
        raise ZeroDivisionError("a bug")

    async def work() -> list[Diagnosis]:
        return [Diagnosis("good", "here", Status.OK, "fine")]

    checks = [
        Check("hangs", "there", hang, seconds=0.01), Check("blocks", "there", hang_in_a_thread, seconds=0.01),
        Check("breaks", "there", break_down), Check("good", "here", work),
    ]  # fmt: skip
    found = asyncio.run(run_checks(checks))
    assert [one.status for one in found] == [Status.FAILED] * 3 + [Status.OK]
    assert "reachable" in found[0].remedy
    assert found[2].found == "ZeroDivisionError: a bug"


def test_an_unknown_group_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="'wharehouse'"):
        asyncio.run(examined(["wharehouse"]))
