"""A stand-in for the Deployment controller: a status as if the pods ran, when their images can be pulled."""

from __future__ import annotations

import asyncio

from tests.kubernetes.fakekube import conditions, resources
from tests.kubernetes.fakekube.images import Images
from tests.kubernetes.fakekube.store import Change, Object, Store, key_of

_AVAILABLE = ("MinimumReplicasAvailable", "Deployment has minimum availability.")


class DeploymentController:
    """Rolls Deployments out. One whose image is not there keeps its old pods, and has failed when its
    `progressDeadlineSeconds` are over, or `patience` seconds."""

    def __init__(self, store: Store, images: Images, patience: float) -> None:
        self._store = store
        self._patience = patience
        self._images = images

    def notice(self, change: Change) -> None:
        if change.resource is resources.DEPLOYMENTS and change.type != "DELETED":
            found = self._store.find(resources.DEPLOYMENTS, *change.key)
            if found is not None and _seen(found) != found["metadata"]["generation"]:
                self._roll_out(found)

    def _roll_out(self, found: Object) -> None:
        spec, name = found["spec"], found["metadata"]["name"]
        generation, replicas = found["metadata"]["generation"], spec.get("replicas", 1)
        pods = spec["template"]["spec"]
        containers = [*(pods.get("initContainers") or ()), *pods["containers"]]
        there = all(self._images.refusal(one["image"]) is None for one in containers)
        old = found.get("status", {}).get("readyReplicas", 0)
        ready = replicas if there else min(old, replicas)
        status = {
            **found.get("status", {}),
            "observedGeneration": generation,
            "replicas": replicas,
            "updatedReplicas": replicas if there or not old else 0,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": replicas - ready,
        }
        made = conditions.put({**found, "status": status}, "Available", str(bool(ready)), *_AVAILABLE)
        if there:
            told = f'ReplicaSet "{name}-{generation}" has successfully progressed.'
            made = conditions.put(made, "Progressing", "True", "NewReplicaSetAvailable", told)
        else:
            made = conditions.put(
                made, "Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'
            )
            seconds = min(spec.get("progressDeadlineSeconds", 600), self._patience)
            asyncio.get_running_loop().call_later(seconds, self._give_up, key_of(found), generation)
        self._store.update(resources.DEPLOYMENTS, made)

    def _give_up(self, key: tuple[str, str], generation: int) -> None:
        found = self._store.find(resources.DEPLOYMENTS, *key)
        if found is not None and found["metadata"]["generation"] == generation:
            told = f'ReplicaSet "{key[1]}-{generation}" has timed out progressing.'
            failed = conditions.put(found, "Progressing", "False", "ProgressDeadlineExceeded", told)
            self._store.update(resources.DEPLOYMENTS, failed)


def _seen(found: Object) -> int | None:
    return found.get("status", {}).get("observedGeneration")
