"""Tableau's calculated fields under the same facts: folded by the same rules, patched in place.

What can be cut is decided by the rules of queries. Tableau's logic has the same three values: a comparison with NULL is
NULL, and IF takes only what is true; IIF alone tells all three apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from split.sql.conditions import Reading, Syntax
from split.sql.edits import Edit, apart, patched, replace
from split.sql.engine import Cut
from split.sql.rewrite import Rewrite
from split.sql.scope import Relation, Scope
from split.sql.spans import Tree
from split.sql.values import FALSE, TRUE, Lit, Value
from split.tableau.expressions import DATA, is_iif, parse
from split.tableau.grammar import COMMENT, FormulaError

__all__ = ["Folded", "FormulaError", "fold", "parse"]

_TABLEAU = Syntax(
    not_null=("NOT ISNULL(", ")"),
    null=("ISNULL(", ")"),
    cast=None,
    opens=frozenset({"IF", "ELSEIF", "WHEN"}),
    closes=frozenset({"ELSEIF", "WHEN", "ELSE", "END"}),
)


_TAKE_NULL = (exp.If, exp.Case, exp.Paren, exp.In, exp.Coalesce, exp.Is)
_CASTS = ("FLOAT", "INT", "STR", "DATE", "DATETIME")


@dataclass(frozen=True)
class Folded:
    """A formula without what the facts rule out.

    Attributes:
        text: the formula after all cuts.
        cuts: in order; their lines are those of the formula.
        left: what is left to a person.
        result: what is known of the formula's value, for the fields that use it; it knows the values that are gone.
    """

    text: str
    cuts: tuple[Cut, ...]
    left: tuple[str, ...]
    result: Value


def fold(formula: str, fields: Mapping[str, Value]) -> Folded:
    """Cut out of a formula what the facts rule out.

    Args:
        fields: what is known of fields, by their name as the formula writes it, without brackets.

    Raises:
        FormulaError: the formula cannot be parsed.
    """
    known = Relation({name.lower(): value for name, value in fields.items()}, complete=False)
    scope = Scope({DATA: known})
    cuts: list[Cut] = []
    left: dict[str, None] = {}
    text = formula
    before: Value | None = None
    while True:
        tree = parse(text)
        rewrite = _FormulaRewrite(tree, _NoTables(), frozenset(), last=True, syntax=_TABLEAU)
        result = rewrite.expression(tree.root, scope)
        before = before or result
        left.update(dict.fromkeys(refusal.reason for refusal in rewrite.refusals))
        edits = apart(rewrite.edits)
        if not edits:
            text = _typed_nulls(tree) if cuts else text
            return Folded(text, tuple(cuts), tuple(left), _remembering(result, before))
        cuts += [_cut(text, edit) for edit in edits]
        text = patched(text, edits)


def null_operands(formula: str) -> int:
    """How many NULLs without a type operators and functions are given; Tableau may refuse them. Raises FormulaError."""
    nulls = [node for node in parse(formula).root.find_all(exp.Null) if node.parent is not None]
    return sum(not isinstance(null.parent, _TAKE_NULL) and not _is_typed(null) for null in nulls)


def _is_typed(null: exp.Null) -> bool:
    return isinstance(null.parent, exp.Anonymous) and str(null.parent.this) in _CASTS


def _typed_nulls(tree: Tree) -> str:
    """The formula where numbers are summed or values counted that are only NULL: any number type does."""
    edits: list[Edit] = []
    for node in tree.root.find_all(exp.Null):
        counted = isinstance(node.parent, exp.Distinct) and isinstance(node.parent.parent, exp.Count)
        span = tree.span(node)
        if span is not None and (counted or isinstance(node.parent, exp.Sum | exp.Avg | exp.Count)):
            edits.append(replace("a NULL with a type", (), span, "FLOAT(NULL)"))
    return patched(tree.sql, edits)


def _remembering(result: Value, before: Value) -> Value:
    """A value that still knows what it could be before the cuts: the fields that use it test for that, too."""
    if result.now is None:
        return result
    return Value(result.now, result.gone | {gone for gone in before.gone if gone[0] not in result.now})


def _cut(text: str, edit: Edit) -> Cut:
    removed = " … ".join(" ".join(text[a:b].split()) for a, b in edit.deletes)
    comments = tuple(c.group().strip() for a, b in edit.deletes for c in COMMENT.finditer(text, a, b))
    added = " … ".join(piece.strip() for _, piece in edit.inserts)
    facts = tuple(sorted(edit.facts, key=str))
    line = text.count("\n", 0, edit.span[0]) + 1
    return Cut(edit.rule, facts, line, removed, added, comments, edit.type_at_risk)


class _FormulaRewrite(Rewrite):
    """The rules of queries, and IIF."""

    def _case(self, node: exp.Case, scope: Scope, *, whole: bool) -> None:
        if not is_iif(node):
            super()._case(node, scope, whole=whole)
            return
        yes, no = node.args["ifs"]
        parts: dict[Lit | None, exp.Expr | None] = {
            TRUE: yes.args["true"], FALSE: no.args["true"], None: node.args.get("default")
        }  # fmt: skip
        verdict = self.verdict(yes.this, scope, Reading.exact)
        if verdict is not None:
            self._only(node, parts[verdict.scalar], verdict.facts, scope)
            return
        if self.verdict(yes.this, scope, Reading.true) is not None:
            self.refuse(node, "IIF is NULL where its test is NULL")
        self.fold(yes.this, scope)
        for truth, part in parts.items():
            inside = self._evaluator.assume(yes.this, scope, {truth})
            if inside is not None and part is not None:
                self.fold(part, inside)


class _NoTables:
    """A formula names no tables."""

    def relation(self, name: str) -> Relation | None:
        return None

    def alias(self, name: str) -> str:
        return name

    def is_opaque(self, name: str) -> bool:
        return False

    def unread(self, name: str) -> bool:
        return False
