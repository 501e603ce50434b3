"""What an expression can be: the values that are left, and those that the facts have taken away.

A column with facts has finitely many values. Everything computed from such columns alone is computed for each of them,
by SQL's own three-valued rules; what is not understood can be anything. `None` stands for NULL.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from split.facts import ColumnFacts, Fact


@dataclass(frozen=True)
class Lit:
    """A constant with its kind, so that TRUE, 1 and '1' are three things."""

    kind: str
    value: str | bool | Decimal

    @classmethod
    def of(cls, value: str | bool | int) -> Lit:
        """The constant of a Python value."""
        if isinstance(value, bool):
            return cls("bool", value)
        return cls("text", value) if isinstance(value, str) else cls("number", Decimal(value))


ANYTHING: Final = Lit("anything", "")
"""Among values that are gone: some value that nobody knows."""

TRUE: Final = Lit("bool", True)
FALSE: Final = Lit("bool", False)
Scalar = Lit | None
Gone = frozenset[tuple[Scalar, Fact]]
_NOTHING: Gone = frozenset()
_MOST = 400
"""Combinations that are tried; beyond that the result can be anything."""


@dataclass(frozen=True)
class Value:
    """The possible values of an expression.

    Attributes:
        now: what it can be under the facts; None when it can be anything.
        gone: what it could be without the facts and cannot be under them, each with a fact that says so.
    """

    now: frozenset[Scalar] | None
    gone: Gone = _NOTHING

    @property
    def known(self) -> bool:
        return self.now is not None

    def can_be(self, scalar: Scalar) -> bool:
        return self.now is None or scalar in self.now

    def is_always(self, scalar: Scalar) -> bool:
        return self.now is not None and self.now == frozenset({scalar})

    def facts_without(self, scalar: Scalar) -> frozenset[Fact]:
        """The facts because of which the value can no longer be this."""
        if self.can_be(scalar):
            return frozenset()
        return frozenset(
            fact for value, fact in self.gone if value == scalar or (value is ANYTHING and scalar is not None)
        )

    def or_null(self) -> Value:
        """The same, or NULL."""
        if self.now is None:
            return self
        return Value(self.now | {None}, frozenset(g for g in self.gone if g[0] is not None))

    def where(self, keep: Callable[[Scalar], bool]) -> Value:
        """Only the values that `keep` admits."""
        if self.now is None:
            return self
        return Value(
            frozenset(v for v in self.now if keep(v)),
            frozenset((v, f) for v, f in self.gone if v is ANYTHING or keep(v)),
        )


ANY: Final = Value(None)
ANY_TRUTH: Final = Value(frozenset({TRUE, FALSE, None}))


def constant(scalar: Scalar) -> Value:
    """A value that is always this."""
    return Value(frozenset({scalar}))


def declared(table: str, column: str, facts: ColumnFacts) -> Value:
    """The value of a column with facts."""
    now: set[Scalar] = {Lit.of(v) for v in facts.commercial}
    if facts.nullable:
        now.add(None)
    return Value(frozenset(now), frozenset((Lit.of(v), Fact(table, column, repr(v))) for v in facts.enterprise))


def union(values: Iterable[Value]) -> Value:
    """One of several values."""
    now: set[Scalar] = set()
    gone: set[tuple[Scalar, Fact]] = set()
    for value in values:
        if value.now is None:
            return ANY
        now |= value.now
        gone |= value.gone
    return Value(frozenset(now), frozenset(g for g in gone if g[0] not in now))


def apply(function: Callable[..., Scalar], *values: Value) -> Value:
    """What a deterministic function of known values can be; anything where one of them is not known."""
    spaces: list[list[tuple[Scalar, Fact | None]]] = []
    size = 1
    for value in values:
        if value.now is None:
            return ANY
        space: list[tuple[Scalar, Fact | None]] = [(v, None) for v in value.now]
        space += list(value.gone)
        size *= max(len(space), 1)
        if size > _MOST:
            return ANY
        spaces.append(space)
    now: set[Scalar] = set()
    gone: set[tuple[Scalar, Fact]] = set()
    for combination in itertools.product(*spaces):
        facts = [fact for _, fact in combination if fact is not None]
        arguments = [scalar for scalar, _ in combination]
        if not facts:
            now.add(function(*arguments))
        else:
            result = ANYTHING if ANYTHING in arguments else function(*arguments)
            gone |= {(result, fact) for fact in facts}
    return Value(frozenset(now), frozenset(g for g in gone if g[0] not in now))


class NotComparable(Exception):
    """Two kinds of constant that are not compared here."""


def equal(left: Scalar, right: Scalar) -> Scalar:
    """SQL's `=`."""
    if left is None or right is None:
        return None
    if left.kind != right.kind:
        raise NotComparable
    return TRUE if left.value == right.value else FALSE


def negated(truth: Scalar) -> Scalar:
    """SQL's NOT."""
    if truth is None:
        return None
    return FALSE if truth == TRUE else TRUE


def both(left: Scalar, right: Scalar) -> Scalar:
    """SQL's AND."""
    if FALSE in (left, right):
        return FALSE
    return None if None in (left, right) else TRUE


def either(left: Scalar, right: Scalar) -> Scalar:
    """SQL's OR."""
    return negated(both(negated(left), negated(right)))
