"""One SELECT of SuiteQL as one SELECT of DuckDB. Nothing of the query's text gets through but checked literals."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from sqlglot import exp

from sandbox.netsuite.errors import RestError, invalid_query
from sandbox.netsuite.suiteql.expressions import Expressions
from sandbox.netsuite.suiteql.query import Query, Value
from sandbox.netsuite.suiteql.scope import Relation, Scope, dual, record_relation
from sandbox.netsuite.suiteql.session import Session

_JOINS = {
    "": "JOIN", "INNER": "JOIN", "LEFT": "LEFT JOIN", "LEFT OUTER": "LEFT JOIN", "RIGHT": "RIGHT JOIN",
    "RIGHT OUTER": "RIGHT JOIN",
}  # fmt: skip


def translate(statement: exp.Select, session: Session) -> Query:
    """The DuckDB form of a parsed query.

    Raises:
        RestError: an unknown record or field, a function or construct SuiteQL does not allow, types that do not fit.
    """
    return _Translation(session).query(statement, None)


@dataclass(frozen=True)
class _Translation:
    session: Session
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def query(self, node: exp.Expr, outer: Scope | None) -> Query:
        if not isinstance(node, exp.Select):
            raise _unsupported("a set operation")
        scope = Scope(outer)
        source = self._source(node, scope)
        return _Select(node, scope, source, Expressions(scope, self.session, self.query)).query()

    def _source(self, node: exp.Select, scope: Scope) -> str:
        first = self._relation(node.args["from_"].this, scope)
        text = first.sql
        for join in node.args.get("joins") or []:
            text += self._join(join, scope)
        return text

    def _join(self, join: exp.Join, scope: Scope) -> str:
        if join.args.get("using") or join.args.get("method"):
            raise _unsupported("USING or NATURAL")
        relation = self._relation(join.this, scope)
        on = join.args.get("on")
        if on is None:
            if join.side or join.kind not in ("", "CROSS"):
                raise invalid_query("ORA-00905: missing keyword ON")
            return f" CROSS JOIN {relation.sql}"
        word = _JOINS.get(f"{join.side} {join.kind}".strip())
        if word is None:
            raise _unsupported(f"{join.side} {join.kind} JOIN".strip())
        return f" {word} {relation.sql} ON {Expressions(scope, self.session, self.query).condition(on)}"

    def _relation(self, node: exp.Expr, scope: Scope) -> Relation:
        alias = f"r{next(self._numbers)}"
        if isinstance(node, exp.Subquery):
            inner = self.query(node.this, None)
            relation = _derived(inner, alias)
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) and not node.args.get("db"):
            relation = self._record(node.name, alias)
        else:
            raise _unsupported("this FROM clause")
        scope.add(node.alias_or_name.lower() or alias, relation)
        return relation

    def _record(self, name: str, alias: str) -> Relation:
        if name.lower() == "dual":
            return dual(alias)
        record = self.session.schema.record(name)
        if record is None:
            raise invalid_query(f"Record '{name}' was not found.")
        return record_relation(record, alias, self.session)


def _derived(inner: Query, alias: str) -> Relation:
    columns = {
        name: Value(f"{alias}.c{i}", kind) for i, (name, kind) in enumerate(zip(inner.names, inner.kinds, strict=True))
    }
    order = tuple(f"{alias}.{term}" for term in inner.order)
    return Relation(alias, f"{inner.relation} AS {alias}", columns, order=order)


class _Select:
    def __init__(self, node: exp.Select, scope: Scope, source: str, expressions: Expressions) -> None:
        self._node = node
        self._scope = scope
        self._source = source
        self._expressions = expressions
        self._outputs = self._select_list()
        self._grouped = bool(node.args.get("group")) or any(value.aggregate for _, value in self._outputs)

    def query(self) -> Query:
        where, rownum = self._where()
        keys, order = self._sort_keys()
        distinct = bool(self._node.args.get("distinct"))
        if rownum is not None and (self._grouped or distinct):
            raise _unsupported("ROWNUM with GROUP BY, DISTINCT or an aggregate")
        inherited: tuple[str, ...] = ()
        if len(self._scope.relations) == 1 and not self._grouped and not distinct:
            inherited = next(iter(self._scope.relations.values())).order
        if not order:
            order = [f"k{i} {term.split(' ', 1)[1]}" for i, term in enumerate(inherited)]
            keys = [term.split(" ", 1)[0] for term in inherited]
        if distinct and keys:
            raise invalid_query("ORA-01791: not a SELECTed expression")
        shown = [f"{value.sql} AS c{i}" for i, (_, value) in enumerate(self._outputs)]
        shown += [f"{key} AS k{i}" for i, key in enumerate(keys)]
        body = (
            f"SELECT {'DISTINCT ' if distinct else ''}{', '.join(shown)} FROM {self._source}{where}{self._grouping()}"
        )
        if rownum is not None:
            # ROWNUM counts rows as they come from FROM and WHERE, before this SELECT's own ORDER BY.
            body += (f" ORDER BY {', '.join(inherited)}" if inherited else "") + f" LIMIT {rownum}"
        kinds = tuple(value.kind for _, value in self._outputs)
        return Query(_distinct_names(self._outputs), kinds, body, tuple(order), self._fetch())

    def _select_list(self) -> list[tuple[str, Value]]:
        outputs: list[tuple[str, Value]] = []
        for node in self._node.expressions:
            if isinstance(node, exp.Star):
                outputs += [column for r in self._scope.relations.values() for column in r.columns.items()]
            elif isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
                relation = self._scope.relations.get(node.table.lower())
                if relation is None:
                    raise invalid_query(f"Unknown identifier '{node.table}'.")
                outputs += relation.columns.items()
            else:
                inner = node.this if isinstance(node, exp.Alias) else node
                name = node.alias_or_name if isinstance(node, (exp.Alias, exp.Column)) else f"expr{len(outputs) + 1}"
                outputs.append((name.lower(), self._expressions.value(inner)))
        return outputs

    def _where(self) -> tuple[str, int | None]:
        where = self._node.args.get("where")
        if where is None:
            return "", None
        parts = list(where.this.flatten(unnest=False)) if isinstance(where.this, exp.And) else [where.this]
        limits = [limit for part in parts if (limit := _rownum_limit(part)) is not None]
        conditions = [self._expressions.condition(part) for part in parts if _rownum_limit(part) is None]
        return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), min(limits, default=None)

    def _grouping(self) -> str:
        group, having = self._node.args.get("group"), self._node.args.get("having")
        text = ""
        if group:
            if {name for name, value in group.args.items() if value} - {"expressions"}:
                raise _unsupported("ROLLUP or CUBE")
            text += " GROUP BY " + ", ".join(self._expressions.value(node).sql for node in group.expressions)
        if having:
            text += f" HAVING {self._expressions.condition(having.this)}"
        return text

    def _sort_keys(self) -> tuple[list[str], list[str]]:
        """Key expressions that no output column holds, and the ORDER BY terms."""
        keys: list[str] = []
        terms: list[str] = []
        for ordered in self._node.args["order"].expressions if self._node.args.get("order") else []:
            column = self._output_of(ordered.this)
            if column is None:
                column = f"k{len(keys)}"
                keys.append(self._expressions.value(ordered.this).sql)
            direction = "DESC" if ordered.args.get("desc") else "ASC"
            terms.append(f"{column} {direction} NULLS {'FIRST' if ordered.args.get('nulls_first') else 'LAST'}")
        return keys, terms

    def _output_of(self, node: exp.Expr) -> str | None:
        if isinstance(node, exp.Literal) and not node.is_string:
            position = int(node.name) if node.name.isdigit() else 0
            if not 1 <= position <= len(self._outputs):
                raise invalid_query("ORA-01785: ORDER BY item must be the number of a SELECT-list expression")
            return f"c{position - 1}"
        if isinstance(node, exp.Column) and not node.table:
            for i, (name, _) in enumerate(self._outputs):
                if name == node.name.lower():
                    return f"c{i}"
        sql = self._expressions.value(node).sql
        return next((f"c{i}" for i, (_, value) in enumerate(self._outputs) if value.sql == sql), None)

    def _fetch(self) -> int | None:
        fetch = self._node.args.get("limit")
        if fetch is None:
            return None
        count, options = fetch.args.get("count"), fetch.args.get("limit_options")
        odd = options is not None and (options.args.get("percent") or options.args.get("with_ties"))
        if odd or not isinstance(count, exp.Literal) or not count.name.isdigit():
            raise _unsupported("this FETCH clause")
        return int(count.name)


def _rownum_limit(node: exp.Expr) -> int | None:
    """n of `ROWNUM <= n`; None for any other condition."""
    node = node.unnest()
    left = node.this
    if not (isinstance(left, exp.Column) and left.name.lower() == "rownum" and not left.table):
        return None
    right = node.args.get("expression")
    number = int(right.name) if isinstance(right, exp.Literal) and right.name.isdigit() else None
    if number is None or not isinstance(node, (exp.LT, exp.LTE, exp.EQ)) or (isinstance(node, exp.EQ) and number != 1):
        raise _unsupported("this use of ROWNUM")
    return max(0, number - 1) if isinstance(node, exp.LT) else number


def _distinct_names(outputs: list[tuple[str, Value]]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    names: list[str] = []
    for name, _ in outputs:
        repeat = seen.get(name, 0)
        seen[name] = repeat + 1
        names.append(f"{name}_{repeat}" if repeat else name)
    return tuple(names)


def _unsupported(what: str) -> RestError:
    return invalid_query(f"Invalid or unsupported search: {what} is not supported.")
