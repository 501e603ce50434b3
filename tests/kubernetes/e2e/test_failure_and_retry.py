"""A source is down: the run fails, says so once, and its retry does only what is left."""

from __future__ import annotations

from tests.kubernetes.e2e.outcome import DAILY, EACH_ONCE, LEFT, ends
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_warehouse import Warehouse


def test_the_retry_of_a_failed_run_repeats_only_what_is_not_done(stage: Stage, warehouse: Warehouse) -> None:
    zuora = stage.sandbox.faults["zuora"]
    zuora.arm(r"^GET /v1/file/", times=None, status=400, body={"message": "the export is broken"})
    parent = stage.api.start_run(DAILY, sources=LEFT)
    assert stage.api.wait(parent)["state_name"] == "Failed"
    assert ends(stage, parent) == EACH_ONCE | {"zuora": ["Failed"]}
    [text] = stage.slack(1)
    assert "zuora_invoice" in text
    assert "What to do" in text
    assert "Skipped because of it" in text
    assert "Tableau Finance" in text
    assert parent in text

    zuora.clear()
    stage.api.retry(parent)
    stage.api.wait_run_count(parent, 2)
    run = stage.api.wait(parent)

    assert run["state_name"] == "Completed", run["state"]["message"]
    twice = ["Completed", "Completed"]
    assert ends(stage, parent) == {
        "zuora": ["Failed", "Completed"],
        "s3-usage": ["Completed"],
        "dbt": [*twice, *twice],
        "tableau": twice,
    }
    [_, again] = stage.slack(2)
    assert "runs well again" in again
    warehouse.assert_equals_the_world(stage.sandbox)
    assert set(warehouse.loads("s3").values()) == {1}
