"""Bare NULLs that BigQuery does not take, or takes for a number.

A literal NULL takes the type that its place asks for. An operator asks for none: BigQuery refuses `null - 1`. Nor does
what makes a column for another query (a derived table, a CTE), DISTINCT, or `max(null)`: that is INT64, and refused
further on where it meets a text or a date.
"""

from __future__ import annotations

from collections import Counter

from sqlglot import exp

from split.sql.clauses import grouped_by, leaves, null_at
from split.sql.infer import results

_NO_NULL = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.DPipe, exp.Like, exp.Neg, exp.Not, exp.EQ, exp.NEQ, exp.LT,
            exp.LTE, exp.GT, exp.GTE, exp.Dot, exp.Bracket)  # fmt: skip
_NO_CONSTANT_NULL = (exp.FirstValue, exp.LastValue)
"""What refuses a NULL with a type, too."""
_ANY_TYPE = (exp.Is, exp.Count, exp.CountIf, exp.Ordered, exp.Group, exp.Exists, exp.Sum, exp.Avg)
"""Where a value of any type may stand, or a number will do, and the result has a type of its own."""
_SAME_TYPE = (exp.Max, exp.Min, exp.AnyValue, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue,
              exp.ArrayAgg, exp.Array, exp.Struct, exp.IgnoreNulls, exp.RespectNulls, exp.Distinct, exp.Order,
              exp.Limit, exp.HavingMax, exp.DateAdd, exp.DateSub, exp.DateTrunc, exp.Anonymous)  # fmt: skip
"""What has the type of its argument, or one made of it."""
_BRANCHES = (exp.Case, exp.If, exp.Coalesce, exp.Nullif)


def untyped_nulls(root: exp.Expr) -> Counter[str]:
    """The expressions and columns of a query that BigQuery refuses for a bare NULL in them, or takes for numbers, by
    kind and name: their own text may change by other cuts.

    A column of numbers that only passes through to the query's own result is none of them.
    """
    found = (_refused(null, root, literal=True) for null in root.find_all(exp.Null))
    return Counter(f"{place.key} {place.output_name}" for place in found if place is not None)


def _refused(node: exp.Expr, root: exp.Expr, *, literal: bool) -> exp.Expr | None:
    """Where a NULL is not taken, or becomes a column of numbers; None where it does no harm.

    Args:
        literal: it is a bare NULL still, not yet a number that is always NULL.
    """
    above = node.parent
    while isinstance(above, exp.Paren | exp.Alias | exp.PropertyEQ):
        node, above = above, above.parent
    if isinstance(above, exp.If) and isinstance(above.parent, exp.Case) and node is not above.this:
        above = above.parent
    match above:
        case None:
            return None
        case exp.Select():
            return _as_column(node, above, root, literal=literal)
        case _ if literal and isinstance(above, _NO_NULL + _NO_CONSTANT_NULL):
            return above
        case exp.Cast() if literal:
            return above.parent if isinstance(above.parent, _NO_CONSTANT_NULL) else None
        case _ if isinstance(above, _ANY_TYPE):
            return None
        case exp.Window():
            return _refused(above, root, literal=False) if node is above.this else None
        case _ if isinstance(above, _BRANCHES):
            beside = results(above)
            if any(part is node for part in beside) and all(isinstance(part.unnest(), exp.Null) for part in beside):
                return _refused(above, root, literal=False)
            return None if literal else above
        case _ if isinstance(above, _SAME_TYPE):
            return _refused(above, root, literal=False)
        case _:
            return None if literal else above


def _as_column(item: exp.Expr, select: exp.Select, root: exp.Expr, *, literal: bool) -> exp.Expr | None:
    """The same of an item of a select list."""
    name = item.alias_or_name.lower()
    place = next(i for i, other in enumerate(select.selects) if other is item)
    later = any(select.args.get(clause) for clause in ("distinct", "having", "qualify"))
    if later or grouped_by(select) & {name, str(place + 1), "*all*"} or any(p.find(exp.Window) for p in select.selects):
        literal = False  # a step follows in which it is a column
    query: exp.Expr = select
    while (above := query.parent) is not None:
        if isinstance(above, exp.Subquery) and isinstance(above.parent, exp.SetOperation | None):
            literal = literal and not query.args.get("order") and not query.args.get("limit")
            query = above
        elif isinstance(above, exp.SetOperation):
            while isinstance(above.parent, exp.SetOperation):
                above = above.parent
            if not all(null_at(leaf, place) for leaf in leaves(above)):
                return None if literal else item
            query, literal = above, False
        elif isinstance(above, exp.CTE) or isinstance(above.parent, exp.From | exp.Join):
            return None if _passes_through(name, root) else item
        else:
            return _refused(above if isinstance(above, exp.Subquery) else query, root, literal=False)
    return None


def _passes_through(name: str, root: exp.Expr) -> bool:
    """Whether nothing is done with a column of this name, nor with one that it becomes, but to select it."""
    names = [name]
    for one in names:
        for column in root.find_all(exp.Column):
            if column.name.lower() != one:
                continue
            above = column.parent
            if isinstance(above, exp.Alias):
                names += [above.alias.lower()] if above.alias.lower() not in names else []
                above = above.parent
            if not isinstance(above, exp.Select | exp.Is | exp.Count | exp.Ordered | exp.Group):
                return False
    joins = list(root.find_all(exp.Join))
    keys = [key for join in joins for key in join.args.get("using") or ()]
    branches = [leaf for operation in root.find_all(exp.SetOperation) for leaf in leaves(operation)]
    items = [item for branch in branches if isinstance(branch, exp.Select) for item in branch.selects]
    return not (
        any(join.method for join in joins)
        or any(key.name.lower() in names for key in keys)
        or any(item.is_star or item.alias_or_name.lower() in names for item in items)
    )
