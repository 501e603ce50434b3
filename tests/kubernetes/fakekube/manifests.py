"""Small Jobs and Pods to try the cluster with."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def container(script: str, **more: Any) -> Object:
    """A container that runs a shell script."""
    return {"name": "main", "image": "python", "command": ["sh", "-c", script], **more}


def pod(
    script: str, *, name: str = "pod", spec: Object | None = None, metadata: Object | None = None, **more: Any
) -> Object:
    """A pod of one such container; `more` goes to the container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"restartPolicy": "Never", "containers": [container(script, **more)], **(spec or {})},
    }


def job(
    script: str, *, name: str = "job", spec: Object | None = None, template: Object | None = None, **more: Any
) -> Object:
    """A Job of one such container that is not tried again; `spec` goes to the Job, `template` to its pods' spec."""
    pods = {"restartPolicy": "Never", "containers": [container(script, **more)], **(template or {})}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pods}, **(spec or {})},
    }
