"""Which columns a query can see, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from split.facts import Fact
from split.sql.mask import Block
from split.sql.types import Type
from split.sql.values import ANY, Value

ColumnKey = tuple[int, str, str]
"""Depth of the scope, source, column."""


@dataclass(frozen=True)
class Relation:
    """What is known of a table, a CTE or a subquery.

    Attributes:
        columns: what is known of each column, in order, by name in lower case.
        complete: whether these are all the columns.
        empty: the facts because of which it has no row; None when it may have rows.
        types: the types of those columns of which they are known.
    """

    columns: Mapping[str, Value] = field(default_factory=dict[str, Value])
    complete: bool = False
    empty: frozenset[Fact] | None = None
    types: Mapping[str, Type] = field(default_factory=dict[str, Type])

    def column(self, name: str) -> Value | None:
        """What is known of a column; None when the relation does not have it."""
        found = self.columns.get(name.lower())
        if found is None and not self.complete:
            return ANY
        return found

    def nullable(self) -> Relation:
        """The same on the side of an outer join that may be missing."""
        return replace(self, columns={name: value.or_null() for name, value in self.columns.items()})

    def carries(self) -> bool:
        """Whether facts bear on it."""
        return self.empty is not None or any(value.gone for value in self.columns.values())


UNKNOWN = Relation()


@dataclass(frozen=True)
class Scope:
    """The sources of one SELECT, inside the scopes around it.

    Attributes:
        narrowed: columns of which more is known at this place of the query than of their source.
        aliases: projections that may be named here too (HAVING, QUALIFY).
        ctes: what the WITH clauses around define.
        named: projections of this SELECT, which some dialects let every clause use where no column has the name.
        within: the Jinja blocks that the whole SELECT stands in.
    """

    sources: Mapping[str, Relation]
    parent: Scope | None = None
    narrowed: Mapping[ColumnKey, Value] = field(default_factory=dict[ColumnKey, Value])
    aliases: Mapping[str, Value] = field(default_factory=dict[str, Value])
    ctes: Mapping[str, Relation] = field(default_factory=dict[str, Relation])
    named: frozenset[str] = frozenset()
    within: frozenset[Block] = frozenset()

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1

    def resolve(self, column: exp.Column) -> tuple[ColumnKey | None, Value]:
        """The source of a column and what is known of it; (None, ANY) where that is not certain."""
        name = column.name.lower()
        table = column.table.lower()
        if column.args.get("db") or column.args.get("catalog"):
            return None, ANY  # perhaps a struct path
        scope: Scope | None = self
        while scope is not None:
            if table:
                if table in scope.sources:
                    return self._value(scope, table, name)
            else:
                having = [s for s, relation in scope.sources.items() if name in relation.columns]
                unclear = [s for s, r in scope.sources.items() if not r.complete and s not in having]
                aliased = scope.aliases.get(name)
                if aliased is not None:
                    if not having and not unclear:
                        return None, aliased
                    if len(scope.sources) != 1 or self._value(scope, next(iter(scope.sources)), name)[1] != aliased:
                        return None, ANY
                if len(having) == 1 and not unclear:
                    return self._value(scope, having[0], name)
                if len(scope.sources) == 1 and unclear and scope.parent is None:
                    return self._value(scope, unclear[0], name)
                if having or unclear or name in scope.named:
                    return None, ANY
            scope = scope.parent
        return None, ANY

    def type(self, column: exp.Column) -> Type | None:
        """The type of a column; None where it, or its source, is not certain."""
        key, _ = self.resolve(column)
        relation = self._relation(key) if key is not None else None
        return relation.types.get(key[2]) if key is not None and relation is not None else None

    def outer_narrowed(self) -> dict[ColumnKey, Value]:
        """What the query around knows of its own columns; what a condition here told of them goes."""
        assert self.parent is not None
        before = self.parent.narrowed
        return {
            key: before[key] if key in before else self._declared(key) for key in self.narrowed if key[0] < self.depth
        }

    def _declared(self, key: ColumnKey) -> Value:
        relation = self._relation(key)
        return (relation.column(key[2]) if relation is not None else None) or ANY

    def _relation(self, key: ColumnKey) -> Relation | None:
        """What a column is one of."""
        scope: Scope | None = self
        while scope is not None and scope.depth != key[0]:
            scope = scope.parent
        return scope.sources.get(key[1]) if scope is not None else None

    def _value(self, scope: Scope, source: str, name: str) -> tuple[ColumnKey | None, Value]:
        key = (scope.depth, source, name)
        if key in self.narrowed:
            return key, self.narrowed[key]
        value = scope.sources[source].column(name)
        return (None, ANY) if value is None else (key, value)

    def narrow(self, key: ColumnKey, value: Value) -> Scope:
        """The same scope where more is known of one column."""
        return replace(self, narrowed={**self.narrowed, key: value})

    def naming(self, aliases: Mapping[str, Value]) -> Scope:
        """The same scope where the projections have names as well."""
        return replace(self, aliases=aliases)

    def defining(self, name: str, relation: Relation) -> Scope:
        """The same scope with one more CTE."""
        return replace(self, ctes={**self.ctes, name.lower(): relation})

    def inner(self, sources: Mapping[str, Relation]) -> Scope:
        """The scope of a subquery with these sources."""
        return Scope(sources, parent=self, narrowed=self.narrowed, ctes=self.ctes, within=self.within)

    def nullable(self) -> Scope:
        """The same scope where every source may be missing."""
        narrowed = {key: value.or_null() if key[0] == self.depth else value for key, value in self.narrowed.items()}
        return replace(self, sources={n: r.nullable() for n, r in self.sources.items()}, narrowed=narrowed)
