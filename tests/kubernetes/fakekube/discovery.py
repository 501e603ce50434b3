"""What the API says about itself: enough for kopf, kubernetes_asyncio and kubectl."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.fakekube import resources
from tests.kubernetes.fakekube.resources import Resource

_ALL = ("pods", "jobs", "cronjobs", "services", "deployments", "statefulsets", "horizontalpodautoscalers")
"""What `kubectl get all` shows."""
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.0+fakekube", "platform": "linux/amd64"}


def answer(path: str) -> dict[str, Any] | str | None:
    """The answer to a path that is no resource's; None when there is nothing there."""
    match path.strip("/").split("/"):
        case ["version"]:
            return VERSION
        case ["healthz" | "livez" | "readyz", *_]:
            return "ok"
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _groups()]}
        case ["apis", group] if group in _groups():
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
        case ["api", version]:
            return _resources("", version)
        case ["apis", group, version]:
            return _resources(group, version)
        case ["openapi", "v3"]:
            roots = {one.root.strip("/") for one in resources.ALL}
            return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in sorted(roots)}}
        case ["openapi", "v3", *root]:
            return _openapi("/" + "/".join(root))
        case _:
            return None


def _groups() -> list[str]:
    return sorted({one.group for one in resources.ALL if one.group})


def _group(name: str) -> dict[str, Any]:
    versions = sorted({one.version for one in resources.ALL if one.group == name})
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[-1]}


def _resources(group: str, version: str) -> dict[str, Any] | None:
    found = [one for one in resources.ALL if (one.group, one.version) == (group, version)]
    if not found:
        return None
    listed: list[dict[str, Any]] = []
    for one in found:
        listed.append(
            {
                "name": one.plural,
                "singularName": one.kind.lower(),
                "namespaced": one.namespaced,
                "kind": one.kind,
                "verbs": list(one.verbs),
                **({"shortNames": list(one.short_names)} if one.short_names else {}),
                **({"categories": ["all"]} if one.plural in _ALL else {}),
            }
        )
        for name, verbs in one.subresources.items():
            kind = "Eviction" if name == "eviction" else one.kind
            listed.append(
                {"name": f"{one.plural}/{name}", "singularName": "", "namespaced": one.namespaced, "kind": kind,
                 "verbs": list(verbs), **({"group": "policy", "version": "v1"} if kind == "Eviction" else {})}
            )  # fmt: skip
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": found[0].api_version, "resources": listed}


def _openapi(root: str) -> dict[str, Any] | None:
    """Only what kubectl looks for: that a patch takes `fieldValidation` and `dryRun`, so that it leaves validation to
    the server."""
    found = [one for one in resources.ALL if one.root == root and one.kept]
    if not found:
        return None
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": {_path(one): {"patch": _patch(one)} for one in found},
    }


def _path(one: Resource) -> str:
    between = "/namespaces/{namespace}" if one.namespaced else ""
    return f"{one.root}{between}/{one.plural}/{{name}}"


def _patch(one: Resource) -> dict[str, Any]:
    return {
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation")
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {"group": one.group, "version": one.version, "kind": one.kind},
    }
