"""What the Job controller takes for active, terminating, failed and finished."""

from __future__ import annotations

from datetime import datetime

from tests.kubernetes.fakekube import conditions
from tests.kubernetes.fakekube.store import Object, moment, stamp


def finished_at(job: Object) -> datetime | None:
    """When the Job completed or failed; None while it has not."""
    for kind in ("Complete", "Failed"):
        if conditions.holds(job, kind):
            return moment(conditions.get(job, kind)["lastTransitionTime"])
    return None


def _phase(pod: Object) -> str:
    return pod.get("status", {}).get("phase", "Pending")


def is_active(pod: Object) -> bool:
    return _phase(pod) not in ("Succeeded", "Failed") and "deletionTimestamp" not in pod["metadata"]


def is_terminating(pod: Object) -> bool:
    return _phase(pod) not in ("Succeeded", "Failed") and "deletionTimestamp" in pod["metadata"]


def replaces_failed_only(job: Object) -> bool:
    """Does a pod count, and get its successor, only when it has ended?"""
    return job["spec"].get("podReplacementPolicy") == "Failed" or bool(job["spec"].get("podFailurePolicy"))


def is_failed(pod: Object, job: Object) -> bool:
    if _phase(pod) == "Failed":
        return True
    return not replaces_failed_only(job) and is_terminating(pod)


def ended_at(pod: Object) -> datetime:
    """When its last container ended, or it was to end."""
    ends = [
        moment(one["state"]["terminated"]["finishedAt"])
        for one in pod.get("status", {}).get("containerStatuses") or []
        if "terminated" in one.get("state", {})
    ]
    return max(ends) if ends else moment(pod["metadata"].get("deletionTimestamp") or stamp())
