"""The three kinds of patch: JSON patch (RFC 6902), merge patch (RFC 7386) and Kubernetes' strategic merge."""

from __future__ import annotations

import copy
from typing import Any

from tests.kubernetes.fakekube.errors import bad_request

_MERGE_KEYS = {
    "containers": "name", "initContainers": "name", "ephemeralContainers": "name", "env": "name", "volumes": "name",
    "volumeMounts": "mountPath", "ports": "containerPort", "conditions": "type", "ownerReferences": "uid",
    "imagePullSecrets": "name", "secrets": "name", "hostAliases": "ip", "topologySpreadConstraints": "topologyKey",
}  # fmt: skip
_PLAIN_SETS = ("finalizers",)


def merge(target: Any, patch: Any) -> Any:
    """A merge patch: null deletes, lists are replaced."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    made = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merge(made.get(key), value)
    return made


def strategic(target: Any, patch: Any, name: str = "") -> Any:
    """A strategic merge patch: lists of named things are merged by their key; `$patch` and `$deleteFromPrimitiveList`
    are understood, `$setElementOrder` and `$retainKeys` are passed over."""
    if isinstance(patch, dict):
        if patch.get("$patch") == "replace":
            return {key: value for key, value in patch.items() if key != "$patch"}
        made = dict(target) if isinstance(target, dict) else {}
        for key, value in patch.items():
            if key.startswith("$deleteFromPrimitiveList/"):
                listed = key.partition("/")[2]
                made[listed] = [one for one in made.get(listed) or () if one not in value]
            elif key.startswith("$"):
                continue
            elif value is None:
                made.pop(key, None)
            else:
                made[key] = strategic(made.get(key), value, key)
        return made
    if isinstance(patch, list) and isinstance(target, list):
        if name in _PLAIN_SETS:
            return [*target, *(one for one in patch if one not in target)]
        if name in _MERGE_KEYS:
            return _merge_named(target, patch, _MERGE_KEYS[name])
    return copy.deepcopy(patch)


def _merge_named(target: list[Any], patch: list[Any], key: str) -> list[Any]:
    if any(one.get("$patch") == "replace" for one in patch):
        return [one for one in patch if "$patch" not in one]
    made = list(target)
    for one in patch:
        at = next((index for index, old in enumerate(made) if old.get(key) == one.get(key)), None)
        if one.get("$patch") == "delete":
            if at is not None:
                del made[at]
        elif at is None:
            made.append(copy.deepcopy(one))
        else:
            made[at] = strategic(made[at], one)
    return made


def json_patch(target: Any, operations: list[dict[str, Any]]) -> Any:
    """Raises ApiError (400) when an operation does not fit, as with a failed `test`."""
    made = copy.deepcopy(target)
    for one in operations:
        match one["op"]:
            case "add" | "replace" | "test":
                _apply(made, one["op"], one["path"], one["value"])
            case "remove":
                _apply(made, "remove", one["path"], None)
            case "move" | "copy":
                value = _at(made, one["from"])
                if one["op"] == "move":
                    _apply(made, "remove", one["from"], None)
                _apply(made, "add", one["path"], copy.deepcopy(value))
            case other:
                raise bad_request(f"unexpected kind of operation: {other}")
    return made


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _at(found: Any, path: str) -> Any:
    for step in _steps(path):
        found = _child(found, step, path)
    return found


def _child(found: Any, step: str, path: str) -> Any:
    try:
        return found[int(step)] if isinstance(found, list) else found[step]
    except (KeyError, IndexError, ValueError, TypeError):
        raise bad_request(f"the server rejected our request: path does not exist: {path}") from None


def _apply(found: Any, operation: str, path: str, value: Any) -> None:
    *parents, last = _steps(path)
    for step in parents:
        found = _child(found, step, path)
    if operation == "test":
        if _child(found, last, path) != value:
            raise bad_request(f"the server rejected our request: testing value {path} failed")
    elif isinstance(found, list):
        index = len(found) if last == "-" else int(last)
        if operation == "add":
            found.insert(index, value)
        elif operation == "remove":
            _child(found, last, path)
            del found[index]
        else:
            found[index] = value
    elif operation == "remove":
        _child(found, last, path)
        del found[last]
    else:
        found[last] = value
