"""Tableau's calculated fields under the same facts: folded by the same rules, patched in place.

What can be cut is decided by the rules of queries. Tableau's logic has the same three values: a comparison with NULL is
NULL, and IF takes only what is true; IIF alone tells all three apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from split.facts import Fact
from split.sql.conditions import Reading, Syntax
from split.sql.edits import apart, patched
from split.sql.rewrite import Rewrite
from split.sql.scope import Relation, Scope
from split.sql.values import FALSE, TRUE, Lit, Value
from split.tableau.expressions import DATA, is_iif, parse
from split.tableau.grammar import FormulaError

__all__ = ["Folded", "FormulaError", "fold", "parse"]

_TABLEAU = Syntax(
    not_null=("NOT ISNULL(", ")"),
    null=("ISNULL(", ")"),
    typed_null=None,
    opens=frozenset({"IF", "ELSEIF", "WHEN"}),
    closes=frozenset({"ELSEIF", "WHEN", "ELSE", "END"}),
)


@dataclass(frozen=True)
class Folded:
    """A formula without what the facts rule out.

    Attributes:
        text: the formula after all cuts.
        cuts: (rule, facts) of each cut, in order.
        left: what is left to a person.
        result: what is known of the formula's value, for the fields that use it.
    """

    text: str
    cuts: tuple[tuple[str, tuple[Fact, ...]], ...]
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
    cuts: list[tuple[str, tuple[Fact, ...]]] = []
    left: dict[str, None] = {}
    text = formula
    while True:
        tree = parse(text)
        rewrite = _FormulaRewrite(tree, _NoTables(), frozenset(), last=True, syntax=_TABLEAU)
        result = rewrite.expression(tree.root, scope)
        left.update(dict.fromkeys(refusal.reason for refusal in rewrite.refusals))
        edits = apart(rewrite.edits)
        if not edits:
            return Folded(text, tuple(cuts), tuple(left), result)
        cuts += [(edit.rule, tuple(sorted(edit.facts, key=str))) for edit in edits]
        text = patched(text, edits)


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
            self._only(node, parts[verdict.scalar], verdict.facts)
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
