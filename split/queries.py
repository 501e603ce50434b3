"""What is known of a query's result, and the walk through its clauses."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from sqlglot import exp

from split.evaluate import Evaluator
from split.facts import Fact
from split.scope import UNKNOWN, Relation, Scope
from split.values import ANY, TRUE, Value, union


class Catalog(Protocol):
    """What the names of the masked text stand for."""

    def relation(self, name: str) -> Relation | None:
        """What is known of a table; None for one that nothing is known of."""
        ...

    def alias(self, name: str) -> str:
        """The name that a table's columns are qualified with where it has no alias."""
        ...

    def is_opaque(self, name: str) -> bool:
        """Whether the name stands for a Jinja expression: a column, several of them, or anything."""
        ...


class Recorder(Protocol):
    """Collects edits during the walk."""

    def refuse(self, node: exp.Expr, reason: str) -> None: ...

    def condition(self, clause: exp.Expr, scope: Scope, *, removable: bool) -> None: ...

    def fold(self, node: exp.Expr, scope: Scope, *, whole: bool = True) -> None: ...

    def empty_branch(self, node: exp.SetOperation, left: Relation, right: Relation) -> None: ...

    def empty_join(self, select: exp.Select, join: exp.Join, name: str, facts: frozenset[Fact]) -> None: ...


