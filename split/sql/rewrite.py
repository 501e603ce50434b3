"""Partial evaluation of a query: what the facts leave of it, as edits of its own text.

Every edit replaces a node by one of its parts, by a constant, or takes an item out of a list; nothing is written anew.
Conditions are read in three ways: by value (NULL and FALSE differ), for being true (WHERE, ON, CASE WHEN), or, below a
NOT there, for being false. An edit needs a fact whose value the text names: a Commercial filter that has become
redundant stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sqlglot import exp

from split.facts import Fact
from split.sql.edits import Edit, delete, keep, replace, without_item
from split.sql.evaluate import when
from split.sql.queries import Catalog, Queries
from split.sql.scope import Relation, Scope
from split.sql.spans import Span, Tree
from split.sql.types import Type, type_of, type_of_all
from split.sql.values import FALSE, TRUE, Lit, Scalar, Value, constant
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
        typed_null: how NULL of a type is written; None where a bare one does.
        opens: words before the condition of a branch; the first of them begins the whole.
        closes: words that may follow a branch.
    """

    not_null: tuple[str, str] = ("", " is not null")
    null: tuple[str, str] = ("", " is null")
    typed_null: str | None = "cast(null as {})"
    opens: frozenset[str] = frozenset({"WHEN"})
    closes: frozenset[str] = frozenset({"WHEN", "ELSE", "END"})


SQL = Syntax()


