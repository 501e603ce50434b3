"""Clauses in which rows of both segments meet: where a model's Commercial rows depend on Enterprise rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from split.verify.lineage import Origin, Outputs, Query


@dataclass(frozen=True)
class Meeting:
    """A clause that has neither the brand nor a key that determines it. `line` is 1-based."""

    line: int
    clause: str
    reason: str


@dataclass(frozen=True)
class Segments:
    """What tells the segment of a row.

    Attributes:
        columns: input columns that decide it: those of the facts, and keys of rows that have them.
        tables: input tables with rows of both segments, in lower case.
    """

    columns: frozenset[Origin]
    tables: frozenset[str]

    def carried(self, outputs: Outputs) -> bool:
        """Whether a relation has rows of both segments, as far as its columns tell."""
        return bool(outputs.stars & self.tables) or any(origins & self.columns for origins in outputs.all.values())

    def tells(self, query: Query, node: exp.Expr) -> bool:
        """Whether an expression is a copy of a column that decides the segment."""
        bare = node.unalias().unnest() if isinstance(node, exp.Alias) else node.unnest()
        return isinstance(bare, exp.Column) and bool(query.origins(bare, direct=True) & self.columns)


def meetings(query: Query, segments: Segments) -> list[Meeting]:
    """All such clauses of a model; none where its rows stay within their segment."""
    found: list[Meeting] = []
    for scope in query.scopes:
        node = scope.expression
        clauses: Iterator[tuple[exp.Expr, str]] = iter(())
        if isinstance(node, exp.SetOperation):
            clauses = _set_operation(query, node, scope, segments)
        elif isinstance(node, exp.Select) and any(segments.carried(o) for o in query.sources(scope).values()):
            clauses = _select(query, node, scope, segments)
        for clause, reason in clauses:
            span = query.tree.span(clause)
            text = " ".join(query.masked.source[slice(*span)].split()) if span else clause.sql()
            found.append(Meeting(query.line(clause), text[:200], reason))
    return sorted(set(found), key=lambda m: (m.line, m.clause))


def _set_operation(
    query: Query, node: exp.SetOperation, scope: Scope, segments: Segments
) -> Iterator[tuple[exp.Expr, str]]:
    outputs = [query.outputs_of(s) for s in scope.set_operation_scopes]
    if node.args.get("distinct") is False or not any(segments.carried(o) for o in outputs):
        return
    if not all(any(origins & segments.columns for origins in o.direct.values()) for o in outputs):
        yield node, f"{type(node).__name__.upper()} compares rows of both segments"


def _select(query: Query, node: exp.Select, scope: Scope, segments: Segments) -> Iterator[tuple[exp.Expr, str]]:
    group = node.args.get("group")
    aggregates = [
        a for a in scope.find_all(exp.AggFunc)
        if not isinstance(a.parent, exp.Window | exp.IgnoreNulls | exp.Filter)
    ]  # fmt: skip
    if group is not None:
        if not any(segments.tells(query, e) for e in _grouped(node, group)):
            yield group, "groups rows of both segments together"
    elif aggregates:
        yield aggregates[0], "adds up rows of both segments"
    distinct = node.args.get("distinct")
    if distinct is not None and not any(_shows(query, p, scope, segments) for p in node.expressions):
        yield distinct, "DISTINCT merges rows of both segments"
    for window in scope.find_all(exp.Window):
        if not any(segments.tells(query, e) for e in window.args.get("partition_by") or ()):
            yield window, "the window holds rows of both segments"
    if node.args.get("limit") is not None:
        yield node.args["limit"], "takes some rows of both segments"
    yield from _joins(query, node, scope, segments)
    yield from _subqueries(query, scope, segments)


def _grouped(node: exp.Select, group: exp.Expr) -> Iterator[exp.Expr]:
    """The expressions of a GROUP BY; positions and aliases stand for projections. None of ROLLUP and the like."""
    if any(group.args.get(kind) for kind in ("rollup", "cube", "grouping_sets")):
        return
    if group.args.get("all"):
        yield from node.expressions
    named = {p.alias: p for p in node.expressions if isinstance(p, exp.Alias)}
    for expression in group.expressions:
        if isinstance(expression, exp.Literal) and not expression.is_string:
            place = int(str(expression.this)) - 1
            yield from node.expressions[place : place + 1]
        else:
            yield expression
            if isinstance(expression, exp.Column) and not expression.table and expression.name in named:
                yield named[expression.name]


def _shows(query: Query, projection: exp.Expr, scope: Scope, segments: Segments) -> bool:
    if projection.is_star:
        return any(
            bool(o.stars & segments.tables) or any(d & segments.columns for d in o.direct.values())
            for o in query.sources(scope).values()
        )
    return segments.tells(query, projection)


def _joins(query: Query, node: exp.Select, scope: Scope, segments: Segments) -> Iterator[tuple[exp.Expr, str]]:
    sources = query.sources(scope)
    names = list(sources)
    joins: list[exp.Join] = node.args.get("joins") or []
    for place, join in enumerate(joins, 1):
        if place >= len(names) or not segments.carried(sources[names[place]]):
            continue
        if not any(segments.carried(sources[name]) for name in names[:place]):
            continue
        using = [i.name for i in join.args.get("using") or ()]
        if any(sources[names[place]].of(c, direct=True) & segments.columns for c in using):
            continue
        condition = join.args.get("on")
        if condition is None or not _same_segment(query, condition, segments):
            yield join, "joins rows of both segments"


def _same_segment(query: Query, condition: exp.Expr, segments: Segments) -> bool:
    bare = condition.unnest()
    if isinstance(bare, exp.And):
        return any(_same_segment(query, c, segments) for c in bare.flatten())
    return isinstance(bare, exp.EQ) and segments.tells(query, bare.this) and segments.tells(query, bare.expression)


def _subqueries(query: Query, scope: Scope, segments: Segments) -> Iterator[tuple[exp.Expr, str]]:
    for node in scope.find_all(exp.In, exp.Exists):
        inner = node.args.get("query") if isinstance(node, exp.In) else node.this
        select = inner.unnest() if isinstance(inner, exp.Subquery) else inner
        if not isinstance(select, exp.Query):
            continue
        within = next((s for s in query.scopes if s.expression is select), None)
        if within is None or not any(segments.carried(o) for o in query.sources(within).values()):
            continue
        if isinstance(node, exp.In):
            same = segments.tells(query, node.this) and any(segments.tells(query, c) for c in select.selects)
        else:
            same = any(isinstance(c, exp.EQ) and _same_segment(query, c, segments) for c in select.walk())
        if not same:
            yield node, "looks for rows of both segments"
