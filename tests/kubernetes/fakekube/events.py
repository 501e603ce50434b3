"""Events: what `kubectl describe` shows below an object."""

from __future__ import annotations

import secrets

from tests.kubernetes.fakekube import resources
from tests.kubernetes.fakekube.store import Object, Store, stamp


def record(store: Store, about: Object, reason: str, message: str, *, by: str, warning: bool = False) -> None:
    """Write an Event about an object; the same again only raises its count."""
    metadata = about["metadata"]
    namespace = metadata.get("namespace", "default")
    for one in store.every(resources.EVENTS, namespace):
        if (one["involvedObject"]["uid"], one["reason"], one["message"]) == (metadata["uid"], reason, message):
            store.update(resources.EVENTS, {**one, "count": one["count"] + 1, "lastTimestamp": stamp()})
            return
    store.create(
        resources.EVENTS,
        {
            "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(8)}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": namespace,
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            "source": {"component": by},
            "reportingComponent": by,
            "reportingInstance": "",
            "firstTimestamp": stamp(),
            "lastTimestamp": stamp(),
            "count": 1,
        },
    )
