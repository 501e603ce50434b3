"""What is known of a query's result, and the walk through its clauses."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from sqlglot import exp

from split.facts import Fact
from split.sql.clauses import (
    aggregates,
    grouped_by,
    nested_joins,
    only_of,
    plain,
    renamed,
    source_name,
    star_columns,
)
from split.sql.evaluate import Evaluator
from split.sql.infer import Types
from split.sql.scope import UNKNOWN, Relation, Scope
from split.sql.types import Type
from split.sql.values import ANY, TRUE, Value, union
from split.sql.variance import Variance, around, has_other_branch, list_varies, through, variance


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

    def unread(self, name: str) -> bool:
        """Whether Jinja, or a branch of it that is not read, has the name."""
        ...


class Recorder(Protocol):
    """Collects edits during the walk."""

    def refuse(self, node: exp.Expr, reason: str) -> None: ...

    def condition(self, clause: exp.Expr, scope: Scope, *, removable: bool) -> None: ...

    def join_condition(self, on: exp.Expr, scope: Scope, side: str) -> None: ...

    def fold(self, node: exp.Expr, scope: Scope, *, whole: bool = True) -> None: ...

    def qualify(self, clause: exp.Expr, scope: Scope, windows: frozenset[str]) -> None: ...

    def empty_branch(self, node: exp.SetOperation, left: Relation, right: Relation) -> None: ...

    def empty_join(
        self, select: exp.Select, join: exp.Join, name: str, joined: Relation, facts: frozenset[Fact]
    ) -> None: ...


class Queries:
    """Walks queries; tells the recorder of every clause when asked to record."""

    def __init__(self, catalog: Catalog, recorder: Recorder, dialect: str | None) -> None:
        self._catalog = catalog
        self._recorder = recorder
        self.evaluator = Evaluator(lambda node, scope: self.relation(node, scope, record=False))
        self.types = Types(lambda node, scope: self.relation(node, scope, record=False), dialect)

    def relation(self, node: exp.Expr, outer: Scope, *, record: bool) -> Relation:
        """What is known of the rows a query returns."""
        hidden = any(has_other_branch(block) for block in around(node) - outer.within)
        outer = replace(outer, within=outer.within | around(node))
        outer = self._with(node, outer, record=record)
        match node:
            case exp.Subquery():
                inner = self.relation(node.this, outer, record=record)
                found = self._pivoted(node, inner, record=record)
            case exp.Select():
                found = self._select(node, outer, record=record)
            case exp.SetOperation():
                found = self._set_operation(node, outer, record=record)
            case _:
                found = UNKNOWN
        return UNKNOWN if hidden else found

    def _with(self, node: exp.Expr, outer: Scope, *, record: bool) -> Scope:
        with_ = node.args.get("with_")
        if with_ is None:
            return outer
        names = [cte.alias.lower() for cte in with_.expressions]
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
            found = renamed(self.types.source(found), cte.args.get("alias"))
            outer = outer.defining(name, found if names.count(name.lower()) == 1 else UNKNOWN)
        return outer

    def _set_operation(self, node: exp.SetOperation, outer: Scope, *, record: bool) -> Relation:
        left = self.relation(node.this, outer, record=record)
        right = self.relation(node.expression, outer, record=record)
        if node.args.get("by_name") or node.args.get("side") or node.args.get("on"):
            if record and (left.carries() or right.carries()):
                self._recorder.refuse(node, "a set operation by name")
            return UNKNOWN
        branches = (node.this, node.expression)
        between = frozenset(b for b in through(node) if (b in through(branches[0])) == (b in through(branches[1])))
        if any(has_other_branch(block) for block in between):
            return UNKNOWN
        if record and not between:
            self._recorder.empty_branch(node, left, right)
        pairs = zip(left.columns, right.columns, strict=False)
        common = {a: self.types.common([left.types.get(a), right.types.get(b)]) for a, b in pairs}
        types = {name: type_ for name, type_ in common.items() if type_ is not None}
        if isinstance(node, exp.Except):
            return replace(left, types=types)
        empty = left.empty if isinstance(node, exp.Union) and right.empty is not None else None
        if isinstance(node, exp.Intersect):
            return replace(left, empty=left.empty if left.empty is not None else right.empty, types=types)
        if left.empty is not None and right.empty is None:
            values = list(right.columns.values())
        elif right.empty is not None and left.empty is None:
            values = list(left.columns.values())
        else:
            values = [union(pair) for pair in zip(left.columns.values(), right.columns.values(), strict=False)]
        if not (left.complete and right.complete) or len(left.columns) != len(right.columns):
            return Relation(empty=empty)
        return Relation(dict(zip(left.columns, values, strict=True)), complete=True, empty=empty, types=types)

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
        group = node.args.get("group")
        sets = isinstance(group, exp.Group) and group.find(exp.Rollup, exp.Cube, exp.GroupingSets) is not None
        if sets:  # rows are added in which a grouped column has no value
            narrowed = narrowed.nullable()
        values, types = self._projections(node, narrowed)
        if record:
            self._record(node, narrowed, values)
        if str(node.args.get("kind") or "").upper() == "VALUE":
            return UNKNOWN
        having = node.args.get("having")
        if having is not None:
            named = narrowed.naming(values)
            if self.evaluator.assume(having.this, named, {TRUE}) is None and empty is None:
                return Relation(values, self._complete(node, narrowed), self._having_facts(having, named), types)
        grouped = group is not None and not around(group) - scope.within
        if sets or (not grouped and (aggregates(node) or self._has_opaque(node))):
            empty = None  # one row, whatever comes in
        return Relation(values, complete=self._complete(node, narrowed), empty=empty, types=types)

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
            sources.update(self._joined_inside(from_.this, outer, record=record))
        scope = replace(outer.inner(sources), named=frozenset(p.alias.lower() for p in node.selects if p.alias))
        for lateral in node.args.get("laterals") or ():
            sources[source_name(lateral)] = UNKNOWN
            scope = replace(scope, sources=dict(sources))
        joins: list[exp.Join] = [*(node.args.get("joins") or ()), *nested_joins(from_)]
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
            self._recorder.join_condition(on, both, side)
        inside = self._joined_inside(join.this, scope, record=record)
        if join.method or inside or _conditional(join, scope):
            if record and (joined.empty is not None or empty is not None):
                self._recorder.refuse(join, "a join that is not taken apart")
            # Which rows meet is not followed: each side may be missing.
            widened = replace(both, sources={**both.sources, **inside}).nullable()
            return widened, empty if join.method.upper() == "NATURAL" and not side else None
        if kind in ("ANTI", "SEMI") or side in ("ANTI", "SEMI"):
            if record and joined.empty is not None:
                self._recorder.refuse(join, f"{(kind or side).lower()} join to a relation without rows")
            return both, empty
        matched = self.evaluator.assume(on, both, {TRUE}) if on is not None else both
        never = self.evaluator.truth(on, both).facts_without(TRUE) if on is not None and matched is None else None
        no_match = joined.empty if joined.empty is not None else (never or None)
        if side == "LEFT":
            if record and no_match:
                self._recorder.empty_join(node, join, name, joined, no_match)
            known = only_of(matched, name, joined) if matched is not None else joined
            return replace(scope, sources={**scope.sources, name: known.nullable()}), empty
        if side in ("RIGHT", "FULL"):
            right = joined.nullable() if side == "FULL" else joined
            if record and (no_match or empty is not None):
                self._recorder.refuse(join, f"a {side.lower()} join of which one side has no rows")
            outcome = joined.empty if side == "RIGHT" or empty is not None else None
            left = replace(scope, narrowed={**scope.narrowed, **scope.outer_narrowed()}).nullable()
            return replace(left, sources={**left.sources, name: right}), outcome
        return matched or both, empty if empty is not None else no_match

    def _joined_inside(self, node: exp.Expr, scope: Scope, *, record: bool) -> dict[str, Relation]:
        """The sources of `(a join b on …)`: nothing is said of them."""
        if not isinstance(node, exp.Subquery) or isinstance(node.this, exp.Query):
            return {}
        inside: dict[str, Relation] = {}
        for source in node.this.find_all(exp.Table, exp.Subquery, exp.Unnest):
            name, relation = self._source(source, scope, record=False)
            if record and relation.carries():
                self._recorder.refuse(source, "joins in parentheses")
            inside[name] = UNKNOWN
        return inside

    def _source(self, node: exp.Expr, scope: Scope, *, record: bool) -> tuple[str, Relation]:
        name = source_name(node)
        if _conditional(node, scope) or (variance(node) is Variance.hard and not isinstance(node, exp.Subquery)):
            return name, UNKNOWN
        match node:
            case exp.Table() if isinstance(node.this, exp.Identifier):
                qualifier = ".".join(part.name for part in (node.args.get("db"),) if part is not None)
                known = scope.ctes.get(node.name.lower()) if not qualifier else None
                if known is None:
                    known = self._catalog.relation(f"{qualifier}.{node.name}" if qualifier else node.name)
                    name = name if node.alias else self._catalog.alias(node.name).lower()
                relation = renamed(known or UNKNOWN, node.args.get("alias"))
                return name, self._pivoted(node, relation, record=record)
            case exp.Subquery():
                relation = self.relation(node, scope, record=record)
                return name, renamed(self.types.source(relation), node.args.get("alias"))
            case exp.Unnest():
                return name, self._listed(node, scope)
            case _:
                return name, UNKNOWN

    def _listed(self, node: exp.Unnest, scope: Scope) -> Relation:
        """The types of rows that are written as `unnest([struct(1 as id, 'a' as name), …])`."""
        array = node.expressions[0] if len(node.expressions) == 1 else None
        rows: list[exp.Expr] = array.expressions if isinstance(array, exp.Array) else []
        if not rows or not all(isinstance(row, exp.Struct) for row in rows):
            return UNKNOWN
        types: dict[str, Type] = {}
        for place, cell in enumerate(rows[0].expressions):
            cells = [row.expressions[place] for row in rows if place < len(row.expressions)]
            type_ = self.types.agreed([c.expression if isinstance(c, exp.PropertyEQ) else c for c in cells], scope)
            if isinstance(cell, exp.PropertyEQ) and type_ is not None:
                types[cell.name.lower()] = type_
        return self.types.source(Relation(types=types))

    def _pivoted(self, node: exp.Expr, relation: Relation, *, record: bool) -> Relation:
        if not node.args.get("pivots"):
            return relation
        if record and relation.carries():
            self._recorder.refuse(node, "PIVOT and UNPIVOT")
        return UNKNOWN

    # Projections

    def _projections(self, node: exp.Select, scope: Scope) -> tuple[dict[str, Value], dict[str, Type]]:
        """What is known of each column of the result, and its type where that is known."""
        values: dict[str, Value] = {}
        types: dict[str, Type | None] = {}

        def add(name: str, value: Value, type_: Type | None) -> None:
            values[name], types[name] = (ANY, None) if name in values else (value, type_)

        for projection in node.selects:
            if around(projection) - scope.within:
                add(projection.alias_or_name.lower(), ANY, None)
                continue
            star = projection if isinstance(projection, exp.Star) else projection.this
            if isinstance(star, exp.Star) and (projection is star or isinstance(projection, exp.Column)):
                for name, (value, type_) in self._starred(projection, star, scope).items():
                    add(name, value, type_)
            elif name := projection.alias_or_name.lower():
                add(name, self.evaluator.value(projection, scope), self.types.of(projection, scope))
        return values, {name: type_ for name, type_ in types.items() if type_ is not None}

    def _starred(self, projection: exp.Expr, star: exp.Star, scope: Scope) -> dict[str, tuple[Value, Type | None]]:
        replaced = {e.alias.lower(): e.this for e in star.args.get("replace") or () if isinstance(e, exp.Alias)}
        found: dict[str, tuple[Value, Type | None]] = {}
        for name, source, column in star_columns(projection, scope):
            made = replaced.get(column, exp.column(column, table=source))
            known = self.evaluator.value(made, scope), self.types.of(made, scope)
            found[name] = (ANY, None) if name in found else known
        return found

    def _complete(self, node: exp.Select, scope: Scope) -> bool:
        """Whether all columns of the result are known: not where a star stands for columns that nobody listed."""
        starred = [p for p in node.selects if p.is_star]
        if list_varies(node):
            return False
        if any(not p.is_star and (not p.alias_or_name or self._is_opaque(p)) for p in node.selects):
            return False
        names = [p.alias_or_name.lower() for p in node.selects if not p.is_star]
        for p in starred:
            of = p.table.lower() if isinstance(p, exp.Column) else ""
            if not isinstance(p, exp.Star | exp.Column) or of not in {"", *scope.sources}:
                return False  # a pattern, or a struct's columns
            names += [name for name, _, _ in star_columns(p, scope)]
        if len(names) != len(set(names)):
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
        grouped = grouped_by(node)
        group = node.args.get("group")
        shifted = list_varies(node) or any(p.is_star or self._is_opaque(p) for p in node.selects)
        if any(self._catalog.is_opaque(name) for name in grouped) or (
            group is not None and (variance(group) is not Variance.none or around(group) - scope.within)
        ):
            grouped |= {"*all*"}
        if shifted and any(name.isdigit() for name in grouped):
            grouped |= {"*all*"}
        for place, projection in enumerate(node.selects):
            free = not grouped & {projection.alias_or_name.lower(), str(place + 1), plain(projection)} and not (
                node.args.get("distinct") and isinstance(node.args["distinct"].args.get("on"), exp.Expr)
            )
            if "*all*" in grouped:
                if projection.find(exp.AggFunc, exp.Anonymous) and not isinstance(projection.unalias(), exp.AggFunc):
                    continue  # what stands beside an aggregate may be what is grouped by
                free = isinstance(projection.unalias(), exp.AggFunc)
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
        if qualify is not None:
            windows = frozenset(p.alias.lower() for p in node.selects if p.alias and p.find(exp.Window))
            self._recorder.qualify(qualify.this, named, windows)


def _conditional(node: exp.Expr, scope: Scope) -> bool:
    """Whether a Jinja block inside the SELECT may leave the node out, or put another in its place."""
    return bool(around(node) - scope.within)
