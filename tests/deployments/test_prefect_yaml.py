"""prefect.yaml: all of it is understood, every flow is in it, and each mistake is told with file, field and remedy."""

from __future__ import annotations

import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect import Flow
from prefect.cli.deploy._models import ConcurrencyLimitSpec, DeploymentConfig, PrefectYamlModel, RawScheduleConfig
from prefect.server.schemas.schedules import CronSchedule

import flows
from flows.deploy_check import TEMPLATE, checked
from flows.deploy_file import (
    PREFECT_YAML,
    Deployment,
    DeploymentFile,
    DeploymentFileError,
    Limit,
    Pool,
    Schedule,
    read_file,
)

ROOT = PREFECT_YAML.parent

BY_HAND_ONLY = {"smoke"}
"""Flows without a deployment: `smoke` sets the environment of its own process, so it is a command."""


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return yaml.safe_load(PREFECT_YAML.read_text())


def _problems(tmp_path: Path, content: dict[str, Any]) -> tuple[str, ...]:
    path = tmp_path / "prefect.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(DeploymentFileError) as raised:
        checked(path)
    return raised.value.problems


def test_every_flow_of_the_project_has_one_deployment() -> None:
    _, deployed = checked()
    found: set[str] = set()
    for module in pkgutil.walk_packages(flows.__path__, "flows."):
        members = vars(import_module(module.name)).values()
        found |= {f.name for f in members if isinstance(f, Flow)}
    assert sorted(f.name for f in deployed.values()) == sorted(found - BY_HAND_ONLY)
    assert {d.name for d in read_file().deployments} - {f.name for f in deployed.values()} == {"daily"}


def test_every_flow_and_every_parameter_has_a_description_for_the_form() -> None:
    for name, flow in checked()[1].items():
        assert flow.description, f"{name} has no description"
        for parameter, schema in flow.parameters.properties.items():
            assert schema.get("description"), f"{name}: the parameter {parameter} has no description"


def test_we_allow_no_key_that_prefect_would_pass_over() -> None:
    assert {f.alias or n for n, f in DeploymentFile.model_fields.items()} - {"definitions"} <= {
        f.alias or n for n, f in PrefectYamlModel.model_fields.items()
    }
    assert set(Deployment.model_fields) <= set(DeploymentConfig.model_fields)
    assert set(Schedule.model_fields) <= set(RawScheduleConfig.model_fields)
    assert set(Limit.model_fields) == set(ConcurrencyLimitSpec.model_fields)
    assert set(Pool.model_fields) <= {"name", "work_queue_name", "job_variables"}


def test_a_worker_can_load_every_deployed_flow() -> None:
    load = (
        "import sys; from prefect.flows import load_flow_from_entrypoint as load; "
        "[load(entrypoint, use_placeholder_flow=False) for entrypoint in sys.argv[1:]]"
    )
    entrypoints = [deployment.entrypoint for deployment in read_file().deployments]
    subprocess.run([sys.executable, "-c", load, *entrypoints], cwd=ROOT, check=True, timeout=120)


def test_the_file_names_the_version_of_prefect_that_is_locked(content: dict[str, Any]) -> None:
    locked = re.search(r"^prefect==(\S+)", (ROOT / "locks" / "runtime.txt").read_text(), re.MULTILINE)
    assert locked
    assert content["prefect-version"] == locked[1]


