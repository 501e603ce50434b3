"""The three query languages as far as a connector speaks them: SELECT list FROM object WHERE a AND b.

Written for the hostile servers alone; it knows neither the sandbox's parsers nor the connectors' writers.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.conformance.ware import Row, Ware, Wire

_QUERY = re.compile(
    r"(?is)^\s*select\s+(?P<what>.*?)\s+from\s+(?P<object>[\w.]+)(?:\s+where\s+(?P<where>.*?))?"
    r"(?:\s+order\s+by\s+(?P<order>[\w., ]+?))?(?:\s+limit\s+(?P<limit>\d+))?\s*$"
)
_COMPARISON = re.compile(r"(?is)^(?P<field>[\w.]+)\s*(?P<op>>=|<=|<>|!=|=|<|>)\s*(?P<literal>.*)$")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq, "!=": operator.ne,
    "<>": operator.ne,
}  # fmt: skip


class QueryRefused(Exception):
    """The server does not understand the query. `field` names an unknown field."""

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class Query:
    """A query taken apart.

    Attributes:
        items: (expression, name in the answer).
        conditions: texts, all of which must hold.
    """

    object: str
    items: tuple[tuple[str, str], ...]
    conditions: tuple[str, ...]
    limit: int | None

    @property
    def is_count(self) -> bool:
        """True for COUNT() alone."""
        return len(self.items) == 1 and self.items[0][0].lower().replace(" ", "").startswith("count(")

    def fields(self, ware: Ware) -> list[tuple[str, str]]:
        """(the ware's field, name in the answer) of each item. Raises QueryRefused for an unknown one."""
        if len(self.items) == 1 and self.items[0][0] == "*":
            return [(name, name) for name in ware.all_fields]
        return [(field_of(expression, ware), name) for expression, name in self.items]

    def rows(self, ware: Ware, *, deleted: bool) -> list[Row]:
        """The rows that meet the conditions, by key."""
        tests = [_condition(text, ware) for text in self.conditions]
        rows = [row for _, row in sorted(ware.rows.items()) if deleted or row.deleted_at is None]
        found = [row for row in rows if all(test(row) for test in tests)]
        return found[: self.limit] if self.limit is not None else found


def parse(text: str) -> Query:
    """Take a query apart. Raises QueryRefused."""
    found = _QUERY.match(text)
    if found is None:
        raise QueryRefused(f"cannot read: {text[:200]}")
    conditions = [c.strip() for c in _split(found["where"] or "", r"\s+and\s+")]
    limit = int(found["limit"]) if found["limit"] else None
    kept: list[str] = []
    for condition in map(_bare, conditions):
        first = re.fullmatch(r"(?i)rownum\s*<=\s*(\d+)", condition)
        if first:
            limit = int(first[1])
        elif condition:
            kept.append(condition)
    return Query(found["object"], tuple(_item(i) for i in _split(found["what"], r"\s*,\s*")), tuple(kept), limit)


def _bare(condition: str) -> str:
    """A condition without parentheses around it."""
    while condition.startswith("(") and condition.endswith(")"):
        condition = condition[1:-1].strip()
    return condition


def field_of(expression: str, ware: Ware) -> str:
    """The ware's field that an expression reads. Raises QueryRefused."""
    names = re.findall(r"[A-Za-z_][\w.]*", re.sub(r"'[^']*'", "", expression))
    wanted = next((n for n in names if n.upper() not in ("TO_CHAR", "LOWER", "COUNT", "BUILTIN.DF")), "")
    plain = wanted.rpartition(".")[2].lower()
    known = {name.lower(): name for name in ware.all_fields}
    if plain not in known:
        raise QueryRefused(f"unknown field {wanted}", field=wanted)
    return known[plain]


def instant(literal: str) -> datetime:
    """A time as the three languages write it, in UTC."""
    text = re.sub(r"(?i)^to_(timestamp|date)\(\s*('[^']*').*$", r"\2", literal.strip()).strip("'")
    stamp = datetime.fromisoformat(text)
    return stamp.astimezone(UTC) if stamp.tzinfo else stamp.replace(tzinfo=UTC)


def _item(text: str) -> tuple[str, str]:
    named = re.match(r"(?is)^(.*?)\s+as\s+(\w+)$", text.strip())
    return (named[1].strip(), named[2]) if named else (text.strip(), text.strip())


def _condition(text: str, ware: Ware) -> Callable[[Row], bool]:
    among = re.match(r"(?is)^(?P<field>[\w.]+)\s+in\s*\((?P<list>.*)\)$", text)
    if among:
        name = field_of(among["field"], ware)
        wanted = {item.strip().strip("'") for item in among["list"].split(",")}
        return lambda row: str(_plain(ware.value(row, name))) in wanted
    found = _COMPARISON.match(text)
    if found is None:
        raise QueryRefused(f"cannot read the condition {text}")
    name, compare = field_of(found["field"], ware), _OPERATORS[found["op"]]
    literal = found["literal"].strip()

    def test(row: Row) -> bool:
        value = _plain(ware.value(row, name))
        if value is None:
            return False
        if isinstance(value, datetime):
            return compare(value, instant(literal))
        if isinstance(value, bool):
            return compare(value, literal.lower() == "true")
        return compare(value, int(literal) if isinstance(value, int) else literal.strip("'"))

    return test


def _plain(value: object) -> object:
    return value.text if isinstance(value, Wire) else value


def _split(text: str, separator: str) -> Iterator[str]:
    """Split outside quotes and parentheses."""
    depth, quoted, start, at = 0, False, 0, 0
    pattern = re.compile(separator, re.IGNORECASE)
    while at < len(text):
        char = text[at]
        if char == "'":
            quoted = not quoted
        elif not quoted and char in "()":
            depth += 1 if char == "(" else -1
        if not quoted and depth == 0 and (found := pattern.match(text, at)) and found.end() > at:
            yield text[start:at]
            start = at = found.end()
            continue
        at += 1
    if text[start:].strip():
        yield text[start:]
