"""Conditions of an object's status."""

from __future__ import annotations

from tests.kubernetes.fakekube.store import Object, stamp


def put(found: Object, kind: str, status: str, reason: str = "", message: str = "") -> Object:
    """`found` with a condition of its status set; the time of transition changes only with the status."""
    conditions = list(found.get("status", {}).get("conditions") or [])
    old = next((one for one in conditions if one["type"] == kind), None)
    same_status = old is not None and old["status"] == status
    new = {
        "type": kind,
        "status": status,
        "lastTransitionTime": old["lastTransitionTime"] if old and same_status else stamp(),
        **({"reason": reason} if reason else {}),
        **({"message": message} if message else {}),
    }
    kept = [new if one is old else one for one in conditions] + ([] if old else [new])
    return {**found, "status": {**found.get("status", {}), "conditions": kept}}


def holds(found: Object, kind: str) -> bool:
    """Is the condition there, with status True?"""
    return get(found, kind).get("status") == "True"


def get(found: Object, kind: str) -> Object:
    """The condition of a type, or an empty object."""
    return next((one for one in found.get("status", {}).get("conditions") or [] if one["type"] == kind), {})
