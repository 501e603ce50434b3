"""Texts that a query compares with a column of the facts, and that the facts do not know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from split.facts import Fact, Facts
from split.report_model import UnknownLiteral
from split.sql.engine import Lookup
from split.sql.mask import Masked, Variant, mask
from split.sql.queries import Queries
from split.sql.scope import Relation, Scope
from split.sql.spans import Tree, parse
from split.sql.values import Lit, Value


def unknown_literals(
    text: str, lookup: Lookup, facts: Facts, *, dialect: str, variant: Variant = Variant.first
) -> tuple[UnknownLiteral, ...]:
    """Literals in neither set of the column that they are compared with. Raises NotParsed and JinjaError."""
    masked = mask(text, variant)
    tree = parse(masked.sql, dialect)
    watch = _Watch(tree, masked, facts)
    queries = Queries(_Names(masked, lookup), watch, dialect)
    queries.relation(tree.root, Scope({}), record=True)
    return tuple(sorted(watch.found, key=lambda u: (u.line, u.column, u.literal)))


def spelled_like(value: str, known: set[str]) -> str | None:
    """The known text from which a value differs in case or blanks only."""
    folded = "".join(value.split()).casefold()
    return next((k for k in sorted(known) if k != value and "".join(k.split()).casefold() == folded), None)


@dataclass(frozen=True)
class _Names:
    masked: Masked
    lookup: Lookup

    def relation(self, name: str) -> Relation | None:
        found = self.masked.relations.get(name)
        return self.lookup(found.name if found is not None else name)

    def alias(self, name: str) -> str:
        found = self.masked.relations.get(name)
        return found.alias if found is not None else name

    def is_opaque(self, name: str) -> bool:
        return name in self.masked.expressions

    def unread(self, name: str) -> bool:
        return self.masked.unread(name)


@dataclass
class _Watch:
    """Is told of every clause, and looks at the comparisons in it."""

    tree: Tree
    masked: Masked
    facts: Facts
    found: set[UnknownLiteral] = field(default_factory=set[UnknownLiteral])

    def condition(self, clause: exp.Expr, scope: Scope, *, removable: bool) -> None:
        self.fold(clause, scope)

    def join_condition(self, on: exp.Expr, scope: Scope, side: str) -> None:
        self.fold(on, scope)

    def qualify(self, clause: exp.Expr, scope: Scope, windows: frozenset[str]) -> None:
        self.fold(clause, scope)

    def fold(self, node: exp.Expr, scope: Scope, *, whole: bool = True) -> None:
        for below in node.find_all(exp.EQ, exp.NEQ, exp.In, exp.Case):
            for column, literals in _compared(below):
                if isinstance(column, exp.Column):
                    self._compare(column, literals, scope)

    def refuse(self, node: exp.Expr, reason: str) -> None:
        """Nothing: refusals are the rewriting's."""

    def empty_branch(self, node: exp.SetOperation, left: Relation, right: Relation) -> None:
        """Nothing, as above."""

    def empty_join(
        self, select: exp.Select, join: exp.Join, name: str, joined: Relation, facts: frozenset[Fact]
    ) -> None:
        """Nothing, as above."""

    def _compare(self, column: exp.Column, literals: list[exp.Literal], scope: Scope) -> None:
        declared = self._declared(scope.resolve(column)[1])
        if not declared:
            return
        for literal in literals:
            value = Lit.of(literal.name) if literal.is_string else Lit.of(int(literal.name))
            span = self.tree.span(literal)
            if value in declared or (span is not None and "{" in self.masked.source[slice(*span)]):
                continue
            texts = {str(known.value) for known in declared if known.kind == "text"}
            line = self.masked.line(span[0]) if span is not None else 0
            like = spelled_like(literal.name, texts) if literal.is_string else None
            self.found.add(UnknownLiteral(line=line, column=column.sql(), literal=literal.name, looks_like=like))

    def _declared(self, value: Value) -> set[Lit]:
        """All values of the column of the facts that this one is; nothing for one that was computed from it."""
        known: set[Lit] = set()
        for fact in {fact for _, fact in value.gone}:
            table = self.facts.of(fact.table)
            columns = {name.lower(): column for name, column in table.columns.items()} if table is not None else {}
            if fact.column is not None and (column := columns.get(fact.column.lower())) is not None:
                known |= {Lit.of(v) for v in (*column.commercial, *column.enterprise)}
        seen = {v for v in (value.now or ()) if v is not None} | {v for v, _ in value.gone if v is not None}
        return known if seen <= known else set()


def _compared(node: exp.Expr) -> Iterator[tuple[exp.Expr, list[exp.Literal]]]:
    """Expressions and the literals that they are compared with."""
    match node:
        case exp.EQ() | exp.NEQ():
            for one, other in ((node.this, node.expression), (node.expression, node.this)):
                if _plain(other):
                    yield one, [other]
        case exp.In():
            yield node.this, [e for e in node.expressions if _plain(e)]
        case exp.Case() if isinstance(node.this, exp.Expr):
            yield node.this, [arm.this for arm in node.args["ifs"] if _plain(arm.this)]
        case _:
            return


def _plain(node: object) -> bool:
    return isinstance(node, exp.Literal) and (node.is_string or node.name.isdigit())
