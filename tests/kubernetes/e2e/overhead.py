"""How long a daily refresh takes beyond its children: what the pool, the pods' starts and the parent itself cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.kubernetes.stage import Stage

_SOURCES = ("salesforce", "netsuite", "zuora", "s3-usage")


@dataclass(frozen=True)
class Overhead:
    """Seconds. A child's time counts from its creation by the parent, or only from its first line of code.

    Attributes:
        whole: from the request for the run to its end.
        chain: the longest chain of children (a source, dbt twice, Tableau), each from its creation.
        working: that chain without the starts of its pods.
        calls: requests to the Prefect server for the whole day, parent, children and worker together.
    """

    whole: float
    chain: float
    working: float
    calls: int

    def __str__(self) -> str:
        return (
            f"daily-refresh, children in pods: {self.whole:.0f} s; longest chain of children {self.chain:.0f} s "
            f"(of it {self.working:.0f} s in their own code), so the parent adds {self.whole - self.chain:.0f} s, and "
            f"{self.whole - self.working:.0f} s with the starts of its children's pods; {self.calls} API calls"
        )


def measured(stage: Stage, parent: str, calls: int) -> Overhead:
    """The figures of a run that has ended."""
    children = stage.api.children(parent)
    sources = [run for flow in _SOURCES for run in children.get(flow, ())]
    later = children["dbt"] + children["tableau"]
    return Overhead(
        whole=_seconds(stage.api.run(parent), "created"),
        chain=max(_seconds(run, "created") for run in sources) + sum(_seconds(run, "created") for run in later),
        working=max(_seconds(run, "start_time") for run in sources) + sum(_seconds(run, "start_time") for run in later),
        calls=calls,
    )


def _seconds(run: dict[str, Any], since: str) -> float:
    return (datetime.fromisoformat(run["end_time"]) - datetime.fromisoformat(run[since])).total_seconds()
