"""The syntax tree of a ZOQL query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "like"]


@dataclass(frozen=True)
class Constant:
    """A literal as written: quoted text, a bare word (number, date, datetime), true, false or null."""

    text: str
    form: Literal["quoted", "bare", "boolean", "null"]


@dataclass(frozen=True)
class Name:
    """A field, with the object's name before it where the query gives one."""

    field: str
    prefix: str | None = None

    def __str__(self) -> str:
        return f"{self.prefix}.{self.field}" if self.prefix else self.field


@dataclass(frozen=True)
class Comparison:
    """`field operator value`."""

    name: Name
    operator: Operator
    value: Constant


@dataclass(frozen=True)
class Membership:
    """`field in (values)`."""

    name: Name
    values: tuple[Constant, ...]


@dataclass(frozen=True)
class Negation:
    """`not condition`."""

    part: Condition


@dataclass(frozen=True)
class Junction:
    """Conditions joined by one word."""

    word: Literal["and", "or"]
    parts: tuple[Condition, ...]


Condition = Comparison | Membership | Negation | Junction


@dataclass(frozen=True)
class Query:
    """`select names from object where condition`."""

    names: tuple[Name, ...]
    object: str
    where: Condition | None = None

    @property
    def conditions(self) -> int:
        """How many comparisons the query has; ZOQL allows 200."""
        return _count(self.where)


def _count(condition: Condition | None) -> int:
    match condition:
        case None:
            return 0
        case Junction():
            return sum(_count(part) for part in condition.parts)
        case Negation():
            return _count(condition.part)
        case Membership():
            return len(condition.values)
        case Comparison():
            return 1
