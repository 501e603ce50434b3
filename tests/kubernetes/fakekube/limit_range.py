"""LimitRange: what containers get that do not say, and how much one may have (type Container)."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.fakekube import quantities, resources
from tests.kubernetes.fakekube.errors import forbidden
from tests.kubernetes.fakekube.store import Object, Store


def apply(store: Store, pod: Object) -> None:
    """Fill in the pod's containers, in place. Raises ApiError (403) for one that has too much or too little."""
    wrong: list[str] = []
    for found in store.every(resources.LIMIT_RANGES, pod["metadata"]["namespace"]):
        for limit in found["spec"]["limits"]:
            if limit["type"] == "Container":
                for container in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())):
                    _fill_in(container.setdefault("resources", {}), limit)
                    wrong += _wrong(container["resources"], limit)
    if wrong:
        told = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
        raise forbidden(resources.PODS, pod["metadata"]["name"], told)


def _fill_in(demands: dict[str, Any], limit: dict[str, Any]) -> None:
    limits = {**(limit.get("default") or limit.get("max") or {}), **(demands.get("limits") or {})}
    requests = {**(limit.get("defaultRequest") or limits), **(demands.get("requests") or {})}
    if limits:
        demands["limits"] = limits
    if requests:
        demands["requests"] = requests


def _wrong(demands: dict[str, Any], limit: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for name, most in (limit.get("max") or {}).items():
        has = demands["limits"][name]
        if quantities.parse(has) > quantities.parse(most):
            found.append(f"maximum {name} usage per Container is {most}, but limit is {has}")
    for name, least in (limit.get("min") or {}).items():
        has = demands["requests"].get(name)
        if has is None:
            found.append(f"minimum {name} usage per Container is {least}.  No request is specified")
        elif quantities.parse(has) < quantities.parse(least):
            found.append(f"minimum {name} usage per Container is {least}, but request is {has}")
    return found
