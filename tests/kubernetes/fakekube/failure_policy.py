"""`spec.podFailurePolicy` of a Job: which failure counts, and which ends the Job at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.kubernetes.fakekube.store import Object


@dataclass(frozen=True)
class Verdict:
    counts: bool = True
    fails_job: bool = False
    message: str = ""


def decide(policy: dict[str, Any] | None, pod: Object) -> Verdict:
    """What the first rule that matches says about a failed pod; without one the failure counts."""
    for index, rule in enumerate((policy or {}).get("rules") or []):
        why = _matches(rule, pod)
        if why is None:
            continue
        if rule["action"] == "FailJob":
            return Verdict(fails_job=True, message=f"{why} matching FailJob rule at index {index}")
        return Verdict(counts=rule["action"] != "Ignore")
    return Verdict()


def _matches(rule: dict[str, Any], pod: Object) -> str | None:
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    if (wanted := rule.get("onExitCodes")) is not None:
        for status in pod.get("status", {}).get("containerStatuses") or []:
            ended = status.get("state", {}).get("terminated")
            if ended is None or ended["exitCode"] == 0 or wanted.get("containerName") not in (None, status["name"]):
                continue
            if (ended["exitCode"] in wanted["values"]) is (wanted["operator"] == "In"):
                return f"Container {status['name']} for pod {name} failed with exit code {ended['exitCode']}"
    for pattern in rule.get("onPodConditions") or []:
        for one in pod.get("status", {}).get("conditions") or []:
            if (one["type"], one["status"]) == (pattern["type"], pattern.get("status", "True")):
                return f"Pod {name} has condition {one['type']}"
    return None
