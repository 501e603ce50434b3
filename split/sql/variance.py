"""Where a query's text depends on Jinja: what is read there of one branch need not hold of the others.

A node that a `{% if %}` or `{% for %}` runs through is marked. It is soft when the block only adds something (no
`else`), hard when the other branch may say anything; so is a condition next to Jinja that may hold an OR of its own,
and a text literal with Jinja inside.
"""

from __future__ import annotations

from enum import Enum

from sqlglot import exp

from split.sql.mask import Block, Masked
from split.sql.spans import Span, Tree

_VARIES, _THROUGH, _AROUND, _LIST = "varies", "through", "around", "list varies"


class Variance(Enum):
    """How far a node's own text depends on Jinja."""

    none = "none"
    soft = "soft"
    hard = "hard"


def mark(tree: Tree, masked: Masked) -> None:
    """Mark the nodes of a freshly parsed tree."""
    if not masked.blocks and not masked.expressions:
        return
    blocks = [b for b in masked.blocks if b.word in ("if", "for")]
    for node in tree.root.walk():
        span = tree.span(node)
        if span is None:
            continue
        if isinstance(node, exp.Literal) and masked.source[slice(*span)] != masked.sql[slice(*span)]:
            node.meta[_VARIES] = Variance.hard
        if isinstance(node, exp.Column) and node.name in masked.expressions:
            _mark_conditions(node)
        if blocks:
            _mark_blocks(node, span, blocks)
        if blocks and isinstance(node, exp.Select):
            node.meta[_LIST] = any(_touched(b, _select_list(tree, node, span)) for b in blocks)


def variance(node: exp.Expr) -> Variance:
    """How far the node's text depends on Jinja."""
    return node.meta.get(_VARIES, Variance.none)


def around(node: exp.Expr) -> frozenset[Block]:
    """The blocks that the whole node stands in."""
    return node.meta.get(_AROUND, frozenset[Block]())


def through(node: exp.Expr) -> frozenset[Block]:
    """The blocks of which the node holds a tag."""
    return node.meta.get(_THROUGH, frozenset[Block]())


def list_varies(node: exp.Select) -> bool:
    """Whether Jinja decides how many columns are selected."""
    return bool(node.meta.get(_LIST, False))


def has_other_branch(block: Block) -> bool:
    """Whether something else may stand in the place of the branch that is read."""
    return len(block.tags) > 2


def _mark_blocks(node: exp.Expr, span: Span, blocks: list[Block]) -> None:
    touched = [b for b in blocks if _touched(b, span)]
    if touched:
        node.meta[_THROUGH] = frozenset(touched)
    if touched and node.meta.get(_VARIES) is not Variance.hard:
        hard = any(has_other_branch(b) for b in touched) or isinstance(node, exp.Or | exp.Not)
        node.meta[_VARIES] = Variance.hard if hard else Variance.soft
    if inside := frozenset(b for b in blocks if b.start < span[0] and span[1] < b.end and b not in touched):
        node.meta[_AROUND] = inside


def _mark_conditions(node: exp.Column) -> None:
    """`{{ condition }} and x`: where the condition is an OR without parentheses, x does not bind to all of it."""
    place = node.parent
    while isinstance(place, exp.And | exp.Or | exp.Not):
        place.meta[_VARIES] = Variance.hard
        place = place.parent


def _touched(block: Block, span: Span) -> bool:
    return any(a < span[1] and span[0] < b for a, b in block.tags)


def _select_list(tree: Tree, node: exp.Select, span: Span) -> Span:
    from_ = node.args.get("from_")
    until = tree.span(from_) if isinstance(from_, exp.Expr) else None
    with_ = node.args.get("with_")
    start = tree.span(with_) if isinstance(with_, exp.Expr) else None
    return (start[1] if start else span[0]), (until[0] if until else span[1])
