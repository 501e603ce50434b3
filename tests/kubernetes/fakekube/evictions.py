"""The Eviction API: a deletion that a PodDisruptionBudget may refuse."""

from __future__ import annotations

import math
from typing import Any

from tests.kubernetes.fakekube import conditions, deletion, errors, resources, selectors
from tests.kubernetes.fakekube.store import Object, Store

_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."


def evict(store: Store, pod: Object, options: dict[str, Any] | None = None) -> None:
    """Delete a pod as a drain does. Raises ApiError (429) when a budget does not allow it."""
    labels = pod["metadata"].get("labels") or {}
    over = pod["status"].get("phase") in ("Succeeded", "Failed") or "deletionTimestamp" in pod["metadata"]
    for budget in store.every(resources.DISRUPTION_BUDGETS, pod["metadata"]["namespace"]):
        if over or not selectors.of_spec(budget["spec"].get("selector"))(labels):
            continue
        healthy, expected = _counts(store, budget)
        if _needs_scale(budget["spec"]) and any(
            one["kind"] == "Job" for one in pod["metadata"].get("ownerReferences") or []
        ):
            # The disruption controller cannot tell how many pods there should be, so it allows no disruption.
            raise errors.too_many_requests(_VIOLATES, "jobs.batch does not implement the scale subresource")
        desired = _desired(budget["spec"], expected)
        unready_goes = budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
        if not conditions.holds(pod, "Ready") and (unready_goes or healthy >= desired > 0):
            continue
        if healthy - desired <= 0:
            name = budget["metadata"]["name"]
            raise errors.too_many_requests(
                _VIOLATES,
                f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently",
            )
    if pod["status"].get("phase") not in ("Succeeded", "Failed"):
        message = "Eviction API: evicting"
        pod = store.update(
            resources.PODS, conditions.put(pod, "DisruptionTarget", "True", "EvictionByEvictionAPI", message)
        )
    deletion.delete(store, resources.PODS, pod, options)


def _counts(store: Store, budget: Object) -> tuple[int, int]:
    """Healthy pods, and how many there should be."""
    selects = selectors.of_spec(budget["spec"].get("selector"))
    pods = [
        one
        for one in store.every(resources.PODS, budget["metadata"]["namespace"])
        if selects(one["metadata"].get("labels") or {}) and one["status"].get("phase") not in ("Succeeded", "Failed")
    ]
    healthy = sum(conditions.holds(one, "Ready") and "deletionTimestamp" not in one["metadata"] for one in pods)
    return healthy, len(pods)


def _desired(spec: dict[str, Any], expected: int) -> int:
    if (least := spec.get("minAvailable")) is not None:
        return _number(least, expected)
    return max(expected - _number(spec.get("maxUnavailable", 1), expected), 0)


def _needs_scale(spec: dict[str, Any]) -> bool:
    return "maxUnavailable" in spec or isinstance(spec.get("minAvailable"), str)


def _number(value: int | str, whole: int) -> int:
    return math.ceil(whole * int(value.rstrip("%")) / 100) if isinstance(value, str) else value
