"""What an expression can be, given what is known of the columns it names."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from split.sql.scope import ColumnKey, Relation, Scope
from split.sql.values import (
    ANY,
    ANY_TRUTH,
    ANYTHING,
    FALSE,
    TRUE,
    Lit,
    NotComparable,
    Scalar,
    Value,
    apply,
    both,
    constant,
    either,
    equal,
    negated,
    union,
)
from split.sql.variance import Variance, around, variance

Query = Callable[[exp.Expr, Scope], Relation]
"""What is known of a subquery's result."""

Truths = Collection[Scalar]

_SUBSET = (exp.Max, exp.Min, exp.AnyValue, exp.FirstValue, exp.LastValue, exp.NthValue, exp.First, exp.Last)
"""Functions that return one of their argument's values, or NULL."""

_TEXT_FUNCTIONS: dict[type[exp.Expr], Callable[[str], str]] = {
    exp.Lower: str.lower,
    exp.Upper: str.upper,
    exp.Trim: lambda text: text.strip(" "),
}


class Evaluator:
    """Values of expressions. `query` says what a subquery brings."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def value(self, node: exp.Expr, scope: Scope) -> Value:
        """What the expression can be; anything where it is not understood."""
        try:
            return self._value(node, scope)
        except NotComparable:
            return ANY

    def truth(self, node: exp.Expr, scope: Scope) -> Value:
        """The same of a condition."""
        value = self.value(node, scope)
        return ANY_TRUTH if value.now is None or not value.now <= {TRUE, FALSE, None} else value

    def assume(self, node: exp.Expr, scope: Scope, truths: Truths) -> Scope | None:
        """The scope where the condition is one of `truths`; None where that cannot be."""
        node = _bare(node)
        if around(node) - scope.within or not _certain(node):
            return scope
        if isinstance(node, exp.Not):
            return self.assume(node.this, scope, {negated(t) for t in truths})
        pair = (node.this, node.expression) if isinstance(node, exp.And | exp.Or) else None
        decided = FALSE if isinstance(node, exp.And) else TRUE
        if pair is not None and decided not in truths:
            # No operand may be what decides the whole alone; all of them are TRUE (or FALSE), perhaps NULL.
            narrowed: Scope | None = scope
            for operand in pair:
                narrowed = self.assume(operand, narrowed, truths) if narrowed else None
            return narrowed
        if pair is not None:
            return scope if set(self.truth(node, scope).now or ()) & set(truths) else None
        if isinstance(node, exp.EQ) and set(truths) == {TRUE}:
            scope = self._same(node, scope)
        return self._assume_leaf(node, scope, truths)

    def columns(self, node: exp.Expr, scope: Scope) -> dict[ColumnKey, Value] | None:
        """The columns that an expression depends on; None where it depends on anything else that is not known."""
        found: dict[ColumnKey, Value] = {}
        for column in node.find_all(exp.Column):
            key, value = scope.resolve(column)
            if key is None or not value.known:
                return None
            found[key] = value
        return found

    def _assume_leaf(self, node: exp.Expr, scope: Scope, truths: Truths) -> Scope | None:
        known: dict[ColumnKey, Value] = {}
        for column in node.find_all(exp.Column):
            key, value = scope.resolve(column)
            if key is not None and value.known:
                known[key] = value
        if not set(self.truth(node, scope).now or ()) & set(truths):
            return None
        if len(known) == 1:
            [(key, value)] = known.items()

            def admits(scalar: Scalar) -> bool:
                one = self.truth(node, scope.narrow(key, constant(scalar)))
                return bool(set(one.now or ()) & set(truths))

            narrowed = value.where(admits)
            if not narrowed.now:
                return None
            return scope.narrow(key, narrowed)
        return scope

    def _same(self, node: exp.EQ, scope: Scope) -> Scope:
        """Two columns that are equal have only values that both can have."""
        sides = [_bare(node.this), _bare(node.expression)]
        if not all(isinstance(side, exp.Column) for side in sides):
            return scope
        resolved = [scope.resolve(side) for side in sides if isinstance(side, exp.Column)]
        for (key, value), (_, other) in (resolved, resolved[::-1]):
            if key is None or other.now is None:
                continue
            shared = other.where(lambda scalar: scalar is not None)
            if value.known:
                shared = _shared(value, other)
            if shared.now:
                scope = scope.narrow(key, shared)
        return scope

    def _value(self, node: exp.Expr, scope: Scope) -> Value:
        if not _certain(node):
            return ANY
        match node:
            case exp.Paren():
                return self._value(node.this, scope)
            case exp.Column():
                return ANY if isinstance(node.this, exp.Star) else scope.resolve(node)[1]
            case exp.Alias():
                return self._value(node.this, scope)
            case exp.Literal() | exp.Boolean() | exp.Null() | exp.Neg():
                return _constant(node)
            case exp.Not():
                return apply(negated, self.truth(node.this, scope))
            case exp.And():
                return apply(both, *(self._operand(node, operand, scope) for operand in (node.this, node.expression)))
            case exp.Or():
                return apply(either, self.truth(node.this, scope), self.truth(node.expression, scope))
            case exp.EQ():
                return self._compare(node, scope, equal)
            case exp.NEQ():
                return self._compare(node, scope, lambda a, b: negated(equal(a, b)))
            case exp.In() | exp.Like() | exp.ILike() | exp.Is() | exp.Exists():
                return self._predicate(node, scope)
            case exp.Case():
                return self._case(node, scope)
            case exp.If():
                return self._branches([(node.this, node.args["true"])], node.args.get("false"), scope)
            case exp.Coalesce():
                return self._coalesce([node.this, *node.expressions], scope)
            case exp.Nullif():
                return apply(_nullif, self._value(node.this, scope), self._value(node.expression, scope))
            case exp.Lower() | exp.Upper() | exp.Trim():
                return self._text(node, scope)
            case exp.Cast():
                value = self._value(node.this, scope)
                return (
                    Value(value.now, frozenset((ANYTHING, f) for _, f in value.gone)) if value.is_always(None) else ANY
                )
            case _:
                return self._aggregate(node, scope)

    def _operand(self, node: exp.And, operand: exp.Expr, scope: Scope) -> Value:
        """The truth of an operand; any where a Jinja block may leave it out."""
        return ANY_TRUTH if around(operand) - around(node) else self.truth(operand, scope)

    def _aggregate(self, node: exp.Expr, scope: Scope) -> Value:
        match node:
            case exp.Window():
                inner = node.this.this if isinstance(node.this, exp.IgnoreNulls | exp.RespectNulls) else node.this
                if isinstance(inner, exp.Lag | exp.Lead):
                    default = inner.args.get("default")
                    last = self._value(default, scope) if isinstance(default, exp.Expr) else constant(None)
                    return union([self._value(inner.this, scope), last]).or_null()
                return self._value(inner, scope) if isinstance(inner, _SUBSET) else ANY
            case exp.Count() | exp.CountIf():
                inside = node.this
                never = isinstance(inside, exp.Expr) and not isinstance(inside, exp.Star | exp.Distinct)
                value = self._value(inside, scope) if never else ANY
                counted = {TRUE} if isinstance(node, exp.CountIf) else None
                if value.now is not None and (not value.now & {TRUE} if counted else value.is_always(None)):
                    return Value(frozenset({Lit.of(0)}), value.gone)
                return ANY
            case exp.Sum() | exp.Avg():
                value = self._value(node.this, scope) if isinstance(node.this, exp.Expr) else ANY
                return value if value.is_always(None) else ANY
            case _ if isinstance(node, _SUBSET) and isinstance(node.this, exp.Expr) and not node.expressions:
                return self._value(node.this, scope).or_null()
            case _:
                return ANY

    def _compare(self, node: exp.Binary, scope: Scope, function: Callable[[Scalar, Scalar], Scalar]) -> Value:
        left, right = self._value(node.this, scope), self._value(node.expression, scope)
        if constant(None) in (left, right):
            return constant(None)
        return apply(function, left, right)

    def _predicate(self, node: exp.Expr, scope: Scope) -> Value:
        match node:
            case exp.Exists():
                inner = node.this
                relation = self._query(inner, scope)
                if relation.empty is not None:
                    return Value(frozenset({FALSE}), frozenset((TRUE, fact) for fact in relation.empty))
                return Value(frozenset({TRUE, FALSE}))
            case exp.In():
                return self._flip(node, self._in(node, scope))
            case exp.Is():
                return self._flip(node, self._is(node, scope))
            case exp.Like() | exp.ILike():
                return self._flip(node, self._like(node, scope))
            case _:
                return ANY_TRUTH

    def _flip(self, node: exp.Expr, value: Value) -> Value:
        return apply(negated, value) if node.args.get("negate") else value

    def _in(self, node: exp.In, scope: Scope) -> Value:
        query = node.args.get("query")
        if query is not None:
            relation = self._query(query, scope)
            if relation.empty is None:
                return ANY_TRUTH
            return Value(frozenset({FALSE}), frozenset((TRUE, fact) for fact in relation.empty))
        if not node.expressions or node.args.get("unnest") or node.args.get("field"):
            return ANY_TRUTH
        left = self._value(node.this, scope)
        members = [apply(equal, left, self._value(member, scope)) for member in node.expressions]
        found = members[0]
        for member in members[1:]:
            found = apply(either, found, member)
        if len(members) > 1 and left.known:  # the operands are not independent: compute member by member
            scalars = [self._value(member, scope) for member in node.expressions]
            if all(s.now is not None and len(s.now) == 1 for s in scalars):
                listed = [next(iter(s.now or ())) for s in scalars]
                return apply(functools.partial(_in_list, listed), left)
        return found if found.known else ANY_TRUTH

    def _is(self, node: exp.Is, scope: Scope) -> Value:
        value, other = self._value(node.this, scope), node.expression
        if isinstance(other, exp.Null):
            return apply(functools.partial(_same_as, None), value) if value.known else Value(frozenset({TRUE, FALSE}))
        if isinstance(other, exp.Boolean):
            wanted = TRUE if other.this else FALSE
            return apply(functools.partial(_same_as, wanted), value) if value.known else Value(frozenset({TRUE, FALSE}))
        return ANY_TRUTH

    def _like(self, node: exp.Expr, scope: Scope) -> Value:
        value, pattern = self._value(node.this, scope), self._value(node.args["expression"], scope)
        flags = re.DOTALL | (re.IGNORECASE if isinstance(node, exp.ILike) else 0)
        if value.now is None or pattern.now is None:
            return ANY_TRUTH
        return apply(functools.partial(_matches, flags), value, pattern)

    def _case(self, node: exp.Case, scope: Scope) -> Value:
        arms = [(when(node, arm), arm.args["true"]) for arm in node.args["ifs"]]
        return self._branches(arms, node.args.get("default"), scope)

    def _branches(self, arms: Sequence[tuple[exp.Expr, exp.Expr]], default: exp.Expr | None, scope: Scope) -> Value:
        """One of the results whose condition can be true, where the conditions before it are not."""
        results: list[Value] = []
        gone: set[tuple[Scalar, object]] = set()
        rest: Scope | None = scope
        for condition, result in arms:
            if rest is None:
                break
            inside = self.assume(condition, rest, {TRUE})
            if inside is not None:
                results.append(self._value(result, inside))
            else:
                truth = self.truth(condition, rest)
                lost = self._value(result, rest)
                for fact in truth.facts_without(TRUE):
                    gone |= {(scalar, fact) for scalar in (lost.now if lost.now is not None else {ANYTHING})}
            rest = self.assume(condition, rest, {FALSE, None})
        if rest is not None:
            results.append(self._value(default, rest) if default is not None else constant(None))
        value = union(results)
        if value.now is None:
            return value
        more = frozenset(g for g in gone if g[0] not in value.now)
        return Value(value.now, value.gone | more)  # pyright: ignore[reportArgumentType]

    def _coalesce(self, arguments: Sequence[exp.Expr], scope: Scope) -> Value:
        possible: list[Value] = []
        for argument in arguments:
            value = self._value(argument, scope)
            possible.append(value.where(lambda scalar: scalar is not None))
            if not value.can_be(None):
                return union(possible)
        return union([*possible, constant(None)])

    def _text(self, node: exp.Expr, scope: Scope) -> Value:
        if isinstance(node, exp.Trim) and (node.expression or node.args.get("position")):
            return ANY
        function = _TEXT_FUNCTIONS[type(node)]

        def convert(scalar: Scalar) -> Scalar:
            if scalar is None:
                return None
            text = str(scalar.value)
            if scalar.kind != "text" or not text.isascii() or text.strip() != text.strip(" "):
                raise NotComparable  # letters and blanks that the dialects treat differently
            return Lit("text", function(text))

        return apply(convert, self._value(node.this, scope))


def _shared(value: Value, other: Value) -> Value:
    """What a column can be that equals another one; without the facts it could be what both could be."""
    lost = {scalar for scalar, _ in other.gone}
    now = frozenset(v for v in value.now or () if v is not None and other.can_be(v))
    gone = {g for g in value.gone if g[0] is not None and (g[0] is ANYTHING or g[0] in lost or other.can_be(g[0]))}
    gone |= {g for g in other.gone if g[0] is not None and value.can_be(g[0])}
    return Value(now, frozenset(gone))


def when(case: exp.Case, arm: exp.If) -> exp.Expr:
    """The condition of an arm, also of `case x when 1 then`."""
    if case.this is None:
        return arm.this
    return exp.EQ(this=case.this.copy(), expression=arm.this.copy())


def _certain(node: exp.Expr) -> bool:
    """Whether the node says the same whatever Jinja decides; of an AND, operands that it may leave out do not count."""
    varies = variance(node)
    return varies is Variance.none or (varies is Variance.soft and isinstance(node, exp.And | exp.Paren))


def _bare(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _constant(node: exp.Expr) -> Value:
    match node:
        case exp.Null():
            return constant(None)
        case exp.Boolean():
            return constant(TRUE if node.this else FALSE)
        case exp.Literal() if node.is_string:
            return constant(Lit("text", str(node.this)))
        case exp.Literal():
            return _number(str(node.this))
        case exp.Neg() if isinstance(node.this, exp.Literal) and not node.this.is_string:
            return _number("-" + str(node.this.this))
        case _:
            return ANY


def _number(text: str) -> Value:
    try:
        return constant(Lit("number", Decimal(text)))
    except InvalidOperation:
        return ANY


def _in_list(members: Sequence[Scalar], scalar: Scalar) -> Scalar:
    found: Scalar = FALSE
    for member in members:
        found = either(found, equal(scalar, member))
    return found


def _same_as(wanted: Scalar, scalar: Scalar) -> Scalar:
    return TRUE if scalar == wanted else FALSE


def _nullif(scalar: Scalar, other: Scalar) -> Scalar:
    return None if equal(scalar, other) == TRUE else scalar


def _matches(flags: int, scalar: Scalar, like: Scalar) -> Scalar:
    if scalar is None or like is None:
        return None
    if scalar.kind != "text" or like.kind != "text":
        raise NotComparable
    pattern = str(like.value)
    if "\\" in pattern:
        raise NotComparable  # the two dialects escape differently
    if flags & re.IGNORECASE and not (pattern + str(scalar.value)).isascii():
        raise NotComparable
    regex = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return TRUE if re.fullmatch(regex, str(scalar.value), flags) else FALSE
