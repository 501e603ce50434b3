"""Types of expressions, as far as the text and the schema tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from sqlglot import exp

from split.sql.scope import Relation, Scope
from split.sql.types import NULL_TYPE, Type, type_named
from split.sql.variance import Variance, variance

Query = Callable[[exp.Expr, Scope], Relation]
"""What is known of a subquery's result."""

_TEXT, _BOOLEAN, _DATE = Type("TEXT"), Type("BOOLEAN"), Type("DATE")
_INT, _BIGINT, _DOUBLE, _DECIMAL = Type("INT"), Type("BIGINT"), Type("DOUBLE"), Type("DECIMAL")
_FROM_TEXT = {_DATE, Type("TIMESTAMP"), Type("TIMESTAMPTZ"), Type("TIME")}
"""What BigQuery makes of a literal text beside a value of the type."""

_MOST_INT32 = 2**31 - 1
_ANY_KIND = (exp.Max, exp.Min, exp.AnyValue, exp.FirstValue, exp.LastValue, exp.NthValue, exp.First, exp.Last, exp.Lag,
             exp.Lead)  # fmt: skip
_AROUND = (exp.Paren, exp.Alias, exp.Window, exp.IgnoreNulls, exp.RespectNulls, exp.Filter, exp.Neg)
_COUNTS = (exp.Count, exp.CountIf, exp.RowNumber, exp.Rank, exp.DenseRank)
_SUMS_IN_DUCKDB = {_INT: Type("INT128"), _BIGINT: Type("INT128"), _DOUBLE: _DOUBLE}


class Types:
    """Types of expressions in a dialect. `query` says what a subquery brings."""

    def __init__(self, query: Query, dialect: str | None) -> None:
        self._query = query
        self._dialect = dialect
        self._bigquery = dialect == "bigquery"

    def of(self, node: exp.Expr, scope: Scope) -> Type | None:
        """The type of an expression; None where it is not known."""
        if variance(node) is Variance.hard and not isinstance(node, exp.Literal):
            return None
        match node:
            case exp.Column():
                return None if isinstance(node.this, exp.Star) else scope.type(node)
            case exp.Null():
                return NULL_TYPE
            case exp.Literal():
                return self._literal(node)
            case exp.Cast():
                return type_named(node.to, self._dialect)
            case exp.SubqueryPredicate() if not isinstance(node, exp.Exists):
                return None
            case exp.Predicate() | exp.Connector() | exp.Not() | exp.Boolean() | exp.LogicalOr() | exp.LogicalAnd():
                return _BOOLEAN
            case exp.Case() | exp.If() | exp.Coalesce() | exp.Nullif():
                return self._computed(self.agreed(results(node), scope))
            case exp.Subquery():
                types = list(self._query(node, scope).types.values())
                return self._computed(types[0]) if len(types) == 1 else None
            case exp.Distinct() if len(node.expressions) == 1:
                return self.of(node.expressions[0], scope)
            case _ if isinstance(node, _AROUND) and isinstance(node.this, exp.Expr):
                return self.of(node.this, scope)
            case _:
                return self._function(node, scope)

    def agreed(self, nodes: Iterable[exp.Expr], scope: Scope) -> Type | None:
        """The type of what is one of several expressions; None where they differ or one is not known."""
        found = [(node.unnest(), self.of(node, scope)) for node in nodes]
        firm = {type_ for node, type_ in found if not (isinstance(node, exp.Literal) and type_ == _TEXT)} - {NULL_TYPE}
        if self._bigquery and firm and firm <= _FROM_TEXT:
            return self.common(firm)
        return self.common([type_ for _, type_ in found])

    def common(self, types: Iterable[Type | None]) -> Type | None:
        """The type of a column in whose rows there are values of all of these; a bare NULL takes that of the others."""
        distinct = set(types)
        others = distinct - {NULL_TYPE}
        if len(others) == 1:
            return next(iter(others))
        if self._bigquery and others == {_BIGINT, _DOUBLE}:
            return _DOUBLE
        return NULL_TYPE if distinct and not others else None

    def settled(self, relation: Relation) -> Relation:
        """The same where a bare NULL has become a number, as it does in a table."""
        number = _BIGINT if self._bigquery else _INT
        types = {name: number if type_ == NULL_TYPE else type_ for name, type_ in relation.types.items()}
        return replace(relation, types=types)

    def source(self, relation: Relation) -> Relation:
        """A query's result as another query reads it: in BigQuery a bare NULL is a number there."""
        return self.settled(relation) if self._bigquery else relation

    def _literal(self, node: exp.Literal) -> Type | None:
        if node.is_string:
            return _TEXT
        whole = str(node.this).isdigit()
        if self._bigquery:
            return _BIGINT if whole else _DOUBLE
        return _INT if whole and int(str(node.this)) <= _MOST_INT32 else None

    def _computed(self, type_: Type | None) -> Type | None:
        """The type of what is computed of a value; bare NULLs are a number in BigQuery, and elsewhere nobody knows."""
        if type_ == NULL_TYPE:
            return _BIGINT if self._bigquery else None
        return type_

    def _function(self, node: exp.Expr, scope: Scope) -> Type | None:
        if isinstance(node, _COUNTS):
            return _BIGINT
        if isinstance(node, exp.CurrentDate):
            return _DATE
        if not isinstance(node.this, exp.Expr):
            return None
        if isinstance(node, _ANY_KIND):
            default = node.args.get("default")
            return self._computed(self.agreed([node.this, *([default] if default is not None else [])], scope))
        if isinstance(node, exp.Sum | exp.Avg):
            return self._sum(node, self._computed(self.of(node.this, scope)))
        if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div):
            both = self._computed(self.agreed([node.this, node.expression], scope))
            if both not in {_INT, _BIGINT, _DOUBLE}:
                return None
            return _DOUBLE if isinstance(node, exp.Div) else both
        if isinstance(node, exp.Lower | exp.Upper | exp.Trim | exp.DPipe):
            parts = [node.this, node.expression] if isinstance(node, exp.DPipe) else [node.this]
            return _TEXT if any(self.of(part, scope) == _TEXT for part in parts) else None
        return None

    def _sum(self, node: exp.Sum | exp.Avg, of: Type | None) -> Type | None:
        if of is None:
            return None
        if not self._bigquery:
            return _SUMS_IN_DUCKDB.get(of) if isinstance(node, exp.Sum) and self._dialect == "duckdb" else None
        return _DOUBLE if of == _BIGINT and isinstance(node, exp.Avg) else of


def results(node: exp.Expr) -> Sequence[exp.Expr]:
    """What a CASE, IF, COALESCE or NULLIF may return, or takes the type of."""
    match node:
        case exp.Case():
            arms = [arm.args["true"] for arm in node.args["ifs"]]
            return [*arms, *([node.args["default"]] if node.args.get("default") is not None else [])]
        case exp.If():
            return [part for key in ("true", "false") if (part := node.args.get(key)) is not None]
        case exp.Coalesce():
            return [node.this, *node.expressions]
        case _:
            return [node.this, node.expression]
