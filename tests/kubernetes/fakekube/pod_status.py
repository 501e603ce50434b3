"""The status that a kubelet reports of a pod, from what its containers do."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.fakekube import conditions
from tests.kubernetes.fakekube.store import Object

State = dict[str, Any]


def container(spec: dict[str, Any], state: State, last: State | None, restarts: int, identity: str) -> State:
    """One entry of `containerStatuses`."""
    running = "running" in state
    return {
        "name": spec["name"],
        "image": spec["image"],
        "imageID": f"fakekube://{spec['image']}" if "waiting" not in state else "",
        "containerID": f"fakekube://{identity}" if identity else "",
        "state": state,
        "lastState": last or {},
        "ready": running,
        "started": running,
        "restartCount": restarts,
    }


def with_conditions(pod: Object, now_in: str, initialized: bool) -> Object:
    """The pod with the conditions that follow from its phase and containers."""
    statuses = pod["status"].get("containerStatuses") or []
    ready = now_in == "Running" and bool(statuses) and all(one["ready"] for one in statuses)
    unready = [one["name"] for one in statuses if not one["ready"]]
    about = ("PodCompleted", "") if now_in == "Succeeded" else ("PodFailed", "") if now_in == "Failed" else (
        "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")  # fmt: skip
    pod = conditions.put(pod, "PodReadyToStartContainers", "False" if now_in in ("Succeeded", "Failed") else "True")
    pod = conditions.put(pod, "Initialized", "True" if initialized else "False")
    for kind in ("Ready", "ContainersReady"):
        pod = conditions.put(pod, kind, "True") if ready else conditions.put(pod, kind, "False", *about)
    return pod
