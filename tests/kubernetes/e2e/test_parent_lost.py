"""The parent is evicted or cancelled while its children work."""

from __future__ import annotations

from tests.kubernetes.e2e.holding import REQUEST, held
from tests.kubernetes.e2e.outcome import DAILY, EACH_ONCE, LEFT, assert_refreshed, ends
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_warehouse import Warehouse


def test_a_parent_that_is_evicted_comes_back_to_the_children_it_had(stage: Stage, warehouse: Warehouse) -> None:
    faults = stage.sandbox.faults
    with held(faults["zuora"], REQUEST["zuora"]) as zuora, held(faults["s3"], REQUEST["s3"]) as s3:
        parent = stage.api.start_run(DAILY, sources=LEFT)
        zuora.wait()
        s3.wait()
        before = {flow: [run["id"] for run in runs] for flow, runs in stage.api.children(parent).items()}
        assert stage.cluster.evict(stage.pod(parent)).status_code == 201
        stage.api.wait_run_count(parent, 2)
        s3.release()
        stage.api.wait(before["s3-usage"][0])
        zuora.release()

        assert_refreshed(stage, warehouse, parent, EACH_ONCE)

    after = {flow: [run["id"] for run in runs] for flow, runs in stage.api.children(parent).items()}
    assert {flow: after[flow] for flow in before} == before
    assert "AwaitingRetry" in stage.api.states(parent)


def test_a_parent_that_is_cancelled_takes_its_children_with_it(stage: Stage, warehouse: Warehouse) -> None:
    faults = stage.sandbox.faults
    with held(faults["zuora"], REQUEST["zuora"]) as zuora, held(faults["s3"], REQUEST["s3"]) as s3:
        parent = stage.api.start_run(DAILY, sources=LEFT)
        zuora.wait()
        s3.wait()
        stage.api.cancel(parent)

        assert stage.api.wait(parent)["state_name"] == "Cancelled"
        for runs in stage.api.children(parent).values():
            stage.api.wait(runs[0]["id"])
        assert ends(stage, parent) == {"zuora": ["Cancelled"], "s3-usage": ["Cancelled"]}
        stage.wait_for_no_process()

    assert stage.sandbox.slack.texts == []
    assert warehouse.loads("zuora") == {}
    assert warehouse.loads("s3") == {}
