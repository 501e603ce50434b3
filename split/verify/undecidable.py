"""Expressions whose value the data does not determine: what comes out of them says nothing about an edit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from split.verify.lineage import Origin, Outputs, Query

Keys = Mapping[str, tuple[tuple[str, ...], ...]]
"""By table that a model reads, in lower case: sets of columns of which each is unique."""

_NOW = (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime)
_NOW_NAMES = frozenset({"NOW", "TODAY", "SYSDATE", "GETDATE", "GET_CURRENT_TIMESTAMP", "TRANSACTION_TIMESTAMP"})
_RANDOM_NAMES = frozenset({"RANDOM", "RAND", "UUID", "GEN_RANDOM_UUID", "GENERATE_UUID", "UUIDV4", "UUIDV7"})
_ANY = (exp.AnyValue, exp.First, exp.Last)
_LISTS = (exp.ArrayAgg, exp.GroupConcat, exp.ArrayConcatAgg)
_PLACED = (exp.RowNumber, exp.FirstValue, exp.LastValue, exp.NthValue, exp.Lag, exp.Lead, exp.Ntile)


@dataclass(frozen=True)
class Undecidable:
    """One such expression.

    Attributes:
        columns: the output columns that it bears on; None where it decides which rows there are.
    """

    line: int
    expression: str
    reason: str
    columns: frozenset[str] | None


def find(query: Query, keys: Keys) -> list[Undecidable]:
    """All of a model's text.

    Args:
        query: with every table that it reads as an input of its own (`each_an_input`).
    """
    found: list[Undecidable] = []
    for node in query.tree.root.walk():
        for reason in _reasons(query, node, keys):
            text = " ".join(query.tree.text(node).split()) if query.tree.span(node) else ""
            text = node.sql() if isinstance(node, exp.AnyValue) else text or node.sql()
            found.append(Undecidable(query.line(node), text, reason, _bears_on(query, node)))
    return found


def each_an_input(table: str) -> Outputs:
    """A table's columns as they are, wherever they come from."""
    return Outputs(stars=frozenset({table.lower()}))


def _reasons(query: Query, node: exp.Expr, keys: Keys) -> Iterator[str]:
    name = node.name.upper() if isinstance(node, exp.Anonymous) else type(node).__name__.upper()
    if isinstance(node, _NOW) or name in _NOW_NAMES:
        yield "depends on when it is built"
    elif isinstance(node, exp.Rand) or name in _RANDOM_NAMES:
        yield "is random"
    elif isinstance(node, exp.TableSample):
        yield "takes a random sample"
    elif isinstance(node, _ANY) or name == "ARBITRARY":
        yield "takes any of several values"
    elif isinstance(node, _LISTS):
        order = node.this if isinstance(node.this, exp.Order) else node.find_ancestor(exp.WithinGroup)
        if order is None:
            yield "lists values in no given order"
        elif not any(o.this == order.this for o in _ordered(order)) and not _total(query, node, _ordered(order), keys):
            yield "lists values in an order that leaves ties"
    elif isinstance(node, exp.Window):
        inner = node.this.this if isinstance(node.this, exp.IgnoreNulls | exp.RespectNulls) else node.this
        order = node.args.get("order")
        frame = node.args.get("spec")
        rows = frame is not None and str(frame.args.get("kind")).upper() == "ROWS"
        placed = isinstance(inner, _PLACED) or (rows and order is not None)
        columns = [*(node.args.get("partition_by") or ()), *(order.expressions if order is not None else ())]
        if placed and not _total(query, node, columns, keys):
            yield "numbers or picks rows whose order leaves ties" if order is not None else "has no order"
    elif isinstance(node, exp.Limit | exp.Offset | exp.Fetch):
        holder = node.parent
        order = holder.args.get("order") if holder is not None else None
        if order is None:
            yield "takes some rows in no given order"
        elif not _total(query, node, order.expressions, keys):
            yield "takes some rows in an order that leaves ties"


def _ordered(order: exp.Expr) -> list[exp.Expr]:
    return list(order.expressions) if isinstance(order, exp.Order) else list(order.expression.expressions)


def _total(query: Query, node: exp.Expr, columns: list[exp.Expr], keys: Keys) -> bool:
    """Whether no two rows can be the same in these columns: they hold a key of the only table that is read."""
    scope = _scope(query, node)
    if scope is None or len(query.sources(scope)) != 1 or scope.expression.args.get("group") is not None:
        return False
    named: set[Origin] = set()
    for column in columns:
        bare = column.this if isinstance(column, exp.Ordered) else column
        if isinstance(bare, exp.Column):
            named |= query.origins(bare, direct=True)
    if not _single_table(query, scope):
        return False
    return any(key and {(table, c.lower()) for c in key} <= named for table, _ in named for key in keys.get(table, ()))


def _single_table(query: Query, scope: Scope) -> bool:
    """Whether rows are those of one table or model, one for one: through subqueries that neither join nor unite."""
    [(_, source)] = scope.selected_sources.values()
    if not isinstance(source, Scope):
        return True
    inner = source.expression
    plain = isinstance(inner, exp.Select) and not inner.args.get("joins") and not inner.args.get("laterals")
    return plain and len(source.selected_sources) == 1 and _single_table(query, source)


def _scope(query: Query, node: exp.Expr) -> Scope | None:
    select = node.find_ancestor(exp.Select)
    return next((s for s in query.scopes if s.expression is select), None)


def _bears_on(query: Query, node: exp.Expr) -> frozenset[str] | None:
    """The output columns that hold a projection's value; None where it is no mere projection of the outermost query."""
    root = query.tree.root
    child, parent = node, node.parent
    while parent is not None and parent is not root:
        child, parent = parent, parent.parent
    if parent is None or not isinstance(root, exp.Select) or child not in root.expressions:
        return None
    return next((frozenset({child.alias_or_name.lower()}) for e in root.expressions if e is child), None)
