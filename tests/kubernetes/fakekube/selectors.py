"""Label and field selectors, as query parameters and as objects of a spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.kubernetes.fakekube.errors import bad_request

Labels = Mapping[str, str]
Predicate = Callable[[Labels], bool]

_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^)]*)\)$")
_COMMA = re.compile(r",(?![^(]*\))")


def labels(selector: str | None) -> Predicate:
    """The predicate of a `labelSelector` parameter. Raises ApiError (400) when it cannot be parsed."""
    if not selector:
        return lambda _: True
    parts = [_requirement(part.strip()) for part in _COMMA.split(selector)]
    return lambda found: all(part(found) for part in parts)


def _requirement(text: str) -> Predicate:
    if match := _SET.match(text):
        key, operator, listed = (str(part) for part in match.groups())
        values = {value.strip() for value in listed.split(",")}
        return (lambda found: found.get(key) in values) if operator == "in" else (
            lambda found: found.get(key) not in values)  # fmt: skip
    if match := re.fullmatch(r"([^!=]*)(!=|==|=)(.*)", text):
        key, operator, value = (part.strip() for part in match.groups())
        if operator == "!=":
            return lambda found: found.get(key) != value
        return lambda found: found.get(key) == value
    if not re.fullmatch(r"!?[\w./-]+", text):
        raise bad_request(f"unable to parse requirement: found '{text}'")
    return (lambda found: text[1:] not in found) if text.startswith("!") else (lambda found: text in found)


def of_spec(selector: Mapping[str, Any] | None) -> Predicate:
    """The predicate of a LabelSelector object; an empty one selects everything, none selects nothing."""
    if selector is None:
        return lambda _: False
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    expressions = [_expression(one) for one in selector.get("matchExpressions") or []]
    return lambda found: (
        all(found.get(key) == value for key, value in wanted.items()) and all(one(found) for one in expressions)
    )


def _expression(expression: Mapping[str, Any]) -> Predicate:
    key, operator = expression["key"], expression["operator"]
    values: set[str | None] = set(expression.get("values") or ())
    match operator:
        case "In":
            return lambda found: found.get(key) in values
        case "NotIn":
            return lambda found: found.get(key) not in values
        case "Exists":
            return lambda found: key in found
        case _:
            return lambda found: key not in found


def fields(selector: str | None) -> Callable[[Mapping[str, Any]], bool]:
    """The predicate of a `fieldSelector` parameter over whole objects (`metadata.name=x,status.phase!=Running`)."""
    if not selector:
        return lambda _: True
    tests: list[tuple[list[str], str, bool]] = []
    for part in selector.split(","):
        match = re.fullmatch(r"([\w.]+)\s*(!=|==|=)\s*(.*)", part.strip())
        if match is None:
            raise bad_request(f"invalid selector: '{selector}'; can't understand '{part}'")
        tests.append((match[1].split("."), match[3], match[2] != "!="))
    return lambda found: all((_at(found, path) == value) is equal for path, value, equal in tests)


def _at(found: Mapping[str, Any], path: list[str]) -> str:
    value: Any = found
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)
