"""What runs depend on is lost while they run: the worker, a node, the Prefect server."""

from __future__ import annotations

from tests.kubernetes.e2e.holding import daily_at_work, held
from tests.kubernetes.e2e.outcome import EACH_ONCE, assert_refreshed
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_prefect import LONG
from tests.kubernetes.stage_processes import wait_for
from tests.kubernetes.stage_warehouse import Warehouse

_AGAIN = ["Crashed", "Completed"]


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


def test_a_server_that_is_restarted_finds_every_run_as_it_was(stage: Stage, warehouse: Warehouse) -> None:
    with held(stage) as hold:
        daily = daily_at_work(stage, hold)
        stage.server.stop()
        mark = stage.server.mark()
        stage.server.start()
        # Every run holds a slot of its deployment by a lease that it renews; one that is refused ends its run.
        renewed = "POST /api/v2/concurrency_limits/leases/{id}/renew"
        wait_for("renewal of three leases", lambda: stage.server.requests_since(mark)[renewed] >= 3, LONG)

    assert_refreshed(stage, warehouse, daily.parent)
