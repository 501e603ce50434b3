"""What a schema cannot say about names, Jobs and Pods (`pkg/apis/core/validation`, `pkg/apis/batch/validation`)."""

from __future__ import annotations

import re
from typing import Any

from tests.kubernetes.fakekube import quantities
from tests.kubernetes.fakekube.errors import invalid
from tests.kubernetes.fakekube.resources import Resource
from tests.kubernetes.fakekube.store import Object

Causes = list[tuple[str, str, str]]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_ENV_NAME = re.compile(r"[^=\s][^=]*")
_LOOSE_NAMES = ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
_SOURCES = {"emptyDir", "configMap", "secret", "projected", "downwardAPI", "hostPath", "persistentVolumeClaim", "csi",
            "ephemeral", "nfs", "image"}  # fmt: skip


def check_metadata(resource: Resource, body: Object) -> None:
    """Raises ApiError (422) for a name, label or annotation that Kubernetes does not take."""
    metadata, causes = body["metadata"], Causes()
    name = metadata.get("name")
    if not name and not metadata.get("generateName"):
        causes.append(("metadata.name", "FieldValueRequired", "Required value: name or generateName is required"))
    if name and resource.plural not in _LOOSE_NAMES and not (_SUBDOMAIN.fullmatch(name) and len(name) <= 253):
        causes.append(("metadata.name", "FieldValueInvalid",
                       f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric '
                       "characters, '-' or '.', and must start and end with an alphanumeric character"))  # fmt: skip
    causes += _labels(metadata, "metadata")
    _raise(body, resource, causes)


