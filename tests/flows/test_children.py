"""A daily refresh whose steps are deployments: what is started, with what, and what a second attempt repeats."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.base import PrefectHttpxAsyncClient
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext
from prefect.states import Cancelled

from connectors.errors import LeaseHeld
from flows.children import QUEUE
from flows.daily_refresh import DailySummary
from flows.dbt import DbtFailed, DbtNode
from flows.failures import Failure, StepFailed
from flows.load import LoadFailed
from sandbox.prefect_server import PrefectServer
from tests.flows.child_pool import CHILDREN, PATIENCE, SOURCES, Crash, Parent, Pool, loaded, working_pool
from tests.flows.conftest import ROOT

ZUORA = "zuora/zuora"


@pytest.fixture(autouse=True)
def settings(prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    wanted = {
        "MGDW_CHILDREN": "deployments",
        "MGDW_DUCKDB_PATH": str(tmp_path / "warehouse.duckdb"),
        "MGDW_DBT_TARGET_PATH": str(tmp_path / "dbt"),
        "MGDW_LEASE_SECONDS": "2",
    }
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    return wanted


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with working_pool() as pool:
        yield pool


class Held:
    """A child that works until it is let go."""

    def __init__(self, result: Any) -> None:
        self.go = asyncio.Event()
        self._result = result

    async def __call__(self, _parameters: dict[str, Any]) -> Any:
        await self.go.wait()
        return self._result


def _fails(error: Exception) -> Any:
    async def act(_parameters: dict[str, Any]) -> Any:
        raise error

    return act


def _zuora_failed() -> LoadFailed:
    failure = Failure("zuora", "zuora_invoice", "Zuora answered 503", "Run the flow again later.")
    return LoadFailed("zuora", [failure], [loaded("zuora_account")])


async def test_each_step_is_a_child_and_what_it_returns_comes_back(pool: Pool) -> None:
    parent = await Parent.create(pool.client, full=True)
    summary: DailySummary = await parent.ends()
    assert pool.counts() == {**dict.fromkeys(CHILDREN, 1), "dbt/dbt": 2}
    assert {loads.table for loads in summary.loads} == {
        "a_table_of_salesforce", "a_table_of_netsuite", "a_table_of_zuora", "a_table_of_s3-usage",
    }  # fmt: skip
    assert [node.name for node in summary.nodes] == ["a_model_of_ods", "a_model_of_edw"]
    assert [refresh.name for refresh in summary.refreshes] == ["Executive"]
    assert [one.parameters["full"] for name in SOURCES for one in pool.of(name)] == [True] * 4
    names = [one.deployment for one in pool.started]
    assert set(names[:4]) == set(SOURCES)
    assert names[4:] == ["dbt/dbt", "dbt/dbt", "tableau/tableau"]
    for one in pool.started:
        link = (await pool.client.read_flow_run(one.run)).parent_task_run_id
        assert link is not None
        assert (await pool.client.read_task_run(link)).flow_run_id == parent.run


async def test_what_failed_is_left_out_of_what_follows_as_in_one_process(pool: Pool) -> None:
    broken = DbtNode("model.mg_dw.fct_lead_ods", "error", "a type does not fit", 0.1)
    skipped = DbtNode("model.mg_dw.mart_marketing", "skipped", "", 0)
    pool.acts[ZUORA].append(_fails(_zuora_failed()))
    pool.acts["netsuite/netsuite"].append(_fails(RuntimeError("a bug")))
    pool.acts["dbt/dbt"].append(_fails(DbtFailed("dbt-ods", [broken, skipped], ["fct_lead_ods"])))
    parent = await Parent.create(pool.client)
    with pytest.raises(StepFailed) as caught:
        await parent.ends()
    ods, edw = (one.parameters for one in pool.of("dbt/dbt"))
    (tableau,) = (one.parameters for one in pool.of("tableau/tableau"))
    untrusted = tableau["untrusted"]
    assert "zuora.zuora_invoice" in untrusted
    assert "zuora.zuora_account" not in untrusted
    assert {"netsuite.netsuite_invoices", "netsuite.netsuite_customers", "fct_lead_ods"} <= set(untrusted)
    assert ods == {"layer": "ods", "exclude": [f"source:{name}+" for name in untrusted if "." in name]}
    assert edw == {"layer": "edw", "exclude": [*ods["exclude"], "fct_lead_ods+"]}
    told = {(f.step, f.what): f.cause for f in caught.value.failures}
    assert told["zuora", "zuora_invoice"] == "Zuora answered 503"
    assert told["netsuite", ""] == "RuntimeError: a bug"
    assert told["dbt-ods", "fct_lead_ods"] == "a type does not fit"
    assert "mart_marketing" in caught.value.skipped


async def test_dbt_that_did_not_run_ends_the_day(pool: Pool) -> None:
    error = StepFailed(
        "dbt-ods", [Failure("dbt-ods", "", "dbt did not run", "Correct it.")], ["all that dbt-ods builds"]
    )
    pool.acts["dbt/dbt"].append(_fails(error))
    with pytest.raises(StepFailed) as caught:
        await (await Parent.create(pool.client)).ends()
    assert pool.counts() == {**dict.fromkeys(SOURCES, 1), "dbt/dbt": 1, "tableau/tableau": 0}
    assert caught.value.skipped == ("all that dbt-ods builds",)


async def test_run_again_only_what_failed_and_what_stands_on_it_is_repeated(pool: Pool) -> None:
    pool.acts[ZUORA].append(_fails(_zuora_failed()))
    parent = await Parent.create(pool.client)
    with pytest.raises(StepFailed):
        await parent.ends()
    await parent.retry()
    summary: DailySummary = await parent.ends()
    assert pool.counts() == {**dict.fromkeys(SOURCES, 1), ZUORA: 2, "dbt/dbt": 4, "tableau/tableau": 2}
    assert len(summary.loads) == 4
    assert [one.parameters["exclude"] for one in pool.of("dbt/dbt")[2:]] == [[], []]


async def test_run_again_after_tableau_alone_failed_only_tableau_is_repeated(pool: Pool) -> None:
    pool.acts["tableau/tableau"].append(_fails(StepFailed("tableau", [Failure("tableau", "Sales", "no", "yes")])))
    parent = await Parent.create(pool.client)
    with pytest.raises(StepFailed):
        await parent.ends()
    await parent.retry()
    await parent.ends()
    assert pool.counts() == {**dict.fromkeys(SOURCES, 1), "dbt/dbt": 2, "tableau/tableau": 2}


async def test_of_two_children_that_make_their_queue_at_once_the_one_that_is_refused_starts_as_well(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    send = httpx.AsyncClient.send

    async def refusing(self: httpx.AsyncClient, request: httpx.Request, **more: Any) -> httpx.Response:
        """What the server says when the other one made the queue between its look for it and its own making."""
        if request.method == "POST" and request.url.path.endswith("/create_flow_run") and not refused:
            refused.append(json.loads(request.content)["work_queue_name"])
            return httpx.Response(409, json={"detail": "Data integrity conflict."}, request=request)
        return await send(self, request, **more)

    monkeypatch.setattr(httpx.AsyncClient, "send", refusing)
    summary: DailySummary = await (await Parent.create(pool.client)).ends()
    assert refused == [QUEUE]
    assert not summary.failures
    assert pool.counts() == {**dict.fromkeys(CHILDREN, 1), "dbt/dbt": 2}


async def test_a_child_that_crashed_is_started_again(pool: Pool) -> None:
    pool.acts[ZUORA] += [Crash(), Crash()]
    summary: DailySummary = await (await Parent.create(pool.client)).ends()
    assert not summary.failures
    assert pool.counts()[ZUORA] == 3
    assert len({one.run for one in pool.of(ZUORA)}) == 3


async def test_a_child_that_crashes_for_ever_is_a_failure_and_none_of_its_tables_is_trusted(pool: Pool) -> None:
    pool.acts[ZUORA] += [Crash(), Crash(), Crash()]
    with pytest.raises(StepFailed) as caught:
        await (await Parent.create(pool.client)).ends()
    (failure,) = caught.value.failures
    assert failure.step == "zuora"
    assert "OOMKilled" in failure.cause
    assert "it repeats only what is not done" in failure.remedy
    assert pool.counts()[ZUORA] == 3
    (tableau,) = pool.of("tableau/tableau")
    assert {"zuora.zuora_account", "zuora.zuora_invoice", "zuora.zuora_payment"} <= set(tableau.parameters["untrusted"])


async def test_a_child_that_was_cancelled_is_not_started_again(pool: Pool) -> None:
    pool.acts[ZUORA].append(Held([loaded("zuora_account")]))
    parent = (await Parent.create(pool.client)).begin()
    await pool.until(lambda: bool(pool.of(ZUORA)))
    await pool.client.set_flow_run_state(pool.of(ZUORA)[0].run, Cancelled(message="by Ann"), force=True)
    with pytest.raises(StepFailed, match="by Ann"):
        await asyncio.wait_for(parent, PATIENCE)
    assert pool.counts()[ZUORA] == 1


async def test_a_second_daily_refresh_ends_at_once_and_names_the_first(pool: Pool) -> None:
    held = Held([loaded("zuora_account")])
    pool.acts[ZUORA].append(held)
    first = await Parent.create(pool.client)
    running = first.begin()
    await pool.until(lambda: len(pool.started) == 4)
    second = await Parent.create(pool.client)
    with pytest.raises(LeaseHeld, match=f"flow run {first.run}"):
        await second.ends()
    assert await second.state() == StateType.FAILED
    held.go.set()
    assert not (await asyncio.wait_for(running, PATIENCE)).failures
    assert len(pool.started) == 7


async def test_a_deployment_that_is_missing_is_named(settings: dict[str, str]) -> None:
    async with working_pool(CHILDREN[:4]) as pool:
        with pytest.raises(StepFailed) as caught:
            await (await Parent.create(pool.client)).ends()
    (failure,) = caught.value.failures
    assert failure.cause == "the Prefect server has no deployment dbt/dbt"
    assert "mgdw deploy" in failure.remedy


async def test_an_evicted_parent_comes_back_to_the_children_it_had(
    pool: Pool, settings: dict[str, str], prefect_server: PrefectServer
) -> None:
    """The parent is a process of its own, as in a pod; SIGTERM is what an eviction sends."""
    flow_id = await pool.client.create_flow_from_name("daily-refresh")
    directory = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
    deployment = await pool.client.create_deployment(
        flow_id, "evicted", entrypoint="flows.daily_refresh.daily_refresh", pull_steps=[directory]
    )
    run = (await pool.client.create_flow_run_from_deployment(deployment)).id
    held = Held([loaded("zuora_account")])
    pool.acts[ZUORA].append(held)
    first = _pod(run, settings, prefect_server)
    try:
        await pool.until(lambda: len(pool.started) == 4)
        first.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.to_thread(first.wait), PATIENCE)
    finally:
        first.kill()
        first.wait()
    assert (await pool.client.read_flow_run(run)).state_name == "AwaitingRetry"
    second = _pod(run, settings, prefect_server)
    try:
        held.go.set()
        await asyncio.wait_for(asyncio.to_thread(second.wait), PATIENCE)
    finally:
        second.kill()
        second.wait()
        await pool.client.delete_deployment(deployment)
    ended = await pool.client.read_flow_run(run)
    assert (ended.state_type, ended.run_count) == (StateType.COMPLETED, 2)
    assert pool.counts() == {**dict.fromkeys(SOURCES, 1), "dbt/dbt": 2, "tableau/tableau": 1}


def _pod(run: Any, settings: dict[str, str], server: PrefectServer) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "prefect", "flow-run", "execute", str(run)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={
            **os.environ, **server.environment(), **settings,
            "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule",
        },
    )  # fmt: skip


async def test_a_child_costs_its_parent_a_handful_of_requests(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    send = PrefectHttpxAsyncClient.send

    async def counted(self: PrefectHttpxAsyncClient, request: Any, *args: Any, **more: Any) -> Any:
        context = FlowRunContext.get()
        if context and context.flow and context.flow.name == "daily-refresh":
            asked.append(f"{request.method} {request.url.path}")
        return await send(self, request, *args, **more)

    monkeypatch.setattr(PrefectHttpxAsyncClient, "send", counted)
    await (await Parent.create(pool.client)).ends()
    assert len(pool.started) == 7
    for one in pool.started:
        # Once when the wait begins, once when the event came, and once more where the event was ahead of the state.
        assert 1 <= asked.count(f"GET /api/flow_runs/{one.run}") <= 6
    assert len(asked) <= 8 * len(pool.started)
