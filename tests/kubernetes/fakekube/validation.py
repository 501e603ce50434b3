"""What a schema cannot say about names, Jobs and Pods (`pkg/apis/core/validation`, `pkg/apis/batch/validation`)."""

from __future__ import annotations

import re
from typing import Any

from tests.kubernetes.fakekube import quantities
from tests.kubernetes.fakekube.errors import invalid
from tests.kubernetes.fakekube.resources import Resource
from tests.kubernetes.fakekube.store import Object

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_ENV_NAME = re.compile(r"[^=\s][^=]*")
_LOOSE_NAMES = ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
_SOURCES = {"emptyDir", "configMap", "secret", "projected", "downwardAPI", "hostPath", "persistentVolumeClaim", "csi",
            "ephemeral", "nfs", "image"}  # fmt: skip
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character"
)
_LABEL_RULE = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'"
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)
_NOT_NEGATIVE = "must be greater than or equal to 0"
_VALUE_SOURCES = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"


class _Causes:
    """What is wrong, field by field."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, str]] = []

    def required(self, field: str, why: str = "") -> None:
        self.found.append((field, "FieldValueRequired", f"Required value{': ' if why else ''}{why}"))

    def invalid(self, field: str, value: object, why: str) -> None:
        shown = f'"{value}"' if isinstance(value, str) else value
        self.found.append((field, "FieldValueInvalid", f"Invalid value: {shown}: {why}"))

    def unsupported(self, field: str, value: str, known: tuple[str, ...]) -> None:
        listed = ", ".join(f'"{one}"' for one in known)
        text = f'Unsupported value: "{value}": supported values: {listed}'
        self.found.append((field, "FieldValueNotSupported", text))

    def duplicate(self, field: str, value: str) -> None:
        self.found.append((field, "FieldValueDuplicate", f'Duplicate value: "{value}"'))

    def forbidden(self, field: str, why: str) -> None:
        self.found.append((field, "FieldValueForbidden", f"Forbidden: {why}"))

    def missing(self, field: str, value: str) -> None:
        self.found.append((field, "FieldValueNotFound", f'Not found: "{value}"'))

    def tell(self, body: Object, kind: str, group: str) -> None:
        """Raises ApiError (422) when something was found."""
        if self.found:
            metadata = body["metadata"]
            raise invalid(kind, group, metadata.get("name") or metadata.get("generateName") or "", self.found)


def check_metadata(resource: Resource, body: Object) -> None:
    """Raises ApiError (422) for a name, label or annotation that Kubernetes does not take."""
    metadata, causes = body["metadata"], _Causes()
    name = metadata.get("name")
    if not name and not metadata.get("generateName"):
        causes.required("metadata.name", "name or generateName is required")
    if name and resource.plural not in _LOOSE_NAMES and not (_SUBDOMAIN.fullmatch(name) and len(name) <= 253):
        causes.invalid("metadata.name", name, _SUBDOMAIN_RULE)
    _labels(causes, metadata, "metadata")
    causes.tell(body, resource.kind, resource.group)


def check_job(body: Object) -> None:
    """Raises ApiError (422)."""
    spec, causes = body["spec"], _Causes()
    if len(body["metadata"]["name"]) > 63:
        causes.invalid("metadata.name", body["metadata"]["name"], "must be no more than 63 characters")
    for name in ("activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "parallelism", "completions"):
        if (value := spec.get(name)) is not None and value < 0:
            causes.invalid(f"spec.{name}", value, _NOT_NEGATIVE)
    template = spec["template"]
    _labels(causes, template.get("metadata") or {}, "spec.template.metadata")
    restart = template["spec"].get("restartPolicy", "Always")
    if restart not in ("Never", "OnFailure"):
        causes.unsupported("spec.template.spec.restartPolicy", restart, ("OnFailure", "Never"))
    if spec.get("podFailurePolicy"):
        if spec.get("podReplacementPolicy", "Failed") != "Failed":
            causes.unsupported("spec.podReplacementPolicy", spec["podReplacementPolicy"], ("Failed",))
        if restart != "Never":
            only = "only 'Never' is supported when podFailurePolicy is specified"
            causes.invalid("spec.template.spec.restartPolicy", restart, only)
    _pod_spec(causes, template["spec"], "spec.template.spec")
    causes.tell(body, "Job", "batch")


def check_pod(body: Object) -> None:
    """Raises ApiError (422)."""
    causes = _Causes()
    _labels(causes, body["metadata"], "metadata")
    _pod_spec(causes, body["spec"], "spec")
    causes.tell(body, "Pod", "")


def _pod_spec(causes: _Causes, spec: dict[str, Any], path: str) -> None:
    names, volumes = set[str](), set[str]()
    if (deadline := spec.get("activeDeadlineSeconds")) is not None and deadline < 1:
        causes.invalid(f"{path}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive")
    if (grace := spec.get("terminationGracePeriodSeconds", 30)) < 0:
        causes.invalid(f"{path}.terminationGracePeriodSeconds", grace, _NOT_NEGATIVE)
    if not spec["containers"]:
        causes.required(f"{path}.containers")
    for index, volume in enumerate(spec.get("volumes") or ()):
        where = f"{path}.volumes[{index}]"
        if volume["name"] in volumes:
            causes.duplicate(f"{where}.name", volume["name"])
        volumes.add(volume["name"])
        if len(_SOURCES & set(volume)) > 1:
            causes.forbidden(where, "may not specify more than 1 volume type")
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            where = f"{path}.{kind}[{index}]"
            if container["name"] in names:
                causes.duplicate(f"{where}.name", container["name"])
            names.add(container["name"])
            _container(causes, container, where, volumes)


def _container(causes: _Causes, container: dict[str, Any], path: str, volumes: set[str]) -> None:
    if not _LABEL.fullmatch(container["name"]):
        causes.invalid(f"{path}.name", container["name"], _LABEL_RULE)
    if not container.get("image", "").strip():
        causes.required(f"{path}.image")
    if (policy := container.get("imagePullPolicy", "Always")) not in _PULL_POLICIES:
        causes.unsupported(f"{path}.imagePullPolicy", policy, _PULL_POLICIES)
    for index, variable in enumerate(container.get("env") or ()):
        where = f"{path}.env[{index}]"
        if not _ENV_NAME.fullmatch(variable["name"]):
            causes.invalid(f"{where}.name", variable["name"], "a valid environment variable name has no '='")
        if variable.get("valueFrom") and variable.get("value"):
            causes.invalid(f"{where}.valueFrom", "", "may not be specified when `value` is not empty")
        if "valueFrom" in variable and len(variable["valueFrom"]) != 1:
            causes.invalid(f"{where}.valueFrom", "", _VALUE_SOURCES)
    mounted: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{path}.volumeMounts[{index}]"
        if mount["name"] not in volumes:
            causes.missing(f"{where}.name", mount["name"])
        if mount["mountPath"] in mounted:
            causes.invalid(f"{where}.mountPath", mount["mountPath"], "must be unique")
        mounted.add(mount["mountPath"])
    _demands(causes, container.get("resources") or {}, f"{path}.resources")


def _demands(causes: _Causes, demands: dict[str, Any], path: str) -> None:
    known: dict[tuple[str, str], Any] = {}
    for kind in ("limits", "requests"):
        for name, text in (demands.get(kind) or {}).items():
            where = f"{path}.{kind}[{name}]" if "." in name else f"{path}.{kind}.{name}"
            try:
                known[kind, name] = quantities.parse(text)
            except ValueError as error:
                causes.invalid(where, text, str(error))
            if name not in ("cpu", "memory", "ephemeral-storage") and "/" not in name and "hugepages" not in name:
                causes.invalid(where, name, "must be a standard resource for containers")
    for (kind, name), number in known.items():
        limit = known.get(("limits", name))
        if kind == "requests" and limit is not None and number > limit:
            why = f"must be less than or equal to {name} limit of {demands['limits'][name]}"
            causes.invalid(f"{path}.requests", demands["requests"][name], why)


def _labels(causes: _Causes, metadata: dict[str, Any], path: str) -> None:
    for kind in ("labels", "annotations"):
        for key, value in (metadata.get(kind) or {}).items():
            if not _QUALIFIED.fullmatch(key if kind == "labels" else key.lower()):
                causes.invalid(
                    f"{path}.{kind}", key, "name part must consist of alphanumeric characters, '-', '_' or '.'"
                )
            if kind == "labels" and not _LABEL_VALUE.fullmatch(value):
                causes.invalid(f"{path}.labels", value, _VALUE_RULE)
