"""Two runs at once: one works, the other waits, and one that nobody holds back is refused."""

from __future__ import annotations

import pytest

from tests.kubernetes.e2e.holding import daily_at_work, held
from tests.kubernetes.e2e.outcome import DAILY, EACH_ONCE, LEFT, assert_refreshed
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_warehouse import Warehouse


def test_of_two_runs_the_second_waits_and_one_beside_the_pool_is_refused(stage: Stage, warehouse: Warehouse) -> None:
    with held(stage) as hold:
        first = daily_at_work(stage, hold).parent
        second = stage.api.start_run(DAILY, sources=LEFT)
        stage.api.wait_state_name(second, "AwaitingConcurrencySlot")
        with pytest.raises(RuntimeError, match="is being done by") as refused:
            stage.mgdw(warehouse, "run", "daily-refresh")
        assert first in str(refused.value)
        # A run that no worker has started has no automation that speaks for it.
        [text] = stage.slack(1)
        assert "is being done by" in text
        stage.sandbox.slack.messages.clear()
        assert stage.api.children(second) == {}

    assert_refreshed(stage, warehouse, first)
    assert_refreshed(stage, warehouse, second, EACH_ONCE)
    assert stage.api.run(second)["start_time"] >= stage.api.run(first)["end_time"]
    assert set(warehouse.loads("s3").values()) == {1}
