"""Objects against the schema of Kubernetes 1.36, as the models of kubernetes_asyncio 36 hold it.

A field that the schema does not have is refused, as `kubectl` has it done (`fieldValidation=Strict`); a real server
does so only when asked and otherwise drops the field with a warning, which a client does not see.
"""

from __future__ import annotations

import base64
import copy
import functools
import re
from typing import Any

from kubernetes_asyncio import client
from kubernetes_asyncio.client import models

from tests.kubernetes.fakekube.errors import ApiError, bad_request, invalid
from tests.kubernetes.fakekube.resources import Resource

DROPPED = ("spec.template.spec.parallelism", "spec.template.spec.completions")
"""Known not to belong there: prefect-kubernetes 0.8 refuses a job template without them, so they get a warning only."""

_ANY = {"object", "dict(str, object)", "list[object]"}
_QUANTITIES = re.compile(r"(limits|requests|hard|used|capacity|allocatable|overhead|sizeLimit|divisor|default\w*)$")
_SCALARS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}


def encoded(texts: dict[str, str]) -> dict[str, str]:
    """`stringData` of a Secret as `data`."""
    return {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}


def check(resource: Resource, body: Any) -> tuple[dict[str, Any], list[str]]:
    """The object without fields that are only warned of, and the warnings.

    Raises ApiError: 400 with every unknown field and the first field of a wrong type, 422 with every required field
    that is missing."""
    if not isinstance(body, dict):
        raise bad_request(f"couldn't get version/kind; json parse error: {type(body).__name__}")
    if body.get("kind", resource.kind) != resource.kind or body.get("apiVersion", resource.api_version) != (
        resource.api_version
    ):
        raise bad_request(
            f"the API version in the data ({body.get('apiVersion')}, {body.get('kind')}) does not match the expected "
            f"API version ({resource.api_version}, {resource.kind})"
        )
    found = _Findings()
    made = found.walk(_model(resource), body, "")
    name = (body.get("metadata") or {}).get("name") or (body.get("metadata") or {}).get("generateName") or ""
    if found.unknown:
        unknown = ", ".join(f'unknown field "{field}"' for field in found.unknown)
        raise bad_request(f"{resource.kind} in version \"{resource.version}\" cannot be handled as a "
                          f"{resource.kind}: strict decoding error: {unknown}")  # fmt: skip
    if found.wrong:
        raise bad_request(f"{resource.kind} in version \"{resource.version}\" cannot be handled as a "
                          f"{resource.kind}: {found.wrong[0]}")  # fmt: skip
    if found.missing:
        raise invalid(
            resource.kind,
            resource.group,
            name,
            [(field, "FieldValueRequired", "Required value") for field in found.missing],
        )
    return made, [f'unknown field "{field}"' for field in found.dropped]


def _model(resource: Resource) -> str:
    version = resource.version.capitalize()
    for name in (f"{version}{resource.kind}", f"CoreV1{resource.kind}"):
        if hasattr(models, name):
            return name
    raise ApiError(500, "InternalError", f"no schema for {resource.qualified}")


@functools.cache
def _fields(model: str) -> dict[str, tuple[str, bool]]:
    """Field name to type and whether it is required."""
    kind = getattr(models, model)
    lenient = client.Configuration()
    lenient.client_side_validation = False
    empty = kind(local_vars_configuration=lenient)
    lenient.client_side_validation = True
    fields: dict[str, tuple[str, bool]] = {}
    for attribute, type_name in kind.openapi_types.items():
        try:
            setattr(empty, attribute, None)
            required = False
        except ValueError:
            required = True
        fields[kind.attribute_map[attribute]] = (type_name, required)
    return fields


class _Findings:
    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.dropped: list[str] = []
        self.wrong: list[str] = []
        self.missing: list[str] = []

    def walk(self, type_name: str, value: Any, path: str) -> Any:
        if value is None or type_name in _ANY:
            return copy.deepcopy(value)
        if type_name.startswith("list["):
            if not isinstance(value, list):
                return self._mistyped("array", value, path)
            return [self.walk(type_name[5:-1], one, f"{path}[{index}]") for index, one in enumerate(value)]
        if type_name.startswith("dict("):
            if not isinstance(value, dict):
                return self._mistyped("object", value, path)
            inner = type_name[5:-1].split(",", 1)[1].strip()
            return {key: self.walk(inner, one, f"{path}.{key}") for key, one in value.items()}
        if type_name in _SCALARS or type_name == "datetime":
            return self._scalar(type_name, value, path)
        if not isinstance(value, dict):
            return self._mistyped("object", value, path)
        return self._object(type_name, value, path)

    def _object(self, model: str, value: dict[str, Any], path: str) -> dict[str, Any]:
        fields, made = _fields(model), {}
        for name, one in value.items():
            inner = f"{path}.{name}" if path else name
            if name in fields:
                if one is not None:
                    made[name] = self.walk(fields[name][0], one, inner)
            elif inner in DROPPED:
                self.dropped.append(inner)
            else:
                self.unknown.append(inner)
        self.missing += [
            f"{path}.{name}" if path else name
            for name, (_, required) in fields.items()
            if required and value.get(name) is None and name != "status"
        ]
        return made

    def _scalar(self, type_name: str, value: Any, path: str) -> Any:
        if type_name == "datetime":
            return value
        parent = path.rpartition(".")[0] if "." in path else path
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if type_name == "str" and is_number and (_QUANTITIES.search(parent) or _QUANTITIES.search(path)):
            return str(value)
        expected = _SCALARS[type_name]
        if not isinstance(value, expected) or (isinstance(value, bool) and type_name != "bool"):
            return self._mistyped({"str": "string", "int": "int32"}.get(type_name, type_name), value, path)
        return value

    def _mistyped(self, expected: str, value: Any, path: str) -> Any:
        got = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}[type(value)]
        self.wrong.append(f"json: cannot unmarshal {got} into Go struct field {path} of type {expected}")
        return value
