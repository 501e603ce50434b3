"""What single clauses of a query say: stars, aliases, joins, GROUP BY."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from split.sql.scope import Relation, Scope


def star_columns(projection: exp.Expr, scope: Scope) -> list[tuple[str, str, str]]:
    """What a star stands for, as far as it is known: the name, and its source and column."""
    star = projection if isinstance(projection, exp.Star) else projection.this
    of = [projection.table.lower()] if isinstance(projection, exp.Column) and projection.table else [*scope.sources]
    left_out = {e.name.lower() for e in star.args.get("except_") or ()}
    renamed = {e.this.name.lower(): e.alias.lower() for e in star.args.get("rename") or () if isinstance(e, exp.Alias)}
    return [
        (renamed.get(column, column), source, column)
        for source in of
        if source in scope.sources
        for column in scope.sources[source].columns
        if column not in left_out
    ]


def source_name(node: exp.Expr) -> str:
    """What the columns of a table, subquery or UNNEST are qualified with, in lower case; BigQuery's UNNEST has no more
    than one name, which is that of its values too.
    """
    alias = node.args.get("alias")
    if isinstance(node, exp.Unnest) and isinstance(alias, exp.TableAlias) and not alias.this and alias.columns:
        return alias.columns[0].name.lower()
    return node.alias_or_name.lower()


def nested_joins(from_: exp.Expr | None) -> list[exp.Join]:
    return list(from_.this.args.get("joins") or ()) if from_ is not None else []


def only_of(scope: Scope, name: str, relation: Relation) -> Relation:
    """A relation with what a condition told of its columns."""
    columns = dict(relation.columns)
    for (depth, source, column), value in scope.narrowed.items():
        if depth == scope.depth and source == name:
            columns[column] = value
    return replace(relation, columns=columns)


def renamed(relation: Relation, alias: exp.Expr | None) -> Relation:
    """A relation under `t(a, b)`."""
    names = [c.name.lower() for c in alias.args.get("columns") or ()] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return relation
    if not relation.complete or len(names) > len(relation.columns):
        return Relation(empty=relation.empty)
    old = list(relation.columns)
    new = [*names, *old[len(names) :]]
    types = {n: relation.types[o] for n, o in zip(new, old, strict=True) if o in relation.types}
    return replace(relation, columns=dict(zip(new, relation.columns.values(), strict=True)), types=types)


def leaves(node: exp.Expr) -> list[exp.Expr]:
    """The queries that a chain of set operations puts together."""
    if isinstance(node, exp.SetOperation):
        return [*leaves(node.this), *leaves(node.expression)]
    return leaves(node.this) if isinstance(node, exp.Subquery) else [node]


def null_at(query: exp.Expr, place: int) -> exp.Expr | None:
    """The bare NULL that a SELECT has at a place; None where there is something else."""
    items = query.selects if isinstance(query, exp.Select) else []
    item = items[place].unalias() if place < len(items) and not any(p.is_star for p in items) else None
    return item if item is not None and isinstance(item.unnest(), exp.Null) else None


def aggregates(node: exp.Select) -> bool:
    """Whether a SELECT without GROUP BY makes one row of all."""
    others = [clause for key in ("order", "qualify") if (clause := node.args.get(key)) is not None]
    for clause in [*node.selects, *others]:
        for function in clause.find_all(exp.AggFunc, exp.Anonymous):
            place: exp.Expr = function
            while isinstance(place.parent, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
                place = place.parent
            of_window = isinstance(place.parent, exp.Window) and place.parent.this is place
            if not of_window and function.find_ancestor(exp.Select) is node:
                return True
    return node.args.get("having") is not None


def grouped_by(node: exp.Select) -> frozenset[str]:
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
        found.add(plain(expression))
    return frozenset(found)


def plain(node: exp.Expr) -> str:
    return node.unalias().sql().lower()
