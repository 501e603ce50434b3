"""Runs that take too long: what can be stopped stops by itself, the rest is ended with its Job."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tests.kubernetes.e2e.outcome import DAILY, EACH_ONCE, LEFT, ends
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_prefect import LONG
from tests.kubernetes.stage_warehouse import Warehouse


@contextmanager
def _hanging(stage: Stage, system: str, request: str) -> Generator[threading.Event]:
    """The system answers such requests when the block has ended. Yields whether one has come."""
    reached, over = threading.Event(), threading.Event()

    def act() -> None:
        reached.set()
        over.wait(LONG)

    stage.sandbox.faults[system].arm(request, times=None, act=act)
    try:
        yield reached
    finally:
        over.set()
        stage.sandbox.faults[system].clear()


def test_a_source_that_hangs_is_told_once_by_its_parent_and_the_next_day_loads_it(
    stage: Stage, warehouse: Warehouse
) -> None:
    with (
        stage.job_variables("zuora/zuora", env={"MGDW_TIME_LIMIT": "20"}),
        _hanging(stage, "zuora", r"^GET /v1/file/"),
    ):
        parent = stage.api.start_run(DAILY, sources=LEFT)
        assert stage.api.wait(parent)["state_name"] == "Failed"

    assert ends(stage, parent) == EACH_ONCE | {"zuora": ["TimedOut"]}
    [text] = stage.slack(1)
    assert "it had not ended after 0:00:20, its time limit" in text
    assert "Skipped because of it" in text
    assert parent in text
    assert warehouse.loads("zuora") == {}

    again = stage.api.start_run(DAILY, sources=LEFT)

    assert stage.api.wait(again)["state_name"] == "Completed", stage.api.logs(again)
    assert "runs well again" in stage.slack(2)[1]
    warehouse.assert_equals_the_world(stage.sandbox)


@pytest.mark.slow
def test_a_thread_that_cannot_be_stopped_ends_with_its_job_and_changes_nothing_more(
    stage: Stage, warehouse: Warehouse
) -> None:
    limits = {"env": {"MGDW_TIME_LIMIT": "30"}, "active_deadline_seconds": 150, "termination_grace_period_seconds": 5}
    with stage.job_variables("tableau/tableau", **limits), _hanging(stage, "tableau", "signin") as reached:
        run = stage.api.wait(stage.api.start_run("tableau/tableau"))
        assert reached.is_set()
        stage.wait_for_no_process()
        [job] = stage.cluster.jobs(f"prefect.io/flow-run-id={run['id']}")

    assert run["state_name"] == stage.api.run(run["id"])["state_name"] == "TimedOut"
    assert [one["reason"] for one in job["status"]["conditions"] if one["type"] == "Failed"] == ["DeadlineExceeded"]
    [text] = stage.slack(1)
    assert "*tableau / tableau* timed out" in text
    assert run["id"] in text