class Rewrite:
    """The edits of one pass over one query.

    Args:
        used_before: names that the text read before any cut: a CTE goes when it was read and is not any more.
        last: write `false` for conditions that never hold. Before that pass they stay, so that what they say of the
            query's rows can be used.
    """

    def __init__(
        self, tree: Tree, catalog: Catalog, used_before: frozenset[str], *, last: bool = False, syntax: Syntax = SQL
    ) -> None:
        self.tree = tree
        self._syntax = syntax
        self._last_pass = last
        self.edits: list[Edit] = []
        self.refusals: list[Refusal] = []
        self._used_before = used_before
        self._catalog = catalog
        self._queries = Queries(catalog, self)
        self._evaluator = self._queries.evaluator

    def run(self) -> Relation:
        """Collect the edits; returns what is known of the query's result."""
        result = self._queries.relation(self.tree.root, Scope({}), record=True)
        self._drop_ctes()
        return result

    def expression(self, node: exp.Expr, scope: Scope) -> Value:
        """Collect the edits of an expression that stands alone; returns what is known of it."""
        self.fold(node, scope)
        return self._evaluator.value(node, scope)

    # What Queries calls while it walks.

    def refuse(self, node: exp.Expr, reason: str) -> None:
        """Note what is left to a person."""
        span = self.tree.span(node)
        self.refusals.append(Refusal(span[0] if span else 0, reason))

    def condition(self, clause: exp.Expr, scope: Scope, *, removable: bool) -> None:
        """A WHERE, HAVING or ON. `removable`: the clause itself goes where it is always true."""
        node = clause.this if removable else clause
        verdict = self.verdict(node, scope, Reading.true)
        if verdict is not None and verdict.scalar == TRUE and removable and (span := self.tree.span(clause)):
            self.edits.append(delete("a condition that always holds", verdict.facts, span))
            return
        if verdict is not None and verdict.scalar != TRUE and not self._last_pass:
            return
        self.fold(node, scope, Reading.true)

    def join_condition(self, on: exp.Expr, scope: Scope, side: str) -> None:
        """An ON. That of an outer join stays a condition: some engines join on no constant."""
        if side and self.verdict(on, scope, Reading.true) is not None:
            return
        self.condition(on, scope, removable=False)

    def qualify(self, clause: exp.Expr, scope: Scope, windows: frozenset[str]) -> None:
        """A QUALIFY: all of its edits where a window is left in it, or none."""
        before = len(self.edits)
        self.fold(clause, scope, Reading.true)
        made = self.edits[before:]
        cuts = [cut for edit in made for cut in edit.deletes]

        def stays(node: exp.Expr) -> bool:
            span = self.tree.span(node)
            return span is not None and not any(a < span[1] and span[0] < b for a, b in cuts)

        named = [c for c in clause.find_all(exp.Column) if not c.table and c.name.lower() in windows]
        if made and not any(stays(node) for node in [*clause.find_all(exp.Window), *named]):
            del self.edits[before:]
            self.refuse(clause, "QUALIFY would be left without a window")

    def fold(self, node: exp.Expr, scope: Scope, reading: Reading = Reading.exact, *, whole: bool = True) -> None:
        """Collect the edits of an expression. Without `whole` it may not become a constant itself."""
        if isinstance(node, exp.Paren):
            self.fold(node.this, scope, reading, whole=whole)
            return
        if isinstance(node, exp.Alias):
            self.fold(node.this, scope, reading, whole=whole)
            return
        if isinstance(node, exp.Query):
            self._queries.relation(node, scope, record=True)
            return
        if isinstance(node, exp.Escape):
            self.fold(node.this.this, scope, whole=whole)
            return
        if whole and (verdict := self.verdict(node, scope, reading)) and (span := self.tree.span(node)):
            self.edits.append(
                replace("a condition that is decided", verdict.facts, span, self._written(verdict.scalar))
            )
            return
        match node:
            case exp.And() | exp.Or():
                self._operands(node, scope, reading, whole=whole)
            case exp.Not() if self.tree.span(node) != self.tree.span(node.this):
                self.fold(node.this, scope, reading.flipped(), whole=whole)
            case exp.Case():
                self._case(node, scope, whole=whole)
            case exp.If():
                self._if(node, scope, whole=whole)
            case exp.Coalesce():
                self._coalesce(node, scope)
            case exp.Nullif():
                self._nullif(node, scope)
            case exp.CountIf() if isinstance(node.this, exp.Expr):
                self.fold(node.this, scope, Reading.true)
            case exp.Filter():
                self.fold(node.this, scope, whole=False)
                self.fold(node.expression.this, scope, Reading.true)
            case exp.Window():
                self._window(node, scope)
            case _:
                if not self._leaf(node, scope, reading):
                    # `x not in (…)`: the NOT stands inside the range of what it negates, which is no node to replace.
                    inner = node.this if isinstance(node, exp.Not) else node
                    for child in inner.iter_expressions():
                        self.fold(child, scope, whole=whole and not isinstance(node, exp.Ordered))

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

    # Conditions

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

    # Expressions with branches

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
                        self._only(node, default, verdict.facts)
                        return
                    self.refuse(node, _CONSTANT)
                    return
                results = [*(a.args["true"] for a in arms if a is not arm), *([default] if default else [])]
                risk = self._type_at_risk([arm.args["true"]], results)
                edit = delete("a branch that is never taken", verdict.facts, self._arm(arm), type_at_risk=risk)
                self.edits.append(edit)
                return
            if verdict is not None and verdict.scalar == TRUE and (whole or place):
                if place == 0:
                    self._only(node, arm.args["true"], verdict.facts)
                else:
                    self._last(node, arm, verdict.facts)
                return
            rest = self._evaluator.assume(condition, rest, {FALSE, None})
        self._inside_arms(node, [(a.this, a.args["true"]) for a in arms], default, scope, compared=node.this)

    def _if(self, node: exp.If, scope: Scope, *, whole: bool) -> None:
        verdict = self.verdict(node.this, scope, Reading.true)
        if verdict is not None and variance(node) is Variance.none:
            part = node.args["true"] if verdict.scalar == TRUE else node.args.get("false")
            if whole or (part is not None and part.find(exp.Column)):
                self._only(node, part, verdict.facts)
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

    def _only(self, node: exp.Expr, part: exp.Expr | None, facts: frozenset[Fact]) -> None:
        """Only this branch is left; NULL where it is not written."""
        span = self.tree.span(node)
        if span is None:
            return
        removed = [r for r in _results(node) if r is not part]
        if part is None:
            type_ = type_of_all(removed)
            written = self._null(type_)
            self.edits.append(replace("no branch is ever taken", facts, span, written, type_at_risk=written == "null"))
        elif (inner := self.tree.span(part)) and not self._would_name(node, part):
            before, after = _marks(node, part)
            risk = self._type_at_risk(removed, [part])
            edit = keep("only one branch is taken", facts, span, inner, before=before, after=after, type_at_risk=risk)
            self.edits.append(edit)

    def _written(self, scalar: Scalar) -> str:
        if scalar is None:
            return self._null(Type("BOOLEAN"))
        return "true" if scalar == TRUE else "false"

    def _null(self, type_: Type | None) -> str:
        """NULL, of a type where one is known."""
        if type_ is None or self._syntax.typed_null is None or self.tree.dialect is None:
            return "null"
        return self._syntax.typed_null.format(type_.written(self.tree.dialect))

    def _type_at_risk(self, removed: Sequence[exp.Expr], left: Sequence[exp.Expr]) -> bool:
        """Whether the results that go may have given the whole a type that the others do not."""
        typed = [type_of(r) for r in removed if not isinstance(r, exp.Null)]
        kept = type_of_all([r for r in left if not isinstance(r, exp.Null)])
        return bool(typed) and any(t is None or t != kept for t in typed)

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

    def _last(self, node: exp.Case, arm: exp.If, facts: frozenset[Fact]) -> None:
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
        risk = self._type_at_risk([r for r in _results(node) if not any(r is k for k in kept)], kept)
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
                self.edits.append(delete("an argument that is always NULL", facts, cut, type_at_risk=True))
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

    # Queries

    def empty_branch(self, node: exp.SetOperation, left: Relation, right: Relation) -> None:
        """Take the branch of a UNION out that has no rows."""
        if not isinstance(node, exp.Union) or (left.empty is None) == (right.empty is None):
            return
        a, b = self.tree.span(node.this), self.tree.span(node.expression)
        facts = left.empty or right.empty or frozenset[Fact]()
        if a is None or b is None or not facts:
            return
        kept = node.this if right.empty is not None else node.expression
        inserts: tuple[tuple[int, str], ...] = ()
        if node.args.get("distinct"):
            if not isinstance(kept, exp.Select) or node.find_ancestor(exp.SetOperation):
                self.refuse(node, "a branch of a UNION DISTINCT without rows")
                return
            distinct = kept.args.get("distinct")
            if distinct is not None and distinct.args.get("on") is not None:
                self.refuse(node, "a branch of a UNION DISTINCT without rows beside a DISTINCT ON")
                return
            if distinct is None:
                word = next(t for t in self.tree.tokens if t.start >= self._body(kept) and t.text.upper() == "SELECT")
                inserts = ((word.end + 1, " distinct"),)
        if right.empty is not None:
            cut = (a[1], b[1])
        else:
            if [c.alias_or_name.lower() for c in node.this.selects] != [
                c.alias_or_name.lower() for c in node.expression.selects
            ]:
                self.refuse(node, "the first branch of a UNION has no rows, but gives the columns their names")
                return
            cut = (self._body(node.this), b[0])
        span = (cut[0], max(a[1], b[1]))
        self.edits.append(Edit("a branch of a UNION without rows", facts, span, (cut,), inserts, type_at_risk=True))

    def empty_join(self, select: exp.Select, join: exp.Join, name: str, facts: frozenset[Fact]) -> None:
        """Take a LEFT JOIN out that finds no row; the columns it brought become NULL."""
        columns = [c for c in select.find_all(exp.Column) if _first_part(c) == name and not _within(c, join)]
        grouped = isinstance(select.args.get("group"), exp.Group)
        unclear = [
            c
            for c in columns
            if c.table.lower() != name  # a path into a struct
            or isinstance(c.this, exp.Star)
            or (grouped and not isinstance(c.find_ancestor(exp.AggFunc, exp.Select), exp.AggFunc))
            or (c.find_ancestor(exp.Query) is not select and _defined_inside(c, select, name))
        ]
        stars = [p for p in select.selects if p.is_star]
        blocked = (
            stars
            or unclear
            or self._catalog.unread(name)
            or any(self._catalog.is_opaque(c.name) for p in select.selects for c in p.find_all(exp.Column))
            or join.args.get("using")
            or any(
                _within(c, select.args.get(clause))
                for c in columns
                for clause in ("group", "order", "qualify", "where", "joins")
                if isinstance(select.args.get(clause), exp.Expr)
            )
            or any(_within(c, other) for c in columns for other in select.args.get("joins", []) if other is not join)
        )
        unqualified = any(not c.table and not isinstance(c.this, exp.Star) for c in select.find_all(exp.Column))
        span = self.tree.span(join)
        if blocked or (unqualified and len(select.args.get("joins", [])) > 0) or span is None:
            self.refuse(
                join, f"the join to {name} finds no row any more; its columns are used where NULL is no substitute"
            )
            return
        places = [self.tree.span(column) or span for column in columns]
        whole = (min([span[0], *(p[0] for p in places)]), max([span[1], *(p[1] for p in places)]))
        inserts = tuple(
            (place[0], f"null as {column.name}" if column.parent is select else "null")
            for column, place in zip(columns, places, strict=True)
        )
        cuts = tuple(sorted([*places, span]))
        self.edits.append(Edit("a join without rows", facts, whole, cuts, inserts, type_at_risk=bool(columns)))

    def _body(self, query: exp.Expr) -> int:
        """Where a query starts after its WITH."""
        span = self.tree.span(query)
        assert span is not None
        with_ = query.args.get("with_")
        inner = self.tree.span(with_) if with_ is not None else None
        if inner is None:
            return span[0]
        return next(t.start for t in self.tree.tokens if t.start >= inner[1])

    def _drop_ctes(self) -> None:
        """CTEs that were used, and are not any more."""
        used = used_names(self.tree.root)
        for with_ in self.tree.root.find_all(exp.With):
            ctes = with_.expressions
            spans = [self.tree.span(c) for c in ctes]
            dead = [
                i
                for i, c in enumerate(ctes)
                if c.alias.lower() in self._used_before - used and not self._catalog.unread(c.alias)
            ]
            if not dead or None in spans or with_.args.get("recursive"):
                continue
            known = [s for s in spans if s is not None]
            whole = self.tree.span(with_)
            if len(ctes) == 1 and whole is not None:
                after = next(t.start for t in self.tree.tokens if t.start >= whole[1])
                self.edits.append(delete("a CTE that nothing reads any more", (), (whole[0], after)))
            else:
                self.edits.append(delete("a CTE that nothing reads any more", (), without_item(known, dead[0])))


