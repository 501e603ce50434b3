"""Pod Security admission: the levels "baseline" and "restricted", in the words of `k8s.io/pod-security-admission`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.kubernetes.fakekube.store import Object

Spec = Mapping[str, Any]
_ALLOWED = "NET_BIND_SERVICE"
_PREFIX = "pod-security.kubernetes.io/"
_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip


def violations(labels: Mapping[str, str], pod: Object, mode: str = "enforce") -> str:
    """What a namespace with these labels says about a pod: empty, or the refusal's text."""
    level = labels.get(_PREFIX + mode, "privileged")
    if level == "privileged":
        return ""
    spec = pod["spec"]
    checks = _BASELINE + (_RESTRICTED if level == "restricted" else [])
    found = [text for check in checks if (text := check(spec))]
    version = labels.get(f"{_PREFIX}{mode}-version", "latest")
    return f'violates PodSecurity "{level}:{version}": {", ".join(found)}' if found else ""


def _containers(spec: Spec) -> list[Spec]:
    return [*(spec.get("initContainers") or ()), *spec["containers"]]


def _security(one: Spec) -> Spec:
    return one.get("securityContext") or {}


def _named(names: list[str], noun: str = "container") -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"{noun}{'s' if len(names) > 1 else ''} {quoted}"


def _those(spec: Spec, guilty: Callable[[Spec], bool]) -> list[str]:
    return [one["name"] for one in _containers(spec) if guilty(_security(one))]


def _host_namespaces(spec: Spec) -> str:
    used = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return f"host namespaces ({', '.join(used)})" if used else ""


def _privileged(spec: Spec) -> str:
    names = _those(spec, lambda one: bool(one.get("privileged")))
    return f"privileged ({_named(names)} must not set securityContext.privileged=true)" if names else ""


def _host_path(spec: Spec) -> str:
    names = [one["name"] for one in spec.get("volumes") or () if "hostPath" in one]
    return f"hostPath volumes ({_named(names, 'volume')})" if names else ""


def _escalation(spec: Spec) -> str:
    names = _those(spec, lambda one: one.get("allowPrivilegeEscalation") is not False)
    must = "must set securityContext.allowPrivilegeEscalation=false"
    return f"allowPrivilegeEscalation != false ({_named(names)} {must})" if names else ""


def _capabilities(spec: Spec) -> str:
    keeping = _those(spec, lambda one: "ALL" not in ((one.get("capabilities") or {}).get("drop") or ()))
    adding = _those(spec, lambda one: bool({*((one.get("capabilities") or {}).get("add") or ())} - {_ALLOWED}))
    told = [f'{_named(keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    told += (
        [f"{_named(adding)} must not include more than {_ALLOWED} in securityContext.capabilities.add"]
        if adding
        else []
    )
    return f"unrestricted capabilities ({'; '.join(told)})" if told else ""


def _volume_types(spec: Spec) -> str:
    volumes = spec.get("volumes") or ()
    found = [(one["name"], kind) for one in volumes for kind in one if kind not in {"name", *_VOLUMES}]
    names = _named([name for name, _ in found], "volume")
    kinds = ", ".join(f'"{kind}"' for kind in sorted({kind for _, kind in found}))
    return f"restricted volume types ({names} uses restricted volume type {kinds})" if found else ""


def _non_root(spec: Spec) -> str:
    whole = _security(spec).get("runAsNonRoot")
    refusing = _those(spec, lambda one: one.get("runAsNonRoot") is False)
    if whole is False:
        return "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)"
    if refusing:
        return f"runAsNonRoot != true ({_named(refusing)} must not set securityContext.runAsNonRoot=false)"
    silent = _those(spec, lambda one: one.get("runAsNonRoot") is None)
    if silent and not whole:
        return f"runAsNonRoot != true (pod or {_named(silent)} must set securityContext.runAsNonRoot=true)"
    return ""


def _root_user(spec: Spec) -> str:
    names = _those(spec, lambda one: one.get("runAsUser") == 0)
    if _security(spec).get("runAsUser") == 0:
        return "runAsUser=0 (pod must not set runAsUser=0)"
    return f"runAsUser=0 ({_named(names)} must not set runAsUser=0)" if names else ""


def _seccomp(spec: Spec) -> str:
    allowed = ("RuntimeDefault", "Localhost")
    whole = (_security(spec).get("seccompProfile") or {}).get("type")
    silent = _those(spec, lambda one: (one.get("seccompProfile") or {}).get("type", whole) not in allowed)
    must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return f"seccompProfile (pod or {_named(silent)} {must})" if silent else ""


_BASELINE = [_host_namespaces, _privileged, _host_path]
_RESTRICTED = [_escalation, _capabilities, _volume_types, _non_root, _root_user, _seccomp]
