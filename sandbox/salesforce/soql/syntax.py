"""What a SOQL query consists of once it is parsed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal as OneOf

Value = str | bool | Decimal | date | datetime | None
"""A literal. A datetime is UTC and naive, as the model stores it; a plain date is no datetime."""


@dataclass(frozen=True)
class Name:
    """A name as written, and where (offset in the query text)."""

    text: str
    at: int


@dataclass(frozen=True)
class FieldItem:
    """A plain field in the SELECT list."""

    name: Name


@dataclass(frozen=True)
class AggregateItem:
    """`COUNT(Id) n`; `argument` is None for `COUNT()`."""

    function: str
    argument: Name | None
    alias: str | None
    at: int


@dataclass(frozen=True)
class SubQueryItem:
    """`(SELECT ... FROM Contacts)`: recognised, so that it can be refused by name."""

    at: int


@dataclass(frozen=True)
class TypeOfItem:
    """`TYPEOF ... END`: recognised, so that it can be refused by name."""

    at: int


Item = FieldItem | AggregateItem | SubQueryItem | TypeOfItem


@dataclass(frozen=True)
class Literal:
    """A value, and where it stands."""

    value: Value
    at: int


@dataclass(frozen=True)
class Comparison:
    """`field operator value(s)`. The list operators are IN, NOT IN, INCLUDES and EXCLUDES."""

    field: Name
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True)
class Not:
    """NOT condition."""

    condition: Condition


@dataclass(frozen=True)
class Both:
    """All conditions (AND) or any of them (OR)."""

    operator: OneOf["AND", "OR"]
    conditions: tuple[Condition, ...]


Condition = Comparison | Not | Both


@dataclass(frozen=True)
class Order:
    """One ORDER BY term."""

    field: Name
    descending: bool
    nulls_last: bool


@dataclass(frozen=True)
class Query:
    """One SOQL query."""

    text: str
    items: tuple[Item, ...]
    object: Name
    where: Condition | None = None
    group_by: tuple[Name, ...] = ()
    order_by: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None

    @property
    def is_aggregate(self) -> bool:
        """True when rows of the answer are not rows of the object."""
        return bool(self.group_by) or any(isinstance(item, AggregateItem) for item in self.items)

    @property
    def counts_only(self) -> bool:
        """True for `SELECT COUNT() FROM X`, whose answer has a size and no records."""
        return len(self.items) == 1 and isinstance(self.items[0], AggregateItem) and self.items[0].argument is None