def used_names(root: exp.Expr) -> frozenset[str]:
    """Names of tables and CTEs that a query reads."""
    return frozenset(table.name.lower() for table in root.find_all(exp.Table))


def _results(node: exp.Expr) -> list[exp.Expr]:
    """What a CASE or IF may return."""
    if isinstance(node, exp.Case):
        arms = [arm.args["true"] for arm in node.args["ifs"]]
        return [*arms, *([node.args["default"]] if node.args.get("default") is not None else [])]
    return [part for key in ("true", "false") if (part := node.args.get(key)) is not None]


def _marks(node: exp.Expr, part: exp.Expr) -> tuple[str, str]:
    """Parentheses around a part that stays in the place of the whole, where it would else bind differently."""
    loose = isinstance(part, exp.Binary | exp.Connector | exp.Not | exp.Neg | exp.Between | exp.In | exp.Is)
    return ("(", ")") if loose and not isinstance(node.parent, exp.Alias | exp.Paren) else ("", "")


def _first_part(column: exp.Column) -> str:
    return column.parts[0].name.lower()


def _defined_inside(column: exp.Column, select: exp.Select, name: str) -> bool:
    """Whether a query between the column and the SELECT has a source of the same name."""
    place = column.find_ancestor(exp.Select)
    while isinstance(place, exp.Select) and place is not select:
        if any(source.alias_or_name.lower() == name for source in place.find_all(exp.Table, exp.Subquery)):
            return True
        place = place.find_ancestor(exp.Select)
    return False


def _within(node: exp.Expr, ancestor: object) -> bool:
    place: exp.Expr | None = node
    while place is not None:
        if place is ancestor:
            return True
        place = place.parent
    return False


def _like(node: exp.Expr, scalar: Lit) -> exp.Expr:
    """The same LIKE, not negated, of one text."""
    pattern = node.args["expression"].copy()
    return type(node)(this=exp.Literal.string(str(scalar.value)), expression=pattern)
