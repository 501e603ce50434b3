"""What runs depend on is lost while they run: the worker, a node, the Prefect server."""

from __future__ import annotations

from tests.kubernetes.e2e.holding import REQUEST, held
from tests.kubernetes.e2e.outcome import DAILY, EACH_ONCE, LEFT, assert_refreshed
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_prefect import LONG
from tests.kubernetes.stage_processes import wait_for
from tests.kubernetes.stage_warehouse import Warehouse


def test_a_worker_that_was_killed_finds_what_went_on_and_what_died_meanwhile(
    stage: Stage, warehouse: Warehouse
) -> None:
    faults = stage.sandbox.faults
    with held(faults["zuora"], REQUEST["zuora"]) as zuora, held(faults["s3"], REQUEST["s3"]) as s3:
        parent = stage.api.start_run(DAILY, sources=LEFT)
        zuora.wait()
        s3.wait()
        goes_on, dies = (stage.api.children(parent)[flow][0]["id"] for flow in ("zuora", "s3-usage"))
        stage.worker.kill()
        zuora.release()
        assert stage.api.wait(goes_on)["state_name"] == "Completed"
        stage.cluster.kill(stage.pod(dies))
        stage.start_worker()
        assert stage.api.wait(dies)["state_name"] == "Crashed"

    assert_refreshed(stage, warehouse, parent, EACH_ONCE | {"s3-usage": ["Crashed", "Completed"]})


def test_children_on_a_node_that_is_lost_are_started_on_another(stage: Stage, warehouse: Warehouse) -> None:
    faults = stage.sandbox.faults
    with held(faults["zuora"], REQUEST["zuora"]) as zuora, held(faults["s3"], REQUEST["s3"]) as s3:
        parent = stage.api.start_run(DAILY, sources=LEFT)
        zuora.wait()
        s3.wait()
        children = [runs[0]["id"] for runs in stage.api.children(parent).values()]
        [node] = {stage.pod(child)["spec"]["nodeName"] for child in children}
        assert stage.pod(parent)["spec"]["nodeName"] != node
        stage.cluster.lose_node(node)
        stage.cluster.node_unreachable(node)
        stage.cluster.remove_node(node)
        assert [stage.api.wait(child)["state_name"] for child in children] == ["Crashed", "Crashed"]
        stage.cluster.restore_node(node)

    again = ["Crashed", "Completed"]
    assert_refreshed(stage, warehouse, parent, EACH_ONCE | {"zuora": again, "s3-usage": again})


def test_a_server_that_is_restarted_finds_every_run_as_it_was(stage: Stage, warehouse: Warehouse) -> None:
    faults = stage.sandbox.faults
    with held(faults["zuora"], REQUEST["zuora"]) as zuora, held(faults["s3"], REQUEST["s3"]) as s3:
        parent = stage.api.start_run(DAILY, sources=LEFT)
        zuora.wait()
        s3.wait()
        stage.server.stop()
        s3.release()
        mark = stage.server.mark()
        stage.server.start()
        # Every run holds a slot of its deployment by a lease that it renews; one that is refused ends its run.
        renewed = "POST /api/v2/concurrency_limits/leases/{id}/renew"
        wait_for("renewal of three leases", lambda: stage.server.requests_since(mark)[renewed] >= 3, LONG)

    assert_refreshed(stage, warehouse, parent)
