"""Tables, in which `kubectl get` shows pods and Jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.kubernetes.fakekube import conditions, resources
from tests.kubernetes.fakekube.resources import Resource
from tests.kubernetes.fakekube.store import Object, moment, now

_COLUMNS = {
    resources.PODS: ("Name", "Ready", "Status", "Restarts", "Age"),
    resources.JOBS: ("Name", "Status", "Completions", "Duration", "Age"),
}


def wanted(accept: str, resource: Resource) -> bool:
    """Does the client ask for a table, and is there one for such objects?"""
    return "as=Table" in accept and resource in _COLUMNS


def of(resource: Resource, found: Object) -> Object:
    """The table of an object or of a list of them."""
    objects = found.get("items", [found])
    cells = _pod if resource is resources.PODS else _job
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
        "columnDefinitions": [
            {
                "name": name,
                "type": "string",
                "format": "name" if name == "Name" else "",
                "description": "",
                "priority": 0,
            }
            for name in _COLUMNS[resource]
        ],
        "rows": [
            {
                "cells": [
                    one["metadata"]["name"],
                    *cells(one),
                    _duration(_since(one["metadata"]["creationTimestamp"])),
                ],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": one["metadata"],
                },
            }
            for one in objects
        ],
    }


def _pod(pod: Object) -> list[Any]:
    status = pod["status"]
    containers = status.get("containerStatuses") or []
    shown = status.get("reason") or status["phase"]
    for one in containers:
        state = one["state"].get("waiting") or one["state"].get("terminated") or {}
        shown = state.get("reason", shown)
    if "deletionTimestamp" in pod["metadata"]:
        shown = "Terminating"
    ready = f"{sum(one['ready'] for one in containers)}/{len(pod['spec']['containers'])}"
    return [ready, shown, str(sum(one["restartCount"] for one in containers))]


def _job(job: Object) -> list[Any]:
    status = job.get("status", {})
    shown = next(
        (kind for kind in ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet") if conditions.holds(job, kind)),
        "Suspended" if job["spec"].get("suspend") else "Running",
    )
    duration = ""
    if "startTime" in status:
        end = moment(status["completionTime"]) if "completionTime" in status else now()
        duration = _duration(end - moment(status["startTime"]))
    return [shown, f"{status.get('succeeded', 0)}/{job['spec']['completions']}", duration]


def _since(text: str) -> timedelta:
    return now() - moment(text)


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds}s"
    return f"{seconds // 60}m" if seconds < 7_200 else f"{seconds // 3_600}h"
