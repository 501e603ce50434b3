"""What the API server fills in for a Pod or a Job that does not say."""

from __future__ import annotations

import uuid
from typing import Any

from tests.kubernetes.fakekube.store import Object

Spec = dict[str, Any]


def pod(spec: Spec) -> None:
    """Fill in a pod's spec, in place."""
    for name, value in (
        ("restartPolicy", "Always"), ("dnsPolicy", "ClusterFirst"), ("terminationGracePeriodSeconds", 30),
        ("schedulerName", "default-scheduler"), ("enableServiceLinks", True),
        ("preemptionPolicy", "PreemptLowerPriority"),
    ):  # fmt: skip
        spec.setdefault(name, value)
    spec.setdefault("securityContext", {})
    for one in (*spec.get("containers", ()), *(spec.get("initContainers") or ())):
        _container(one)
    for volume in spec.get("volumes") or ():
        if set(volume) == {"name"}:
            volume["emptyDir"] = {}


def _container(container: Spec) -> None:
    image = container.get("image", "")
    tag = image.rpartition("/")[2]
    latest = "@" not in image and (":" not in tag or tag.endswith(":latest"))
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    resources = container.setdefault("resources", {})
    if limits := resources.get("limits"):
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def admitted_pod(spec: Spec) -> None:
    """What admission adds to a Pod, and not to the template of one: its service account and tolerations."""
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    spec.setdefault("priority", 0)
    tolerations = spec.setdefault("tolerations", [])
    for taint in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{taint}"
        if not any(one.get("key") == key for one in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})


def job(body: Object) -> None:
    """Fill in a Job, in place; its uid is made here since its pods are selected by it."""
    spec, metadata = body["spec"], body["metadata"]
    metadata["uid"] = str(uuid.uuid4())
    for name, value in (
        ("backoffLimit", 6), ("completions", 1), ("parallelism", 1), ("completionMode", "NonIndexed"),
        ("suspend", False), ("manualSelector", False),
        ("podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"),
    ):  # fmt: skip
        spec.setdefault(name, value)
    labels = {
        "controller-uid": metadata["uid"],
        "batch.kubernetes.io/controller-uid": metadata["uid"],
        "job-name": metadata["name"],
        "batch.kubernetes.io/job-name": metadata["name"],
    }
    template = spec["template"]
    template["metadata"] = {**(template.get("metadata") or {})}
    template["metadata"]["labels"] = {**(template["metadata"].get("labels") or {}), **labels}
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": metadata["uid"]}}
    pod(template["spec"])
