"""What runs depend on is lost while they run: the worker, a node, the Prefect server."""

from __future__ import annotations

import time
from contextlib import ExitStack

from tests.kubernetes.e2e.holding import daily_at_work, held
from tests.kubernetes.e2e.outcome import DAILY, EACH_ONCE, LEFT, assert_refreshed
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_prefect import LONG
from tests.kubernetes.stage_processes import wait_for
from tests.kubernetes.stage_warehouse import Warehouse

_AGAIN = ["Crashed", "Completed"]
_AWAY = 75.0
"""Seconds in which both children have done what they do without the server; Prefect by itself gives up after 62."""


def test_a_worker_that_was_killed_finds_what_went_on_and_what_died_meanwhile(
    stage: Stage, warehouse: Warehouse
) -> None:
    with held(stage) as hold:
        daily = daily_at_work(stage, hold)
        stage.worker.kill()
        stage.cluster.kill(stage.pod(daily.children[daily.working]))
        hold.release()
        assert stage.api.wait(daily.children[daily.waiting])["state_name"] == "Completed"
        stage.start_worker()
        assert stage.api.wait(daily.children[daily.working])["state_name"] == "Crashed"

    assert_refreshed(stage, warehouse, daily.parent, EACH_ONCE | {daily.working: _AGAIN})


def test_children_on_a_node_that_is_lost_are_started_on_another(stage: Stage, warehouse: Warehouse) -> None:
    with held(stage) as hold:
        daily = daily_at_work(stage, hold)
        [node] = {stage.pod(child)["spec"]["nodeName"] for child in daily.children.values()}
        assert stage.pod(daily.parent)["spec"]["nodeName"] != node
        stage.cluster.lose_node(node)
        stage.cluster.node_unreachable(node)
        stage.cluster.remove_node(node)
        assert {stage.api.wait(child)["state_name"] for child in daily.children.values()} == {"Crashed"}
        stage.cluster.restore_node(node)

    assert_refreshed(stage, warehouse, daily.parent, EACH_ONCE | {"zuora": _AGAIN, "s3-usage": _AGAIN})


def test_runs_do_their_work_while_the_server_is_away(stage: Stage, warehouse: Warehouse) -> None:
    with held(stage) as hold:
        daily = daily_at_work(stage, hold)
        stage.api.renew_slot(daily.parent, seconds=3600)
        with stage.server.away():
            hold.release()
            time.sleep(_AWAY)
        stage.api.renew_slot(daily.parent, seconds=3600)

    assert_refreshed(stage, warehouse, daily.parent)
    assert {"loads-zuora", "loads-s3"} <= set(stage.api.artifacts(*daily.children.values()))


def test_a_run_whose_pod_starts_while_the_server_is_away_begins_when_it_is_back(
    stage: Stage, warehouse: Warehouse
) -> None:
    with ExitStack() as no_room:
        no_room.enter_context(stage.no_room())
        parent = stage.api.start_run(DAILY, sources=LEFT)
        stage.api.wait_state_name(parent, "InfrastructurePending")
        with stage.server.away():
            no_room.close()
            pod = stage.pod(parent)
            wait_for("a pod that waits", lambda: "waiting for Prefect's server" in stage.cluster.logs(pod), LONG)

    assert_refreshed(stage, warehouse, parent)
    assert stage.api.run(parent)["run_count"] == 1


def test_a_server_that_has_lost_its_concurrency_slots_ends_no_run(stage: Stage, warehouse: Warehouse) -> None:
    with held(stage) as hold:
        daily = daily_at_work(stage, hold)
        with stage.server.away():
            stage.server.lose_slots()
        # A run renews its slot every 225 s; Prefect alone would end one that is refused.
        for run in (daily.parent, *daily.children.values()):
            wait_for("a slot that is lost", lambda run=run: "slots are no longer reserved" in stage.api.logs(run), LONG)

    assert_refreshed(stage, warehouse, daily.parent)
