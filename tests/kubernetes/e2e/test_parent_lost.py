"""The parent is evicted or cancelled while its children work."""

from __future__ import annotations

from tests.kubernetes.e2e.holding import daily_at_work, held
from tests.kubernetes.e2e.outcome import assert_refreshed, ends
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_warehouse import Warehouse


def test_a_parent_that_is_evicted_comes_back_to_the_children_it_had(stage: Stage, warehouse: Warehouse) -> None:
    with held(stage) as hold:
        daily = daily_at_work(stage, hold)
        assert stage.cluster.evict(stage.pod(daily.parent)).status_code == 201
        stage.api.wait_run_count(daily.parent, 2)

    assert_refreshed(stage, warehouse, daily.parent)

    after = stage.api.children(daily.parent)
    assert {flow: after[flow][0]["id"] for flow in daily.children} == daily.children
    assert "AwaitingRetry" in stage.api.states(daily.parent)


def test_a_parent_that_is_cancelled_takes_its_children_with_it(stage: Stage, warehouse: Warehouse) -> None:
    with held(stage) as hold:
        daily = daily_at_work(stage, hold)
        stage.api.cancel(daily.parent)

        assert stage.api.wait(daily.parent)["state_name"] == "Cancelled"
        for child in daily.children.values():
            stage.api.wait(child)
        assert ends(stage, daily.parent) == {"zuora": ["Cancelled"], "s3-usage": ["Cancelled"]}
        stage.wait_for_no_process()

    assert stage.sandbox.slack.texts == []
    assert warehouse.loads("zuora") == {}
    assert warehouse.loads("s3") == {}
