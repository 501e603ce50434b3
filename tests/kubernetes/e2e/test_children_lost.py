"""Children that are evicted, killed, too big or never start."""

from __future__ import annotations

from tests.kubernetes.e2e.holding import daily_at_work, held
from tests.kubernetes.e2e.outcome import DAILY, EACH_ONCE, LEFT, assert_refreshed, ends
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_warehouse import Warehouse


def test_a_child_that_is_evicted_goes_on_and_one_that_is_killed_is_started_again(
    stage: Stage, warehouse: Warehouse
) -> None:
    with held(stage) as hold:
        daily = daily_at_work(stage, hold)
        evicted, killed = daily.children[daily.waiting], daily.children[daily.working]
        assert stage.cluster.evict(stage.pod(evicted)).status_code == 201
        stage.cluster.kill(stage.pod(killed))
        assert stage.api.wait(killed)["state_name"] == "Crashed"

    assert_refreshed(stage, warehouse, daily.parent, EACH_ONCE | {daily.working: ["Crashed", "Completed"]})

    assert stage.api.run(evicted)["run_count"] == 2
    assert "AwaitingRetry" in stage.api.states(evicted)


def test_a_child_that_needs_more_memory_than_it_has_is_told_once_with_all_that_was_skipped(
    stage: Stage, warehouse: Warehouse
) -> None:
    with stage.job_variables("zuora/zuora", memory="64Mi"):
        parent = stage.api.start_run(DAILY, sources=LEFT)
        run = stage.api.wait(parent)

    assert run["state_name"] == "Failed"
    assert ends(stage, parent) == EACH_ONCE | {"zuora": ["Crashed", "Crashed", "Crashed"]}
    lost = stage.api.children(parent)["zuora"][-1]["id"]
    assert "OOMKilled" in stage.api.logs(lost)
    [text] = stage.slack(1)
    assert "zuora" in text
    assert "Skipped because of it" in text
    assert "Tableau Finance" in text
    assert parent in text
    assert warehouse.loads("zuora") == {}


def test_a_run_whose_image_cannot_be_pulled_ends_and_is_told(stage: Stage, warehouse: Warehouse) -> None:
    with (
        stage.automation("mg-dw: a run is stuck pending", within=10),
        stage.job_variables("s3-usage/s3-usage", image="registry.example/mg-dw:missing"),
    ):
        run = stage.api.wait(stage.api.start_run("s3-usage/s3-usage"))

    assert run["state_name"] == "Crashed"
    [text] = stage.slack(1)
    assert "The image cannot be pulled" in text
    assert run["id"] in text
    assert warehouse.loads("s3") == {}
