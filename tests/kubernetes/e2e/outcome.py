"""What has to be true after a scenario, whatever happened in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_warehouse import Warehouse

DAILY = "daily-refresh/daily"
LEFT = ["zuora", "s3"]
"""The sources that a half loaded warehouse lacks."""
EACH_ONCE = {
    "zuora": ["Completed"],
    "s3-usage": ["Completed"],
    "dbt": ["Completed", "Completed"],
    "tableau": ["Completed"],
}
"""The children of a run that loads those: dbt builds ODS, then EDW."""


def ends(stage: Stage, parent: str) -> dict[str, list[str]]:
    """How the runs ended that a run has started, by flow, oldest first."""
    return {flow: [run["state_name"] for run in runs] for flow, runs in stage.api.children(parent).items()}


def assert_refreshed(
    stage: Stage, warehouse: Warehouse, parent: str, children: Mapping[str, Sequence[str]] = EACH_ONCE
) -> None:
    """The run completed with exactly these children, told Slack nothing, and the warehouse is what it has to be."""
    run = stage.api.wait(parent)
    assert run["state_name"] == "Completed", f"{run['state']['message']}\n{stage.api.logs(parent)}"
    ended = ends(stage, parent)
    assert ended == children, (ended, [r["state"] for of in stage.api.children(parent).values() for r in of])
    warehouse.assert_equals_the_world(stage.sandbox)
    assert stage.sandbox.slack.texts == [], stage.sandbox.slack.texts