def _edit(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one place: `daily.schedules.0.cron`, `pull`, `netsuite.work_pool.job_variables.cpu`."""

    def change(content: dict[str, Any]) -> None:
        *way, last = path.split(".")
        place: Any = content
        for step in way:
            place = place[int(step)] if step.isdigit() else _entry(content, step) if place is content else place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return change


def _entry(content: dict[str, Any], step: str) -> Any:
    found = [d for d in content["deployments"] if d["name"] == step]
    return found[0] if found else content[step]


UNFILLED = {"slug": "nightly", "cron": "0 0 * * *", "timezone": "UTC", "parameters": {"table": "sfdc_account"}}

MISTAKES = {
    "top key": (_edit("deploymnets", []), "deploymnets: Prefect would pass over this key. Did you mean deployments?"),
    "deployment key": (_edit("daily.scheduels", []), "daily.scheduels: Prefect would pass over this key. Did you mean"),
    "schedule key": (_edit("daily.schedules.0.timezon", "UTC"), "daily.schedules[0].timezon: Prefect would pass over"),
    "limit key": (_edit("zuora.concurrency_limit.colision", "x"), "zuora.concurrency_limit.colision: Prefect would"),
    "pool key": (_edit("zuora.work_pool.job_variable", {}), "zuora.work_pool.job_variable: Prefect would pass over"),
    "sla": (_edit("daily.sla", []), "daily.sla: does not belong here: a self-hosted server refuses it; watch"),
    "trigger": (_edit("daily.triggers", []), "daily.triggers: does not belong here: automations are files of their"),
    "no zone": (_edit("daily.schedules.0.timezone", ...), "daily.schedules[0].timezone: it is missing; add it."),
    "zone": (_edit("daily.schedules.1.timezone", "America/NewYork"), "daily.schedules[weekly-full].timezone: 'Ame"),
    "cron": (_edit("daily.schedules.0.cron", "0 25 * * *"), "daily.schedules[incremental].cron: '0 25 * * *' is not"),
    "cron's length": (_edit("daily.schedules.0.cron", "4 * *"), "daily.schedules[incremental].cron: '4 * *' is not"),
    "no slug": (_edit("reconcile.schedules.0.slug", ...), "reconcile.schedules[0].slug: it is missing; add it."),
    "same slug": (_edit("daily.schedules.1.slug", "incremental"), "daily.schedules: 2 have the slug incremental; give"),
    "strategy": (_edit("dbt.concurrency_limit.collision_strategy", "QUEUE"), "dbt.concurrency_limit.collision_strat"),
    "no limit": (_edit("dbt.concurrency_limit.limit", 0), "dbt.concurrency_limit.limit: Input should be greater than"),
    "grace": (_edit("dbt.concurrency_limit.grace_period_seconds", 5), "dbt.concurrency_limit.grace_period_seconds: In"),
    "module": (_edit("dbt.entrypoint", "flows.dbd.dbt"), "dbt.entrypoint: flows.dbd.dbt cannot be imported (No module"),
    "function": (_edit("dbt.entrypoint", "flows.dbt.dbd"), "dbt.entrypoint: flows.dbt.dbd cannot be imported (module"),
    "no flow": (_edit("dbt.entrypoint", "flows.dbt.runner"), "dbt.entrypoint: flows.dbt.runner is no flow; name the"),
    "by file": (_edit("dbt.entrypoint", "flows/dbt.py:dbt"), "dbt.entrypoint: String should match pattern"),
    "parameter": (_edit("dbt.parameters.layr", "ods"), "dbt.parameters.layr: the flow has no such parameter. Did you"),
    "value": (_edit("dbt.parameters.layer", "odw"), "dbt.parameters.layer: 'odw' is not one of ['ods', 'edw']; the"),
    "type": (_edit("daily.schedules.1.parameters.full", "yes"), "daily.schedules[weekly-full].parameters.full: 'yes'"),
    "unfilled": (
        _edit("backfill.schedules", [UNFILLED]),
        "backfill.schedules[nightly].parameters: 'start' is a required",
    ),
    "variable": (_edit("zuora.work_pool.job_variables.cpus", "1"), "zuora.work_pool.job_variables.cpus: base-job-temp"),
    "no time limit": (
        _edit("zuora.work_pool.job_variables.env", {}),
        "zuora.work_pool.job_variables.env.MGDW_TIME_LIMIT",
    ),
    "time limit": (
        _edit("zuora.work_pool.job_variables.env.MGDW_TIME_LIMIT", "21600"),
        "zuora.work_pool.job_variables.env.MGDW_TIME_LIMIT: 21600; write seconds, fewer than those of",
    ),
    "no deadline": (
        _edit("dbt.work_pool.job_variables.active_deadline_seconds", ...),
        "dbt.work_pool.job_variables.env.MGDW_TIME_LIMIT: 9000; write seconds, fewer than those of",
    ),
    "variable's type": (_edit("zuora.work_pool.job_variables.cpu", 1), "zuora.work_pool.job_variables.cpu: 1 is not"),
    "image": (_edit("zuora.work_pool.job_variables.image", "mg-dw:latest"), "zuora.work_pool.job_variables.image: the"),
    "no image": (
        _edit("zuora.work_pool.job_variables.image", ...),
        "zuora.work_pool.job_variables.image: the image is",
    ),
    "pool": (_edit("zuora.work_pool.name", "default"), "zuora.work_pool.name: Input should be 'mg-dw', not 'default'."),
    "tag": (_edit("zuora.tags", ["source"]), "zuora.tags: 'mg-dw' is missing; by it `mgdw deploy` knows its own."),
    "twice": (_edit("zuora.name", "netsuite"), "netsuite: there are 2 of this name; give each its own."),
    "nameless": (_edit("daily.name", ...), "deployments[0].name: it is missing; add it."),
    "no description": (_edit("daily.description", ""), "daily.description: String should have at least 1 character"),
    "no pull": (_edit("pull", []), "pull: List should have at least 1 item"),
    "braces": (_edit("zuora.work_pool.job_variables.cpu", "{{ $CPU }}"), "zuora.work_pool.job_variables.cpu: {{ $CPU"),
    "other braces": (_edit("zuora.parameters.tables", ["{{ x }}"]), "zuora.parameters.tables[0]: {{ x }} is not known"),
    "braces elsewhere": (_edit("zuora.description", "{{ $MGDW_IMAGE }}"), "zuora.description: {{ $MGDW_IMAGE }} is fi"),
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_mistake_is_told_with_file_field_and_remedy(tmp_path: Path, mistake: str) -> None:
    change, expected = MISTAKES[mistake]
    broken = json.loads(json.dumps(yaml.safe_load(PREFECT_YAML.read_text())))  # anchors become copies of their own
    change(broken)
    (problem,) = _problems(tmp_path, broken)
    assert problem.startswith(f"prefect.yaml: {expected}")
    assert re.search(r"[;.] .+|, not |should ", problem), "it says what to do"


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path, content: dict[str, Any]) -> None:
    form = json.loads(json.dumps(content))
    _edit("daily.scheduels", [])(form)
    _edit("zuora.work_pool.name", "x")(form)
    assert len(_problems(tmp_path, form)) == 2
    meaning = json.loads(json.dumps(content))
    _edit("dbt.parameters.layer", "odw")(meaning)
    _edit("zuora.work_pool.job_variables.cpu", 1)(meaning)
    _edit("zuora.entrypoint", "flows.zuora.zuroa")(meaning)
    problems = _problems(tmp_path, meaning)
    assert [p.split(": ")[1] for p in problems] == [
        "zuora.entrypoint", "zuora.work_pool.job_variables.cpu", "dbt.parameters.layer",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "- a", "a: [", "\tx"])
def test_what_is_no_file_of_deployments_is_told_in_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prefect.yaml"
    path.write_text(text)
    with pytest.raises(DeploymentFileError) as raised:
        checked(path)
    assert all(p.startswith("prefect.yaml: ") and "\n" not in p for p in raised.value.problems)


def test_the_pools_template_has_a_variable_for_every_resource() -> None:
    properties = json.loads(TEMPLATE.read_text())["variables"]["properties"]
    resources = {"image", "cpu", "memory", "ephemeral_storage", "active_deadline_seconds"}
    for deployment in read_file().deployments:
        given = deployment.work_pool.job_variables
        assert resources <= set(given) <= set(properties)


def test_only_what_goes_on_where_it_was_runs_on_machines_that_may_be_taken_away() -> None:
    spot = {d.name for d in read_file().deployments if "node_selector" in d.work_pool.job_variables}
    assert spot == {"salesforce", "netsuite", "zuora", "s3-usage", "reconcile", "backfill", "replay"}
    movable = {d.name for d in read_file().deployments if d.work_pool.job_variables.get("safe_to_evict") == "true"}
    assert movable == spot


def test_dbt_runs_as_the_account_that_may_write_ods_and_edw_and_nothing_else_does() -> None:
    accounts = {d.name: d.work_pool.job_variables.get("service_account_name") for d in read_file().deployments}
    assert {name for name, account in accounts.items() if account == "dbt-runner"} == {"dbt"}
    assert set(accounts.values()) == {None, "dbt-runner"}


def test_nothing_that_may_be_evicted_is_cancelled_by_a_second_run_and_what_writes_runs_one_at_a_time() -> None:
    limits = {d.name: d.concurrency_limit for d in read_file().deployments}
    assert {name for name, limit in limits.items() if limit is None} == {"doctor", "salesforce-preflight"}
    assert {(limit.limit, limit.collision_strategy) for limit in limits.values() if limit} == {(1, "ENQUEUE")}


def test_a_run_may_take_longer_than_its_children() -> None:
    seconds = {d.name: d.work_pool.job_variables["active_deadline_seconds"] for d in read_file().deployments}
    sources = max(seconds[name] for name in ("salesforce", "netsuite", "zuora", "s3-usage"))
    assert seconds["daily"] >= sources + 2 * seconds["dbt"]


@pytest.mark.parametrize("deployment", ["daily", "reconcile"])
async def test_clocks_that_change_neither_drop_nor_double_nor_move_a_run(deployment: str) -> None:
    """Prefect's own scheduler, over the eight changes of the clock in four years."""
    (found,) = [d for d in read_file().deployments if d.name == deployment]
    starts: list[datetime] = []
    for schedule in found.schedules:
        cron = CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
        minute, hour = schedule.cron.split()[:2]
        years = [datetime(year, 1, 1, tzinfo=UTC) for year in range(2026, 2031)]
        dates = [d for year, after in pairwise(years) for d in await cron.get_dates(n=400, start=year, end=after)]
        local = [date.astimezone(ZoneInfo(schedule.timezone)) for date in dates]
        assert {(each.hour, each.minute) for each in local} == {(int(hour), int(minute))}
        starts += local
    days = sorted(each.date() for each in starts)
    if deployment == "daily":
        first = days[0]
        assert days == [first + timedelta(days=n) for n in range(len(days))], "each day one run, and only one"
        assert len(days) in (1460, 1461)
    else:
        assert [(d.day) for d in days] == [1] * 48
