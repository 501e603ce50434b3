"""How far a condition can be decided, and the edits of conditions: operands, lists, what is left of `<>`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum

from sqlglot import exp

from split.facts import Fact
from split.sql.edits import Edit, delete, keep, without_item
from split.sql.evaluate import Evaluator
from split.sql.infer import Types
from split.sql.scope import Scope
from split.sql.spans import Tree
from split.sql.values import FALSE, TRUE, Lit, Scalar, constant
from split.sql.variance import Variance, variance

_TRUTHS = (exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.In, exp.Like, exp.ILike, exp.Is, exp.Exists)

_CONSTANT = "would leave a constant where a constant changes the query's meaning"


class Reading(Enum):
    """How a condition is read: which of TRUE, FALSE and NULL make a difference to the query."""

    exact = "exact"
    true = "true"
    false = "false"

    def flipped(self) -> Reading:
        """The reading below a NOT."""
        return {Reading.true: Reading.false, Reading.false: Reading.true}.get(self, self)


@dataclass(frozen=True)
class Verdict:
    """A condition that can be replaced by a constant, and the facts that say so."""

    scalar: Scalar
    facts: frozenset[Fact]


@dataclass(frozen=True)
class Refusal:
    """Something that facts bear on and that is left to a person."""

    offset: int
    reason: str


@dataclass(frozen=True)
class Syntax:
    """How a language writes what a cut may have to add, and which words open and close a branch.

    Attributes:
        not_null, null: what comes before and after an expression to ask whether it has a value, or none.
        cast: what comes before and after an expression, and its type, to make it of that type; None where nothing does.
        opens: words before the condition of a branch; the first of them begins the whole.
        closes: words that may follow a branch.
    """

    not_null: tuple[str, str] = ("", " is not null")
    null: tuple[str, str] = ("", " is null")
    cast: tuple[str, str] | None = ("cast(", " as {})")
    opens: frozenset[str] = frozenset({"WHEN"})
    closes: frozenset[str] = frozenset({"WHEN", "ELSE", "END"})


SQL = Syntax()


class Conditions(ABC):
    """The edits of conditions, and what every kind of edit needs.

    Attributes:
        edits: collected so far.
        refusals: what is left to a person.
    """

    def __init__(self, tree: Tree, evaluator: Evaluator, types: Types, syntax: Syntax) -> None:
        self.tree = tree
        self.edits: list[Edit] = []
        self.refusals: list[Refusal] = []
        self._syntax = syntax
        self._evaluator = evaluator
        self._types = types

    @abstractmethod
    def fold(self, node: exp.Expr, scope: Scope, reading: Reading = Reading.exact, *, whole: bool = True) -> None:
        """Collect the edits of an expression. Without `whole` it may not become a constant itself."""

    def refuse(self, node: exp.Expr, reason: str) -> None:
        """Note what is left to a person."""
        span = self.tree.span(node)
        self.refusals.append(Refusal(span[0] if span else 0, reason))

    def verdict(self, node: exp.Expr, scope: Scope, reading: Reading) -> Verdict | None:
        """The constant that a condition is, as far as the reading can tell."""
        match node:
            case exp.Paren():
                return self.verdict(node.this, scope, reading)
            case exp.Not():
                inner = self.verdict(node.this, scope, reading.flipped())
                if inner is None:
                    return None
                return Verdict({TRUE: FALSE, FALSE: TRUE}.get(inner.scalar) if inner.scalar else None, inner.facts)
            case exp.And() | exp.Or() if variance(node) is not Variance.none:
                return self._leaf_verdict(node, scope, reading)
            case exp.And() | exp.Or():
                decides = FALSE if isinstance(node, exp.And) else TRUE
                left = self.verdict(node.this, scope, reading)
                right = self.verdict(node.expression, self._beside(node, scope, reading), reading)
                for one in (left, right):
                    if one is not None and one.scalar == decides:
                        return one
                if left and right and left.scalar == right.scalar and left.scalar is not None:
                    return Verdict(left.scalar, left.facts | right.facts)
                return None
            case _:
                return self._leaf_verdict(node, scope, reading)

    def _beside(self, node: exp.Expr, scope: Scope, reading: Reading) -> Scope:
        """The scope of a right operand: only rows matter for which the left one does not decide the whole."""
        wanted = Reading.true if isinstance(node, exp.And) else Reading.false
        if reading is not wanted or variance(node) is Variance.hard:
            return scope
        truths = {TRUE} if reading is Reading.true else {FALSE}
        return self._evaluator.assume(node.this, scope, truths) or scope

    def _leaf_verdict(self, node: exp.Expr, scope: Scope, reading: Reading) -> Verdict | None:
        if not isinstance(node, _TRUTHS) and not (isinstance(node, exp.Column) and reading is not Reading.exact):
            return None
        truth = self._evaluator.truth(node, scope)
        if truth.now is None:
            return None
        decided: Scalar
        facts: frozenset[Fact]
        if reading is Reading.true and TRUE not in truth.now:
            decided, facts = FALSE, truth.facts_without(TRUE)
        elif reading is Reading.false and FALSE not in truth.now:
            decided, facts = TRUE, truth.facts_without(FALSE)
        elif len(truth.now) == 1:
            decided = next(iter(truth.now))
            facts = frozenset(fact for _, fact in truth.gone)
        else:
            return None
        return Verdict(decided, facts) if facts and self._names_what_is_gone(node, scope) else None

    def _names_what_is_gone(self, node: exp.Expr, scope: Scope) -> bool:
        """Whether the text of a condition names a value that the facts have taken away."""
        match node:
            case exp.Exists():
                return True
            case exp.Column():
                return True
            case exp.In() if node.args.get("query") is not None:
                return True
            case exp.In():
                return any(self._is_gone(node.this, member, scope) for member in node.expressions)
            case exp.EQ() | exp.NEQ():
                sides = (node.this, node.expression)
                return any(self._is_gone(a, b, scope) for a, b in (sides, sides[::-1]))
            case exp.Is():
                value = self._evaluator.value(node.this, scope)
                if isinstance(node.expression, exp.Null):
                    return value.is_always(None) and bool(value.gone)
                return self._is_gone(node.this, node.expression, scope)
            case exp.Like() | exp.ILike():
                value = self._evaluator.value(node.this, scope)
                matches = [
                    self._evaluator.truth(_like(node, scalar), scope).is_always(TRUE)
                    for scalar, _ in value.gone
                    if scalar is not None and scalar.kind == "text"
                ]
                return any(matches)
            case _:
                return False

    def _is_gone(self, expression: exp.Expr, literal: exp.Expr, scope: Scope) -> bool:
        wanted = self._evaluator.value(literal, scope)
        if wanted.now is None or len(wanted.now) != 1 or isinstance(literal, exp.Column):
            return False
        scalar = next(iter(wanted.now))
        return scalar is not None and bool(self._evaluator.value(expression, scope).facts_without(scalar))

    def _operands(self, node: exp.And | exp.Or, scope: Scope, reading: Reading, *, whole: bool) -> None:
        """Take an operand out that cannot decide anything."""
        neutral = TRUE if isinstance(node, exp.And) else FALSE
        beside = self._beside(node, scope, reading)
        span = self.tree.span(node)
        for operand, other, inside in ((node.this, node.expression, scope), (node.expression, node.this, beside)):
            verdict = self.verdict(operand, inside, reading)
            part = self.tree.span(other)
            free = (whole or other.find(exp.Column)) and not self._would_name(node, other)
            if verdict is not None and verdict.scalar == neutral and span and part and free:
                self.edits.append(keep("an operand that decides nothing", verdict.facts, span, part))
                return
        self.fold(node.this, scope, reading, whole=whole)
        self.fold(node.expression, beside, reading, whole=whole)

    def _would_name(self, node: exp.Expr, part: exp.Expr) -> bool:
        """Whether an item of a select list that has no name would get one, that of the column that is left."""
        while isinstance(part, exp.Paren):
            part = part.this
        if not isinstance(part, exp.Column):
            return False
        while isinstance(node.parent, exp.Paren):
            node = node.parent
        if not isinstance(node.parent, exp.Select) or node not in node.parent.selects:
            return False
        self.refuse(node, "a column without a name would get one")
        return True

    def _leaf(self, node: exp.Expr, scope: Scope, reading: Reading) -> bool:
        """Edits of a condition on one column, `x not in (…)` among them; False where there are none."""
        positive = node.this if isinstance(node, exp.Not) else node
        if not isinstance(positive, exp.EQ | exp.NEQ | exp.In | exp.Like | exp.ILike):
            return False
        if reading is not Reading.exact and self._not_null(node, positive, scope, reading):
            return True
        return isinstance(positive, exp.In) and self._shorter_list(positive, scope)

    def _not_null(self, node: exp.Expr, positive: exp.Expr, scope: Scope, reading: Reading) -> bool:
        """`brand <> 'E'` holds for every value that is left, but not for NULL."""
        columns = self._evaluator.columns(node, scope)
        named = list(node.find_all(exp.Column))
        if columns is None or len(columns) != 1 or not self._names_what_is_gone(positive, scope):
            return False
        if isinstance(positive, exp.In) and not all(
            self._is_gone(positive.this, m, scope) for m in positive.expressions
        ):
            return False  # it names values that are still there: the list gets shorter, and stays
        [(key, value)] = columns.items()
        wanted = TRUE if reading is Reading.true else FALSE
        for scalar in value.now or ():
            truth = self._evaluator.truth(node, scope.narrow(key, constant(scalar)))
            if truth.can_be(wanted) == (scalar is None) or len(truth.now or ()) != 1:
                return False
        node_span, column_span = self.tree.span(node), self.tree.span(named[0])
        if node_span is None or column_span is None or value.now == frozenset():
            return False
        facts = frozenset(fact for _, fact in value.gone)
        before, after = self._syntax.not_null if reading is Reading.true else self._syntax.null
        self.edits.append(keep("only NULL is kept out", facts, node_span, column_span, before=before, after=after))
        return True

    def _shorter_list(self, node: exp.In, scope: Scope) -> bool:
        members = node.expressions
        gone = [m for m in members if self._is_gone(node.this, m, scope)]
        spans = [self.tree.span(m) for m in members]
        if not gone or len(gone) == len(members) or None in spans or variance(node) is Variance.hard:
            return False
        known = [s for s in spans if s is not None]
        place = next(i for i, m in enumerate(members) if m is gone[0])
        literal = next(iter(self._evaluator.value(gone[0], scope).now or ()))
        facts = self._evaluator.value(node.this, scope).facts_without(literal)
        self.edits.append(delete("a member of a list", facts, without_item(known, place)))
        return True


def _like(node: exp.Expr, scalar: Lit) -> exp.Expr:
    """The same LIKE, not negated, of one text."""
    pattern = node.args["expression"].copy()
    return type(node)(this=exp.Literal.string(str(scalar.value)), expression=pattern)
