"""The edits of expressions with branches: CASE, IF, COALESCE, NULLIF, and windows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from split.facts import Fact
from split.sql.conditions import Conditions, Reading
from split.sql.edits import Edit, delete, keep, replace, without_item
from split.sql.evaluate import when
from split.sql.infer import results
from split.sql.scope import Scope
from split.sql.spans import Span
from split.sql.types import NULL_TYPE, Type
from split.sql.values import FALSE, TRUE, Scalar
from split.sql.variance import Variance, variance

_TRUTHS = (exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.In, exp.Like, exp.ILike, exp.Is, exp.Exists)

_CONSTANT = "would leave a constant where a constant changes the query's meaning"


class Branches(Conditions):
    """The edits of expressions of which only a part can be reached."""

    def _case(self, node: exp.Case, scope: Scope, *, whole: bool) -> None:
        arms: list[exp.If] = node.args["ifs"]
        default: exp.Expr | None = node.args.get("default")
        span = self.tree.span(node)
        varies = variance(node) is not Variance.none
        rest: Scope | None = scope
        for place, arm in enumerate(arms):
            if rest is None or span is None or varies:
                break
            condition = when(node, arm)
            verdict = self.verdict(condition, rest, Reading.true)
            if verdict is not None and verdict.scalar == FALSE:
                if len(arms) == 1:
                    if whole or (default is not None and default.find(exp.Column)):
                        self._only(node, default, verdict.facts, scope)
                        return
                    self.refuse(node, _CONSTANT)
                    return
                left = [r for r in results(node) if r is not arm.args["true"]]
                if whole and all(isinstance(r.unnest(), exp.Null) for r in left):
                    self._only(node, None, verdict.facts, scope)
                    return
                risk = self._type_at_risk([arm.args["true"]], left, scope)
                edit = delete("a branch that is never taken", verdict.facts, self._arm(arm), type_at_risk=risk)
                self.edits.append(edit)
                return
            if verdict is not None and verdict.scalar == TRUE and (whole or place):
                if place == 0:
                    self._only(node, arm.args["true"], verdict.facts, scope)
                else:
                    self._last(node, arm, verdict.facts, scope)
                return
            rest = self._evaluator.assume(condition, rest, {FALSE, None})
        self._inside_arms(node, [(a.this, a.args["true"]) for a in arms], default, scope, compared=node.this)

    def _if(self, node: exp.If, scope: Scope, *, whole: bool) -> None:
        verdict = self.verdict(node.this, scope, Reading.true)
        if verdict is not None and variance(node) is Variance.none:
            part = node.args["true"] if verdict.scalar == TRUE else node.args.get("false")
            if whole or (part is not None and part.find(exp.Column)):
                self._only(node, part, verdict.facts, scope)
            else:
                self.refuse(node, _CONSTANT)
            return
        self._inside_arms(node, [(node.this, node.args["true"])], node.args.get("false"), scope, compared=None)

    def _inside_arms(
        self, node: exp.Expr, arms: Sequence[tuple[exp.Expr, exp.Expr]], default: exp.Expr | None, scope: Scope,
        *, compared: exp.Expr | None,
    ) -> None:  # fmt: skip
        rest: Scope | None = scope
        for condition, result in arms:
            if rest is None:
                return
            tested = condition if compared is None else exp.EQ(this=compared.copy(), expression=condition.copy())
            if compared is None:
                self.fold(condition, rest, Reading.true)
            inside = self._evaluator.assume(tested, rest, {TRUE}) if variance(node) is not Variance.hard else rest
            if inside is not None:
                self.fold(result, inside)
            if variance(node) is Variance.none:
                rest = self._evaluator.assume(tested, rest, {FALSE, None})
        if default is not None and rest is not None:
            self.fold(default, rest)

    def _only(self, node: exp.Expr, part: exp.Expr | None, facts: frozenset[Fact], scope: Scope) -> None:
        """Only this branch is left; NULL where it is not written."""
        span = self.tree.span(node)
        if span is None:
            return
        whole = self._types.agreed(results(node), scope)
        if part is None:
            written = self._null(whole)
            self.edits.append(replace("no branch is ever taken", facts, span, written, type_at_risk=written == "null"))
        elif (inner := self.tree.span(part)) and not self._would_name(node, part):
            own = self._types.of(part, scope)
            cast = self._cast(whole) if own is not None and own != whole else None
            before, after = cast or _marks(node, part)
            risk = cast is None and self._type_at_risk([r for r in results(node) if r is not part], [part], scope)
            edit = keep("only one branch is taken", facts, span, inner, before=before, after=after, type_at_risk=risk)
            self.edits.append(edit)

    def _written(self, scalar: Scalar) -> str:
        if scalar is None:
            return self._null(Type("BOOLEAN"))
        return "true" if scalar == TRUE else "false"

    def _null(self, type_: Type | None) -> str:
        """NULL, of a type where one is known."""
        before, after = self._cast(type_) or ("", "")
        return f"{before}null{after}"

    def _cast(self, type_: Type | None) -> tuple[str, str] | None:
        """What makes an expression one of a type; None where the type is not known."""
        if type_ in (None, NULL_TYPE) or self._syntax.cast is None or self.tree.dialect is None:
            return None
        before, after = self._syntax.cast
        return before, after.format(type_.written(self.tree.dialect))

    def _type_at_risk(self, removed: Sequence[exp.Expr], left: Sequence[exp.Expr], scope: Scope) -> bool:
        """Whether the results that go may have given the whole a type that the others do not."""
        if all(isinstance(r.unnest(), exp.Null) for r in removed):
            return False
        kept = self._types.agreed(left, scope)
        return kept is None or kept != self._types.agreed([*removed, *left], scope)

    def _arm(self, arm: exp.If) -> Span:
        """From the word that opens a branch to the next branch, ELSE or END."""
        condition, result = self.tree.span(arm.this), self.tree.span(arm.args["true"])
        assert condition is not None
        assert result is not None
        words, syntax = self.tree.tokens, self._syntax
        start = [t.start for t in words if t.text.upper() in syntax.opens and t.start < condition[0]][-1]
        end = next(t for t in words if t.text.upper() in syntax.closes and t.start >= result[1])
        first = next(t for t in words if t.start == start)
        if first.text.upper() == end.text.upper() or end.text.upper() not in syntax.opens:
            return start, end.start
        # `IF a THEN x ELSEIF b`: the first branch goes without its IF, and the second loses its ELSEIF instead.
        return condition[0], next(t.start for t in words if t.start > end.start)

    def _last(self, node: exp.Case, arm: exp.If, facts: frozenset[Fact], scope: Scope) -> None:
        """An arm that is always taken becomes the ELSE."""
        start, _ = self._arm(arm)
        span, result = self.tree.span(node), self.tree.span(arm.args["true"])
        if span is None or result is None:
            return
        end = max(t.start for t in self.tree.tokens_in(*span))  # END
        cuts = tuple(c for c in ((start, result[0]), (result[1], end)) if c[0] < c[1])
        inserts = ((start, "else "), (result[1], " "))
        arms: list[exp.If] = node.args["ifs"]
        kept = [a.args["true"] for a in arms[: next(i for i, a in enumerate(arms) if a is arm) + 1]]
        gone = [r for r in results(node) if not any(r is k for k in kept)]
        risk = self._type_at_risk(gone, kept, scope)
        self.edits.append(Edit("a branch that is always taken", facts, span, cuts, inserts, risk))

    def _coalesce(self, node: exp.Coalesce, scope: Scope) -> None:
        arguments = [node.this, *node.expressions]
        spans = [self.tree.span(a) for a in arguments]
        for place, argument in enumerate(arguments):
            value = self._evaluator.value(argument, scope)
            certain = variance(node) is Variance.none and len(arguments) > 2 and None not in spans
            if value.is_always(None) and value.gone and certain:
                known = [s for s in spans if s is not None]
                facts = frozenset(fact for _, fact in value.gone)
                cut = without_item(known, place)
                risk = self._type_at_risk([argument], [a for a in arguments if a is not argument], scope)
                self.edits.append(delete("an argument that is always NULL", facts, cut, type_at_risk=risk))
                return
        for argument in arguments:
            self.fold(argument, scope)

    def _nullif(self, node: exp.Nullif, scope: Scope) -> None:
        span, part = self.tree.span(node), self.tree.span(node.this)
        names = self._would_name(node, node.this)
        if self._is_gone(node.this, node.expression, scope) and span and part and not names:
            literal = next(iter(self._evaluator.value(node.expression, scope).now or ()))
            facts = self._evaluator.value(node.this, scope).facts_without(literal)
            before, after = _marks(node, node.this)
            self.edits.append(keep("a value that never comes", facts, span, part, before=before, after=after))
            return
        self.fold(node.this, scope)

    def _window(self, node: exp.Window, scope: Scope) -> None:
        """The window stays whole: only what is inside its function's arguments may get shorter."""
        for child in node.iter_expressions():
            if isinstance(child, exp.CountIf | exp.Filter):
                self.fold(child, scope, whole=False)
            elif child is node.this:
                for argument in child.iter_expressions():
                    self.fold(argument, scope)
            else:
                self.fold(child, scope, whole=False)


def _marks(node: exp.Expr, part: exp.Expr) -> tuple[str, str]:
    """Parentheses around a part that stays in the place of the whole, where it would else bind differently."""
    loose = isinstance(part, exp.Binary | exp.Connector | exp.Not | exp.Neg | exp.Between | exp.In | exp.Is)
    return ("(", ")") if loose and not isinstance(node.parent, exp.Alias | exp.Paren) else ("", "")