def check_job(body: Object) -> None:
    """Raises ApiError (422)."""
    spec, causes = body["spec"], Causes()
    if len(body["metadata"]["name"]) > 63:
        causes.append(("metadata.name", "FieldValueInvalid", "must be no more than 63 characters"))
    for name in ("activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "parallelism", "completions"):
        if (value := spec.get(name)) is not None and value < 0:
            message = f"Invalid value: {value}: must be greater than or equal to 0"
            causes.append((f"spec.{name}", "FieldValueInvalid", message))
    template = spec["template"]
    causes += _labels(template.get("metadata") or {}, "spec.template.metadata")
    restart = template["spec"].get("restartPolicy", "Always")
    if restart not in ("Never", "OnFailure"):
        causes.append(("spec.template.spec.restartPolicy", "FieldValueNotSupported",
                       f'Required value: valid values: "OnFailure", "Never" (got "{restart}")'))  # fmt: skip
    if spec.get("podFailurePolicy") and spec.get("podReplacementPolicy", "Failed") != "Failed":
        causes.append(("spec.podReplacementPolicy", "FieldValueNotSupported",
                       'Unsupported value: "TerminatingOrFailed": supported values: "Failed"'))  # fmt: skip
    if spec.get("podFailurePolicy") and restart != "Never":
        causes.append(("spec.template.spec.restartPolicy", "FieldValueInvalid",
                       "only 'Never' is supported when podFailurePolicy is specified"))  # fmt: skip
    causes += _pod_spec(template["spec"], "spec.template.spec")
    _raise_kind(body, "Job", "batch", causes)


def check_pod(body: Object) -> None:
    """Raises ApiError (422)."""
    _raise_kind(body, "Pod", "", _labels(body["metadata"], "metadata") + _pod_spec(body["spec"], "spec"))


def _pod_spec(spec: dict[str, Any], path: str) -> Causes:
    causes, names = Causes(), set[str]()
    if (deadline := spec.get("activeDeadlineSeconds")) is not None and deadline < 1:
        causes.append(
            (f"{path}.activeDeadlineSeconds", "FieldValueInvalid", "must be between 1 and 2147483647, inclusive")
        )
    if spec.get("terminationGracePeriodSeconds", 30) < 0:
        causes.append(
            (f"{path}.terminationGracePeriodSeconds", "FieldValueInvalid", "must be greater than or equal to 0")
        )
    if not spec["containers"]:
        causes.append((f"{path}.containers", "FieldValueRequired", "Required value"))
    volumes: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        where = f"{path}.volumes[{index}]"
        if volume["name"] in volumes:
            causes.append((f"{where}.name", "FieldValueDuplicate", f'Duplicate value: "{volume["name"]}"'))
        volumes.add(volume["name"])
        if len(_SOURCES & set(volume)) > 1:
            causes.append((where, "FieldValueForbidden", "Forbidden: may not specify more than 1 volume type"))
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            where = f"{path}.{kind}[{index}]"
            if container["name"] in names:
                causes.append((f"{where}.name", "FieldValueDuplicate", f'Duplicate value: "{container["name"]}"'))
            names.add(container["name"])
            causes += _container(container, where, volumes)
    return causes


def _container(container: dict[str, Any], path: str, volumes: set[str]) -> Causes:
    causes, mounted = Causes(), set[str]()
    if not _LABEL.fullmatch(container["name"]):
        causes.append((f"{path}.name", "FieldValueInvalid",
                       f'Invalid value: "{container["name"]}": a lowercase RFC 1123 label must consist of lower case '
                       "alphanumeric characters or '-'"))  # fmt: skip
    if not container.get("image", "").strip():
        causes.append((f"{path}.image", "FieldValueRequired", "Required value"))
    policy = container.get("imagePullPolicy", "Always")
    if policy not in ("Always", "IfNotPresent", "Never"):
        causes.append((f"{path}.imagePullPolicy", "FieldValueNotSupported",
                       f'Unsupported value: "{policy}": supported values: "Always", "IfNotPresent", "Never"'))  # fmt: skip
    for index, variable in enumerate(container.get("env") or ()):
        where = f"{path}.env[{index}]"
        if not _ENV_NAME.fullmatch(variable["name"]):
            causes.append((f"{where}.name", "FieldValueInvalid", f'Invalid value: "{variable["name"]}"'))
        if variable.get("valueFrom") and variable.get("value"):
            causes.append((f"{where}.valueFrom", "FieldValueInvalid", "may not be specified when `value` is not empty"))
        if "valueFrom" in variable and len(variable["valueFrom"]) != 1:
            causes.append((f"{where}.valueFrom", "FieldValueInvalid", "must specify one of: `fieldRef`, "
                           "`resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"))  # fmt: skip
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{path}.volumeMounts[{index}]"
        if mount["name"] not in volumes:
            causes.append((f"{where}.name", "FieldValueNotFound", f'Not found: "{mount["name"]}"'))
        if mount["mountPath"] in mounted:
            causes.append((f"{where}.mountPath", "FieldValueInvalid",
                           f'Invalid value: "{mount["mountPath"]}": must be unique'))  # fmt: skip
        mounted.add(mount["mountPath"])
    return causes + _demands(container.get("resources") or {}, f"{path}.resources")


def _demands(demands: dict[str, Any], path: str) -> Causes:
    causes, known = Causes(), dict[tuple[str, str], Any]()
    for kind in ("limits", "requests"):
        for name, text in (demands.get(kind) or {}).items():
            where = f"{path}.{kind}[{name}]" if "." in name else f"{path}.{kind}.{name}"
            try:
                known[kind, name] = quantities.parse(text)
            except ValueError as error:
                causes.append((where, "FieldValueInvalid", f'Invalid value: "{text}": {error}'))
            if name not in ("cpu", "memory", "ephemeral-storage") and "/" not in name and "hugepages" not in name:
                causes.append((where, "FieldValueInvalid", "must be a standard resource for containers"))
    for (kind, name), number in known.items():
        limit = known.get(("limits", name))
        if kind == "requests" and limit is not None and number > limit:
            causes.append((f"{path}.requests", "FieldValueInvalid", f'Invalid value: "{demands["requests"][name]}": must '
                           f"be less than or equal to {name} limit of {demands['limits'][name]}"))  # fmt: skip
    return causes


def _labels(metadata: dict[str, Any], path: str) -> Causes:
    causes = Causes()
    for kind in ("labels", "annotations"):
        for key, value in (metadata.get(kind) or {}).items():
            if not _QUALIFIED.fullmatch(key if kind == "labels" else key.lower()):
                causes.append((f"{path}.{kind}", "FieldValueInvalid",
                               f'Invalid value: "{key}": name part must consist of alphanumeric characters'))  # fmt: skip
            if kind == "labels" and not _LABEL_VALUE.fullmatch(value):
                causes.append((f"{path}.labels", "FieldValueInvalid",
                               f'Invalid value: "{value}": a valid label must be an empty string or consist of '
                               "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
                               "character"))  # fmt: skip
    return causes


def _raise(body: Object, resource: Resource, causes: Causes) -> None:
    _raise_kind(body, resource.kind, resource.group, causes)


def _raise_kind(body: Object, kind: str, group: str, causes: Causes) -> None:
    if causes:
        metadata = body["metadata"]
        raise invalid(kind, group, metadata.get("name") or metadata.get("generateName") or "", causes)
