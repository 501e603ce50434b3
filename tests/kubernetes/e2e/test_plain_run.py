"""The whole day on an empty warehouse, started as a person starts it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from tests.kubernetes.e2e.outcome import DAILY, EACH_ONCE, ends
from tests.kubernetes.e2e.overhead import measured
from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_warehouse import Warehouse


def test_a_daily_refresh_brings_every_source_to_tableau(stage: Stage, tell: Callable[[object], None]) -> None:
    warehouse = Warehouse(stage.shared / "plain")
    calls, mark = len(stage.cluster.calls()), stage.server.mark()
    with stage.scene(warehouse):
        printed = stage.prefect("deployment", "run", DAILY, "--watch")

        [parent] = re.findall(r"UUID: ([0-9a-f-]{36})", printed)
        assert stage.api.run(parent)["state_name"] == "Completed"
        assert ends(stage, parent) == EACH_ONCE | {"salesforce": ["Completed"], "netsuite": ["Completed"]}
        assert stage.sandbox.slack.texts == []
        tell(measured(stage, parent, stage.server.requests_since(mark).total()))
        warehouse.assert_equals_the_world(stage.sandbox)
        assert len(list((warehouse.home / "hyper").glob("*.hyper"))) == 5
        jobs = stage.wait_for_succeeded_jobs()
        accounts = Counter(job["spec"]["template"]["spec"]["serviceAccountName"] for job in jobs)
        assert accounts == {"pipeline": 6, "dbt-runner": 2}
    worker = [one for one in stage.cluster.calls(calls) if one["user"].endswith(":prefect-worker")]
    assert [one for one in worker if one["status"] >= 400] == []