class Queries:
    """Walks queries; tells the recorder of every clause when asked to record."""

    def __init__(self, catalog: Catalog, recorder: Recorder) -> None:
        self._catalog = catalog
        self._recorder = recorder
        self.evaluator = Evaluator(lambda node, scope: self.relation(node, scope, record=False))

    def relation(self, node: exp.Expr, outer: Scope, *, record: bool) -> Relation:
        """What is known of the rows a query returns."""
        outer = self._with(node, outer, record=record)
        match node:
            case exp.Subquery():
                inner = self.relation(node.this, outer, record=record)
                return self._pivoted(node, inner, record=record)
            case exp.Select():
                return self._select(node, outer, record=record)
            case exp.SetOperation():
                return self._set_operation(node, outer, record=record)
            case _:
                return UNKNOWN

    def _with(self, node: exp.Expr, outer: Scope, *, record: bool) -> Scope:
        with_ = node.args.get("with_")
        if with_ is None:
            return outer
        for cte in with_.expressions:
            name = cte.alias
            if with_.args.get("recursive") and any(
                t.name.lower() == name.lower() for t in cte.this.find_all(exp.Table)
            ):
                if record:
                    self._recorder.refuse(cte, f"{name} is recursive")
                found = UNKNOWN
            else:
                found = self.relation(cte.this, outer, record=record)
            outer = outer.defining(name, _renamed(found, cte.args.get("alias")))
        return outer

    def _set_operation(self, node: exp.SetOperation, outer: Scope, *, record: bool) -> Relation:
        left = self.relation(node.this, outer, record=record)
        right = self.relation(node.expression, outer, record=record)
        if node.args.get("by_name") or node.args.get("side") or node.args.get("on"):
            if record and (left.carries() or right.carries()):
                self._recorder.refuse(node, "a set operation by name")
            return UNKNOWN
        if record:
            self._recorder.empty_branch(node, left, right)
        if isinstance(node, exp.Except):
            return left
        empty = left.empty if isinstance(node, exp.Union) and right.empty is not None else None
        if isinstance(node, exp.Intersect):
            return replace(left, empty=left.empty if left.empty is not None else right.empty)
        if left.empty is not None and right.empty is None:
            values = list(right.columns.values())
        elif right.empty is not None and left.empty is None:
            values = list(left.columns.values())
        else:
            values = [union(pair) for pair in zip(left.columns.values(), right.columns.values(), strict=False)]
        if not (left.complete and right.complete) or len(left.columns) != len(right.columns):
            return Relation(empty=empty)
        return Relation(dict(zip(left.columns, values, strict=True)), complete=True, empty=empty)

    def _select(self, node: exp.Select, outer: Scope, *, record: bool) -> Relation:
        scope, empty = self._sources(node, outer, record=record)
        where = node.args.get("where")
        narrowed = scope
        if where is not None:
            if record:
                self._recorder.condition(where, scope, removable=True)
            assumed = self.evaluator.assume(where.this, scope, {TRUE})
            if assumed is None and empty is None:
                empty = self.evaluator.truth(where.this, scope).facts_without(TRUE) or None
            narrowed = assumed or scope
        values = self._projections(node, narrowed)
        if record:
            self._record(node, narrowed, values)
        having = node.args.get("having")
        if having is not None:
            named = narrowed.naming(values)
            if self.evaluator.assume(having.this, named, {TRUE}) is None and empty is None:
                return Relation(values, self._complete(node, narrowed), self._having_facts(having, named))
        grouped = node.args.get("group") is not None
        if not grouped and (_aggregates(node) or self._has_opaque(node)):
            empty = None  # one row, whatever comes in
        return Relation(values, complete=self._complete(node, narrowed), empty=empty)

    def _having_facts(self, having: exp.Expr, scope: Scope) -> frozenset[Fact] | None:
        return self.evaluator.truth(having.this, scope).facts_without(TRUE) or None

    # FROM and JOIN

    def _sources(self, node: exp.Select, outer: Scope, *, record: bool) -> tuple[Scope, frozenset[Fact] | None]:
        sources: dict[str, Relation] = {}
        from_ = node.args.get("from_")
        empty: frozenset[Fact] | None = None
        if from_ is not None:
            name, relation = self._source(from_.this, outer, record=record)
            sources[name] = relation
            empty = relation.empty
        scope = outer.inner(sources)
        for lateral in node.args.get("laterals") or ():
            sources[lateral.alias_or_name.lower()] = UNKNOWN
            scope = replace(scope, sources=dict(sources))
        joins: list[exp.Join] = [*(node.args.get("joins") or ()), *_nested_joins(from_)]
        for join in joins:
            scope, empty = self._join(node, join, scope, empty, record=record)
        return scope, empty

    def _join(
        self, node: exp.Select, join: exp.Join, scope: Scope, empty: frozenset[Fact] | None, *, record: bool
    ) -> tuple[Scope, frozenset[Fact] | None]:
        name, joined = self._source(join.this, scope, record=record)
        side, kind = (join.side or "").upper(), (join.kind or "").upper()
        on = join.args.get("on")
        both = replace(scope, sources={**scope.sources, name: joined})
        if record and on is not None:
            self._recorder.condition(on, both, removable=False)
        if join.method or kind in ("ANTI", "SEMI") or side in ("ANTI", "SEMI"):
            if record and joined.empty is not None:
                self._recorder.refuse(join, f"{(kind or side or join.method).lower()} join to a relation without rows")
            return both, empty
        matched = self.evaluator.assume(on, both, {TRUE}) if on is not None else both
        never = self.evaluator.truth(on, both).facts_without(TRUE) if on is not None and matched is None else None
        no_match = joined.empty if joined.empty is not None else (never or None)
        if side == "LEFT":
            if record and no_match:
                self._recorder.empty_join(node, join, name, no_match)
            known = _only_of(matched, name, joined) if matched is not None else joined
            return replace(scope, sources={**scope.sources, name: known.nullable()}), empty
        if side in ("RIGHT", "FULL"):
            left = {n: r.nullable() for n, r in scope.sources.items()}
            right = joined.nullable() if side == "FULL" else joined
            if record and (no_match or empty is not None):
                self._recorder.refuse(join, f"a {side.lower()} join of which one side has no rows")
            outcome = joined.empty if side == "RIGHT" or empty is not None else None
            widened = {key: value.or_null() for key, value in scope.narrowed.items() if key[0] == scope.depth}
            return replace(scope, sources={**left, name: right}, narrowed={**scope.narrowed, **widened}), outcome
        return matched or both, empty if empty is not None else no_match

    def _source(self, node: exp.Expr, scope: Scope, *, record: bool) -> tuple[str, Relation]:
        name = node.alias_or_name.lower()
        match node:
            case exp.Table() if isinstance(node.this, exp.Identifier):
                qualifier = ".".join(part.name for part in (node.args.get("db"),) if part is not None)
                known = scope.ctes.get(node.name.lower()) if not qualifier else None
                if known is None:
                    known = self._catalog.relation(f"{qualifier}.{node.name}" if qualifier else node.name)
                    name = name if node.alias else self._catalog.alias(node.name).lower()
                relation = _renamed(known or UNKNOWN, node.args.get("alias"))
                return name, self._pivoted(node, relation, record=record)
            case exp.Subquery():
                relation = self.relation(node, scope, record=record)
                return name, _renamed(relation, node.args.get("alias"))
            case _:
                return name, UNKNOWN

    def _pivoted(self, node: exp.Expr, relation: Relation, *, record: bool) -> Relation:
        if not node.args.get("pivots"):
            return relation
        if record and relation.carries():
            self._recorder.refuse(node, "PIVOT and UNPIVOT")
        return UNKNOWN

    # Projections

    def _projections(self, node: exp.Select, scope: Scope) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for projection in node.selects:
            star = projection if isinstance(projection, exp.Star) else projection.this
            if isinstance(star, exp.Star) and (projection is star or isinstance(projection, exp.Column)):
                values.update(self._starred(projection, star, scope))
            elif name := projection.alias_or_name.lower():
                values[name] = ANY if name in values else self.evaluator.value(projection, scope)
        return values

    def _starred(self, projection: exp.Expr, star: exp.Star, scope: Scope) -> dict[str, Value]:
        names = (
            [projection.table.lower()] if isinstance(projection, exp.Column) and projection.table else [*scope.sources]
        )
        left_out = {e.name.lower() for e in star.args.get("except_") or ()}
        renamed = {
            e.this.name.lower(): e.alias.lower() for e in star.args.get("rename") or () if isinstance(e, exp.Alias)
        }
        replaced = {e.alias.lower(): e.this for e in star.args.get("replace") or () if isinstance(e, exp.Alias)}
        found: dict[str, Value] = {}
        for source in names:
            relation = scope.sources.get(source)
            for name in relation.columns if relation is not None else ():
                if name in left_out:
                    continue
                value = scope.resolve(exp.column(name, table=source))[1]
                if name in replaced:
                    value = self.evaluator.value(replaced[name], scope)
                name = renamed.get(name, name)  # noqa: PLW2901
                found[name] = ANY if name in found else value
        return found

    def _complete(self, node: exp.Select, scope: Scope) -> bool:
        """Whether all columns of the result are known: not where a star stands for columns that nobody listed."""
        starred = [p for p in node.selects if p.is_star]
        if any(not p.is_star and (not p.alias_or_name or self._is_opaque(p)) for p in node.selects):
            return False
        if not starred:
            return True
        if any(j.args.get("using") for j in node.args.get("joins") or ()):
            return False
        return bool(scope.sources) and all(relation.complete for relation in scope.sources.values())

    def _has_opaque(self, node: exp.Select) -> bool:
        """Whether a projection is Jinja, which may be an aggregate."""
        return any(self._catalog.is_opaque(c.name) for p in node.selects for c in p.find_all(exp.Column))

    def _is_opaque(self, projection: exp.Expr) -> bool:
        return isinstance(projection, exp.Column) and self._catalog.is_opaque(projection.name)

    def _record(self, node: exp.Select, scope: Scope, values: dict[str, Value]) -> None:
        """Show the recorder every clause after WHERE."""
        grouped = _grouped(node)
        if any(self._catalog.is_opaque(name) for name in grouped):
            grouped |= {"*all*"}
        for place, projection in enumerate(node.selects):
            free = not grouped & {projection.alias_or_name.lower(), str(place + 1), _plain(projection)} and not (
                node.args.get("distinct") and isinstance(node.args["distinct"].args.get("on"), exp.Expr)
            )
            if "*all*" in grouped and not projection.find(exp.AggFunc):
                free = False
            self._recorder.fold(projection, scope, whole=free)
        named = scope.naming(values)
        for key in ("group", "order", "cluster", "sort", "distribute"):
            clause = node.args.get(key)
            if isinstance(clause, exp.Expr):
                for child in clause.iter_expressions():
                    self._recorder.fold(child, scope if key == "group" else named, whole=False)
        having = node.args.get("having")
        if having is not None:
            self._recorder.condition(having.this, named, removable=False)
        qualify = node.args.get("qualify")
        if qualify is not None and any(scope.resolve(c)[1].gone for c in qualify.find_all(exp.Column)):
            self._recorder.refuse(qualify, "QUALIFY over a column with facts is left as it is")


