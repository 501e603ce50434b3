"""Expressions and conditions, node by node; what has no branch here is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from sandbox.netsuite.errors import RestError, invalid_query
from sandbox.netsuite.schema import Kind
from sandbox.netsuite.suiteql import functions
from sandbox.netsuite.suiteql.query import Query, Value, as_text, quoted
from sandbox.netsuite.suiteql.scope import Scope
from sandbox.netsuite.suiteql.session import Session

MOST_IN_ITEMS = 1_000
_NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+")
_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}


class Expressions:
    """Translates the expressions of one SELECT.

    Args:
        subquery: translates a SELECT inside a condition, which sees this scope from inside.
    """

    def __init__(self, scope: Scope, session: Session, subquery: Callable[[exp.Expr, Scope], Query]) -> None:
        self._scope = scope
        self._session = session
        self._subquery = subquery

    def value(self, node: exp.Expr) -> Value:
        """The DuckDB expression of a value. Raises RestError for what SuiteQL does not know."""
        match node:
            case exp.Paren():
                inner = self.value(node.this)
                return Value(f"({inner.sql})", inner.kind, inner.display, inner.literal, inner.aggregate)
            case exp.Literal():
                return _literal(node)
            case exp.Null():
                return Value("NULL", Kind.TEXT)
            case exp.Neg():
                inner = self._number(node.this)
                return Value(f"(-{inner.sql})", inner.kind, aggregate=inner.aggregate)
            case exp.Column() if not node.args.get("db") and isinstance(node.this, exp.Identifier):
                return self._scope.column(node.name.lower(), node.table.lower() or None)
            case exp.CurrentTimestamp() if node.args.get("sysdate"):
                return Value(self._session.local_now, Kind.DATETIME)
            case exp.Systimestamp():
                return Value(self._session.local_now, Kind.ZONED)
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Div():
                return self._arithmetic(node)
            case exp.DPipe():
                return functions.call("CONCAT", [self.value(node.left), self.value(node.right)], self._session)
            case exp.Case():
                return self._case(node)
            case exp.Dot() if node.this.name.upper() == "BUILTIN" and isinstance(node.expression, exp.Anonymous):
                return self._call(f"BUILTIN.{node.expression.name}", node.expression)
            case exp.Anonymous():
                return self._call(node.name, node)
            case _:
                raise _unsupported(node)

    def condition(self, node: exp.Expr) -> str:
        """The DuckDB expression of a condition. Raises RestError for what SuiteQL does not know."""
        match node:
            case exp.And() | exp.Or():
                word = " AND " if isinstance(node, exp.And) else " OR "
                return "(" + word.join(self.condition(part) for part in node.flatten(unnest=False)) + ")"
            case exp.Not():
                return f"(NOT {self.condition(node.this)})"
            case exp.Paren():
                return f"({self.condition(node.this)})"
            case exp.Is() if isinstance(node.expression, exp.Null):
                return f"({self.value(node.this).sql} IS NULL)"
            case exp.Between():
                value = self.value(node.this)
                low, high = self._like(value, node.args["low"]), self._like(value, node.args["high"])
                return f"({value.sql} BETWEEN {low} AND {high})"
            case exp.In():
                return self._in(node)
            case exp.Exists():
                return f"(EXISTS (SELECT 1 FROM {self._subquery(node.this, self._scope).relation}))"
            case exp.Like() | exp.Escape():
                return self._matches(node)
            case _ if type(node) in _COMPARISONS:
                return self._comparison(node)
            case _:
                raise _unsupported(node)

    def _comparison(self, node: exp.Expr) -> str:
        assert isinstance(node, exp.Binary)
        left, right = self.value(node.left), self.value(node.right)
        if left.literal is not None and right.literal is None:
            left = Value(self._fitting(right, left), right.kind)
        else:
            right = Value(self._fitting(left, right), left.kind)
        return f"({left.sql} {_COMPARISONS[type(node)]} {right.sql})"

    def _in(self, node: exp.In) -> str:
        value = self.value(node.this)
        if query := node.args.get("query"):
            inner = self._subquery(query.unnest() if isinstance(query, exp.Subquery) else query, self._scope)
            if len(inner.names) != 1:
                raise invalid_query("ORA-00913: too many values")
            return f"({value.sql} IN (SELECT c0 FROM {inner.relation}))"
        if len(node.expressions) > MOST_IN_ITEMS:
            raise invalid_query("ORA-01795: maximum number of expressions in a list is 1000")
        return f"({value.sql} IN ({', '.join(self._like(value, item) for item in node.expressions)}))"

    def _matches(self, node: exp.Expr) -> str:
        escape = ""
        if isinstance(node, exp.Escape):
            sign = node.expression
            if not (isinstance(sign, exp.Literal) and sign.is_string and len(sign.name) == 1):
                raise invalid_query("ORA-01425: escape character must be character string of length 1")
            escape = f" ESCAPE {quoted(sign.name)}"
            node = node.this
        if not isinstance(node, exp.Like):
            raise _unsupported(node)
        value, pattern = self.value(node.this), self.value(node.expression)
        if not pattern.kind.is_text:
            raise _unsupported(node)
        text = as_text(value.sql, value.kind, self._session.date_format)
        return f"({text} {'NOT ' if node.args.get('negate') else ''}LIKE {pattern.sql}{escape})"

    def _like(self, value: Value, node: exp.Expr) -> str:
        return self._fitting(value, self.value(node))

    def _fitting(self, value: Value, other: Value) -> str:
        """`other`, made comparable with `value` as Oracle would; no literal becomes a date by itself."""
        if other.sql == "NULL" or value.sql == "NULL" or value.kind == other.kind:
            return other.sql
        if value.kind.is_number and other.kind.is_text:
            if other.literal is not None and not re.fullmatch(rf"\s*-?({_NUMBER.pattern})\s*", other.literal):
                raise invalid_query("ORA-01722: invalid number")
            return f"CAST({other.sql} AS DECIMAL(38, 9))"
        if value.kind.is_text and other.kind.is_number:
            return as_text(other.sql, other.kind, self._session.date_format)
        functions.common_kind([value, other])
        return other.sql

    def _arithmetic(self, node: exp.Expr) -> Value:
        assert isinstance(node, exp.Binary)
        left, right = self.value(node.left), self.value(node.right)
        sign = _ARITHMETIC[type(node)]
        aggregate = left.aggregate or right.aggregate
        if left.kind.is_number and right.kind.is_number:
            if sign == "/":
                quotient = f"(CAST({left.sql} AS DOUBLE) / {right.sql})"
                return Value(quotient, Kind.DECIMAL, aggregate=aggregate)
            return Value(f"({left.sql} {sign} {right.sql})", functions.common_kind([left, right]), aggregate=aggregate)
        if sign == "+" and right.kind.is_time:
            left, right = right, left
        if left.kind.is_time and right.kind.is_number and sign in "+-":
            days = f"to_microseconds(CAST(round({right.sql} * 86400000000) AS BIGINT))"
            return Value(f"(CAST({left.sql} AS TIMESTAMP) {sign} {days})", Kind.DATETIME, aggregate=aggregate)
        if left.kind.is_time and right.kind.is_time and sign == "-":
            apart = f"epoch_us(CAST({left.sql} AS TIMESTAMP)) - epoch_us(CAST({right.sql} AS TIMESTAMP))"
            return Value(f"(({apart}) / 86400000000.0)", Kind.DECIMAL, aggregate=aggregate)
        raise invalid_query("ORA-00932: inconsistent datatypes")

    def _number(self, node: exp.Expr) -> Value:
        inner = self.value(node)
        if not inner.kind.is_number:
            raise invalid_query("ORA-01722: invalid number")
        return inner

    def _case(self, node: exp.Case) -> Value:
        subject = self.value(node.this) if node.this else None
        branches: list[tuple[str, Value]] = []
        for branch in node.args["ifs"]:
            same = subject and f"{subject.sql} = {self._like(subject, branch.this)}"
            when = same or self.condition(branch.this)
            branches.append((when, self.value(branch.args["true"])))
        default = self.value(node.args["default"]) if node.args.get("default") else Value("NULL", Kind.TEXT)
        results = [value for _, value in branches] + [default]
        text = " ".join(f"WHEN {when} THEN {value.sql}" for when, value in branches)
        aggregate = any(value.aggregate for value in results)
        return Value(f"CASE {text} ELSE {default.sql} END", functions.common_kind(results), aggregate=aggregate)

    def _call(self, name: str, node: exp.Anonymous) -> Value:
        if name.upper() == "COUNT" and len(node.expressions) == 1:
            argument = node.expressions[0]
            if isinstance(argument, exp.Star):
                return Value("count(*)", Kind.INTEGER, aggregate=True)
            if isinstance(argument, exp.Distinct) and len(argument.expressions) == 1:
                inner = self.value(argument.expressions[0])
                return Value(f"count(DISTINCT {inner.sql})", Kind.INTEGER, aggregate=True)
        return functions.call(name, [self.value(argument) for argument in node.expressions], self._session)


def _literal(node: exp.Literal) -> Value:
    text = node.name
    if node.is_string:
        # The empty string is NULL to Oracle.
        return Value(quoted(text) if text else "CAST(NULL AS VARCHAR)", Kind.TEXT, literal=text)
    if not _NUMBER.fullmatch(text):
        raise invalid_query(f"ORA-01722: invalid number: {text}")
    return Value(text, Kind.DECIMAL if "." in text else Kind.INTEGER)


def _unsupported(node: exp.Expr) -> RestError:
    return invalid_query(f"Invalid or unsupported search: {node.key.upper()} is not supported here.")
