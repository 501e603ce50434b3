"""How often a run asks the Prefect server: counted in the server's own access log, worker and pod together."""

from __future__ import annotations

from collections import Counter

import pytest

from flows.progress import Pace
from tests.kubernetes.e2e.holding import held
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_prefect import LONG
from tests.kubernetes.stage_processes import wait_for
from tests.kubernetes.stage_warehouse import Warehouse

pytestmark = pytest.mark.slow

_RENEWAL = "POST /api/v2/concurrency_limits/leases/{id}/renew"
"""The one call that comes again with time: every 225 s, at three quarters of the lease that a run asks for."""
_PROGRESS = "PATCH /api/artifacts/{id}"
"""Comes again as a load goes on: at each twentieth of the way, and when it lasts twice as long."""
_MOST = 60
"""Calls of one child at most, these two apart."""
_MINUTES = 30
"""Longer than this test's load can take."""


def test_a_child_asks_the_server_no_more_often_when_it_takes_longer(stage: Stage, warehouse: Warehouse) -> None:
    short = _calls_of_a_child(stage, renewals=0)
    long = _calls_of_a_child(stage, renewals=2)

    assert long[_RENEWAL] >= 2
    assert long[_PROGRESS] <= Pace.most(60 * _MINUTES)
    assert _counted(long) <= _counted(short) + 2, long - short
    assert _counted(short) <= _MOST, short


def _calls_of_a_child(stage: Stage, renewals: int) -> Counter[str]:
    """A load of usage files that is held until its lease was renewed so many times."""
    mark = stage.server.mark()
    with held(stage) as hold:
        run = stage.api.start_run("s3-usage/s3-usage", full=True)
        hold.wait()
        wait_for("renewals", lambda: stage.server.requests_since(mark)[_RENEWAL] >= renewals, LONG)
    assert stage.api.wait(run)["state_name"] == "Completed"
    stage.wait_for_no_process()
    return stage.server.requests_since(mark)


def _counted(calls: Counter[str]) -> int:
    return sum(count for call, count in calls.items() if call not in (_RENEWAL, _PROGRESS))
