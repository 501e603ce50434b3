"""Deleting: graceful for pods, and what becomes of an owner's dependents (the garbage collector)."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.fakekube import resources
from tests.kubernetes.fakekube.resources import Resource
from tests.kubernetes.fakekube.store import Change, Object, Store, in_seconds, key_of, same

FOREGROUND = "foregroundDeletion"


def delete(store: Store, resource: Resource, found: Object, options: dict[str, Any] | None = None) -> Object:
    """Delete as the API server does; `options` are DeleteOptions. Returns the object's last or present state."""
    options = options or {}
    present = store.find(resource, *key_of(found))
    if present is None or not same(present, found):
        return found
    found = present
    policy = options.get("propagationPolicy") or _usual_policy(resource, options)
    metadata = dict(found["metadata"])
    finalizers = [name for name in metadata.get("finalizers") or [] if name != FOREGROUND]
    if policy == "Foreground" and _dependents(store, found):
        finalizers.append(FOREGROUND)
    elif policy == "Orphan":
        for kind, dependent in _dependents(store, found):
            _disown(store, kind, dependent, metadata["uid"])
    grace = _grace(resource, found, options)
    if "deletionTimestamp" not in metadata or grace < metadata.get("deletionGracePeriodSeconds", 0):
        metadata["deletionTimestamp"] = in_seconds(grace)
        metadata["deletionGracePeriodSeconds"] = grace
    metadata["finalizers"] = finalizers
    if not finalizers:
        del metadata["finalizers"]
    return store.update(resource, {**found, "metadata": metadata})


def _usual_policy(resource: Resource, options: dict[str, Any]) -> str:
    # A Job of batch/v1 leaves its pods behind unless told otherwise: the API keeps its oldest promise.
    orphan = options.get("orphanDependents", resource is resources.JOBS)
    return "Orphan" if orphan else "Background"


def _grace(resource: Resource, found: Object, options: dict[str, Any]) -> int:
    if resource is not resources.PODS:
        return 0
    if "nodeName" not in found["spec"] or found.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    asked = options.get("gracePeriodSeconds")
    return found["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else int(asked)


def _dependents(store: Store, owner: Object) -> list[tuple[Resource, Object]]:
    uid = owner["metadata"]["uid"]
    return [
        (resource, one)
        for resource, one in store.everything()
        if any(reference["uid"] == uid for reference in one["metadata"].get("ownerReferences") or [])
    ]


def _disown(store: Store, resource: Resource, dependent: Object, uid: str) -> None:
    metadata = dict(dependent["metadata"])
    metadata["ownerReferences"] = [one for one in metadata["ownerReferences"] if one["uid"] != uid]
    store.update(resource, {**dependent, "metadata": metadata})


class GarbageCollector:
    """Deletes what lost its last owner, and lets an owner go whose dependents are gone (Foreground)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self, change: Change) -> None:
        """Do what follows from one change."""
        if change.type == "DELETED":
            for resource, dependent in _dependents(self._store, change.object):
                if not self._has_owner(dependent):
                    delete(self._store, resource, dependent)
            for reference in change.object["metadata"].get("ownerReferences") or []:
                self._release(change.object["metadata"].get("namespace"), reference)
        elif change.type == "ADDED":
            references = change.object["metadata"].get("ownerReferences") or []
            present = self._store.find(change.resource, *change.key)
            if references and present is not None and not self._has_owner(present):
                delete(self._store, change.resource, present)
        elif "deletionTimestamp" in change.object["metadata"] and FOREGROUND in (
            change.object["metadata"].get("finalizers") or []
        ):
            for resource, dependent in _dependents(self._store, change.object):
                if "deletionTimestamp" not in dependent["metadata"]:
                    delete(self._store, resource, dependent)

    def _has_owner(self, dependent: Object) -> bool:
        return any(
            self._owner(dependent["metadata"].get("namespace"), one) is not None
            for one in dependent["metadata"].get("ownerReferences") or []
        )

    def _owner(self, namespace: str | None, reference: Object) -> tuple[Resource, Object] | None:
        resource = resources.by_kind(reference["apiVersion"], reference["kind"])
        if resource is None:
            return None
        found = self._store.find(resource, namespace if resource.namespaced else None, reference["name"])
        return (resource, found) if found is not None and found["metadata"]["uid"] == reference["uid"] else None

    def _release(self, namespace: str | None, reference: Object) -> None:
        owned = self._owner(namespace, reference)
        if owned is None:
            return
        resource, owner = owned
        finalizers = owner["metadata"].get("finalizers") or []
        blocking = [
            one
            for _, one in _dependents(self._store, owner)
            for found in one["metadata"]["ownerReferences"]
            if found["uid"] == owner["metadata"]["uid"] and found.get("blockOwnerDeletion")
        ]
        if FOREGROUND in finalizers and not blocking:
            metadata = {**owner["metadata"], "finalizers": [name for name in finalizers if name != FOREGROUND]}
            self._store.update(resource, {**owner, "metadata": metadata})