def _nested_joins(from_: exp.Expr | None) -> list[exp.Join]:
    return list(from_.this.args.get("joins") or ()) if from_ is not None else []


def _only_of(scope: Scope, name: str, relation: Relation) -> Relation:
    """A relation with what a condition told of its columns."""
    columns = dict(relation.columns)
    for (depth, source, column), value in scope.narrowed.items():
        if depth == scope.depth and source == name:
            columns[column] = value
    return replace(relation, columns=columns)


def _renamed(relation: Relation, alias: exp.Expr | None) -> Relation:
    """A relation under `t(a, b)`."""
    names = [c.name.lower() for c in alias.args.get("columns") or ()] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return relation
    if not relation.complete or len(names) > len(relation.columns):
        return Relation(empty=relation.empty)
    old = list(relation.columns)
    return replace(relation, columns=dict(zip([*names, *old[len(names) :]], relation.columns.values(), strict=True)))


def _aggregates(node: exp.Select) -> bool:
    """Whether a SELECT without GROUP BY makes one row of all."""
    clauses = [*node.selects, *(c for c in (node.args.get("having"),) if c is not None)]
    for clause in clauses:
        for function in clause.find_all(exp.AggFunc, exp.Anonymous):
            in_window = function.find_ancestor(exp.Window, exp.Select)
            if not isinstance(in_window, exp.Window) and function.find_ancestor(exp.Select) is node:
                return True
    return node.args.get("having") is not None


def _grouped(node: exp.Select) -> frozenset[str]:
    """What GROUP BY names: aliases, places, and expressions as text; `*all*` for GROUP BY ALL."""
    group = node.args.get("group")
    if group is None:
        return frozenset()
    if group.args.get("all"):
        return frozenset({"*all*"})
    found: set[str] = set()
    for expression in group.find_all(exp.Expr):
        if isinstance(expression, exp.Column) and not expression.table:
            found.add(expression.name.lower())
        elif isinstance(expression, exp.Literal):
            found.add(str(expression.this))
        found.add(_plain(expression))
    return frozenset(found)


def _plain(node: exp.Expr) -> str:
    return node.unalias().sql().lower()
