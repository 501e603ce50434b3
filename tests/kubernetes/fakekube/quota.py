"""ResourceQuota: what a namespace may hold, and the refusal in a real server's words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.kubernetes.fakekube import quantities, resources
from tests.kubernetes.fakekube.errors import forbidden
from tests.kubernetes.fakekube.resources import Resource
from tests.kubernetes.fakekube.store import Object, Store

_COMPUTED = ("cpu", "memory")


def check(store: Store, resource: Resource, body: Object) -> None:
    """Raises ApiError (403) when the object would exceed a quota of its namespace, or does not say how much it takes
    of something that is limited."""
    if not resource.namespaced:
        return
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    asked = _use(resource, body)
    for limit in store.every(resources.QUOTAS, namespace):
        if not asked or limit["spec"].get("scopes"):
            continue
        hard: dict[str, str] = limit["spec"].get("hard") or {}
        if resource is resources.PODS and (silent := sorted(set(hard) & _needed(body))):
            raise forbidden(
                resource, name, f"failed quota: {limit['metadata']['name']}: must specify {_for_whom(silent, body)}"
            )
        used = usage(store, namespace, hard)
        over = sorted(
            key for key, number in asked.items() if key in hard and used[key] + number > quantities.parse(hard[key])
        )
        if over:
            texts = [
                ",".join(f"{key}={quantities.show(numbers[key], hard[key])}" for key in over)
                for numbers in (asked, used, {key: quantities.parse(value) for key, value in hard.items()})
            ]
            about = f"requested: {texts[0]}, used: {texts[1]}, limited: {texts[2]}"
            raise forbidden(resource, name, f"exceeded quota: {limit['metadata']['name']}, {about}")


def usage(store: Store, namespace: str, hard: dict[str, str]) -> dict[str, Decimal]:
    """How much of what a quota limits is taken in a namespace; ended pods take nothing."""
    total = dict.fromkeys(hard, Decimal(0))
    for resource in resources.ALL:
        if resource.kept and resource.namespaced:
            for one in store.every(resource, namespace):
                for key, number in _use(resource, one).items():
                    if key in total:
                        total[key] += number
    return total


def _use(resource: Resource, body: Object) -> dict[str, Decimal]:
    found = {f"count/{resource.qualified}": Decimal(1)}
    if resource.group == "" and resource is not resources.PODS:
        found[resource.plural] = Decimal(1)
    if resource is not resources.PODS:
        return found
    if body.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return found
    found["pods"] = Decimal(1)
    for kind in ("requests", "limits"):
        for name, number in _demand(body["spec"], kind).items():
            found[f"{kind}.{name}"] = number
            if kind == "requests":
                found[name] = number
    return found


def _demand(spec: dict[str, Any], kind: str) -> dict[str, Decimal]:
    """What a pod takes: the sum of its containers, or the largest init container where that is more."""
    total: dict[str, Decimal] = {}
    for one in spec["containers"]:
        for name, text in ((one.get("resources") or {}).get(kind) or {}).items():
            total[name] = total.get(name, Decimal(0)) + quantities.parse(text)
    for one in spec.get("initContainers") or ():
        for name, text in ((one.get("resources") or {}).get(kind) or {}).items():
            total[name] = max(total.get(name, Decimal(0)), quantities.parse(text))
    return total


def _needed(pod: Object) -> set[str]:
    """The limited resources that some container of the pod says nothing about."""
    silent: set[str] = set()
    for one in pod["spec"]["containers"]:
        for kind in ("requests", "limits"):
            given = (one.get("resources") or {}).get(kind) or {}
            silent |= {f"{kind}.{name}" for name in _COMPUTED if name not in given}
            if kind == "requests":
                silent |= {name for name in _COMPUTED if name not in given}
    return silent


def _for_whom(silent: list[str], pod: Object) -> str:
    names = ",".join(one["name"] for one in pod["spec"]["containers"])
    return "; ".join(f"{name} for: {names}" for name in silent)
