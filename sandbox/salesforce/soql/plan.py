"""From a parsed query to DuckDB SQL: names resolved, types checked, values bound, Salesforce's own error texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sandbox.salesforce.errors import ApiError, malformed
from sandbox.salesforce.schema import Field, Schema, SObject, relationship
from sandbox.salesforce.soql.parser import WILDCARD_ESCAPE, parse, where_is
from sandbox.salesforce.soql.syntax import (
    AggregateItem,
    Both,
    Comparison,
    Condition,
    FieldItem,
    Literal,
    Name,
    Not,
    Query,
)

_FIELD_HINT = (
    "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. "
    "Please reference your WSDL or the describe call for the appropriate names."
)
_OBJECT_HINT = (
    "If you are attempting to use a custom object, be sure to append the '__c' after the entity name. "
    "Please reference your WSDL or the describe call for the appropriate names."
)
_TYPE_WORDS = {"datetime": "dateTime", "date": "date", "boolean": "boolean", "int": "int"}


@dataclass(frozen=True)
class Output:
    """One column of the answer. `field` is None for an aggregate, which has `sql` instead."""

    name: str
    field: Field | None
    sql: str


@dataclass(frozen=True)
class Plan:
    """A query that can be run.

    Attributes:
        source: the table, as SQL.
        where: the condition as SQL, with `params` bound to its question marks.
    """

    query: Query
    object: SObject
    outputs: tuple[Output, ...]
    source: str
    where: str
    params: tuple[Any, ...]
    group_by: str
    order_by: str
    limit: int | None
    offset: int | None

    def sql(self, select: str | None = None, tie_break: str = "") -> str:
        """The whole statement; `select` replaces the SELECT list, `tie_break` decides between rows that sort equal."""
        parts = [f"SELECT {select or self.select_list()} FROM {self.source} WHERE {self.where}"]
        parts += [f"GROUP BY {self.group_by}"] if self.group_by else []
        order = ", ".join(term for term in (self.order_by, tie_break) if term)
        parts += [f"ORDER BY {order}"] if order else []
        parts += [f"LIMIT {self.limit}"] if self.limit is not None else []
        parts += [f"OFFSET {self.offset}"] if self.offset is not None else []
        return " ".join(parts)

    def select_list(self) -> str:
        """The columns of the answer in their own types; a compound address becomes a struct of its parts."""
        return ", ".join(f"{output.sql} AS {quoted(output.name)}" for output in self.outputs)

    def count_sql(self) -> str:
        """A statement that counts the rows the query has in all, LIMIT and OFFSET applied."""
        return f"SELECT count(*) FROM ({self.sql('1' if not self.query.is_aggregate else None)})"


def plan(text: str, schema: Schema, *, include_deleted: bool) -> Plan:
    """Parse `text` and resolve it against the org.

    Args:
        include_deleted: also rows in the recycle bin (`queryAll`).

    Raises:
        ApiError: MALFORMED_QUERY, INVALID_TYPE, INVALID_FIELD, INVALID_QUERY_FILTER_OPERATOR.
    """
    query = parse(text)
    source = schema.object(query.object.text)
    if source is None:
        message = f"sObject type '{query.object.text}' is not supported. {_OBJECT_HINT}"
        raise ApiError(400, "INVALID_TYPE", where_is(text, query.object.at) + message)
    return _Planner(query, source, schema).plan(include_deleted)


def quoted(name: str) -> str:
    """An SQL identifier."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


@dataclass
class _Planner:
    query: Query
    object: SObject
    schema: Schema
    params: list[Any] = field(default_factory=list[Any])

    def plan(self, include_deleted: bool) -> Plan:
        outputs = tuple(self._outputs())
        visible = ['"_deleted_at" IS NULL']
        if self.object.soft_deletes and not include_deleted:
            visible.append('NOT "IsDeleted"')
        where = " AND ".join(visible)
        if self.query.where is not None:
            where += f" AND ({self._condition(self.query.where)})"
        return Plan(
            self.query,
            self.object,
            outputs,
            f"salesforce.{quoted(self.object.name)}",
            where,
            tuple(self.params),
            ", ".join(self._column(name) for name in self.query.group_by),
            ", ".join(self._order_terms()),
            self.query.limit,
            self.query.offset,
        )

    def _order_terms(self) -> Iterable[str]:
        for term in self.query.order_by:
            direction = "DESC" if term.descending else "ASC"
            yield f"{self._column(term.field)} {direction} NULLS {'LAST' if term.nulls_last else 'FIRST'}"

    def _outputs(self) -> Iterable[Output]:
        names: set[str] = set()
        grouped = {name.text.lower() for name in self.query.group_by}
        unnamed = 0
        for item in self.query.items:
            if isinstance(item, FieldItem):
                found, value = self._selected(item.name)
                if found.name in names:
                    raise malformed(f"duplicate field selected: {found.name}")
                if self.query.is_aggregate and found.name.lower() not in grouped:
                    raise malformed(f"Field must be grouped or aggregated: {found.name}")
                names.add(found.name)
                yield Output(found.name, found, value)
            elif isinstance(item, AggregateItem):
                alias = item.alias
                if alias is None:
                    alias, unnamed = f"expr{unnamed}", unnamed + 1
                yield Output(alias, None, self._aggregate(item))
            else:
                raise malformed(where_is(self.query.text, item.at) + "sub-queries and TYPEOF are not supported here")

    def _aggregate(self, item: AggregateItem) -> str:
        if item.argument is None:
            return "count(*)"
        column = self._column(item.argument)
        if item.function == "COUNT_DISTINCT":
            return f"count(DISTINCT {column})"
        return f"{item.function.lower()}({column})"

    def _value(self, found: Field) -> str:
        if found.column is not None:
            return quoted(found.column)
        parts = ", ".join(f"{_part_key(found, part)} := {quoted(part)}" for part in found.parts)
        filled = " OR ".join(f"{quoted(part)} IS NOT NULL" for part in found.parts)
        return f"CASE WHEN {filled} THEN struct_pack({parts}) END"

    def _selected(self, name: Name) -> tuple[Field, str]:
        """A field of the object or of a parent (`Owner.Name`), and its value."""
        path = name.text.split(".")
        if path[0].lower() == self.object.name.lower():
            path = path[1:]
        if len(path) < 2:
            found = self._field(name)
            return found, self._value(found)
        parent, value = self._parent(name, self.object, quoted(self.object.name), path)
        return replace(parent, name=name.text, compound=None), value

    def _parent(self, name: Name, child: SObject, alias: str, path: list[str]) -> tuple[Field, str]:
        link = next(
            (f for f in child.fields if f.reference_to and relationship(f.name).lower() == path[0].lower()), None
        )
        parent = self.schema.object(link.reference_to[0]) if link else None
        if link is None or parent is None:
            raise self._no_relationship(name, path[0])
        inner = quoted(f"{alias}.{path[0]}".replace('"', ""))
        if len(path) > 2:
            found, value = self._parent(name, parent, inner, path[1:])
        else:
            found = parent.field(path[1])
            if found is None or found.column is None:
                message = f"No such column '{path[1]}' on entity '{parent.name}'. {_FIELD_HINT}"
                raise ApiError(400, "INVALID_FIELD", where_is(self.query.text, name.at) + message)
            value = f"{inner}.{quoted(found.column)}"
        table = f"salesforce.{quoted(parent.name)}"
        return found, f'(SELECT {value} FROM {table} {inner} WHERE {inner}."Id" = {alias}.{quoted(link.name)})'

    def _no_relationship(self, name: Name, relation: str) -> ApiError:
        message = (
            f"Didn't understand relationship '{relation}' in field path. If you are attempting to use a custom "
            "relationship, be sure to append the '__r' after the custom relationship name. "
            "Please reference your WSDL or the describe call for the appropriate names."
        )
        return ApiError(400, "INVALID_FIELD", where_is(self.query.text, name.at) + message)

    def _field(self, name: Name) -> Field:
        *path, last = name.text.split(".")
        if path and path[0].lower() != self.object.name.lower():
            raise self._no_relationship(name, path[0])
        found = self.object.field(last)
        if found is None:
            message = f"No such column '{last}' on entity '{self.object.name}'. {_FIELD_HINT}"
            raise ApiError(400, "INVALID_FIELD", where_is(self.query.text, name.at) + message)
        return found

    def _column(self, name: Name) -> str:
        found = self._field(name)
        if found.column is None or found.length > 4099:
            raise ApiError(
                400,
                "INVALID_FIELD",
                where_is(self.query.text, name.at) + f"field '{found.name}' can not be filtered in a query call",
            )
        return quoted(found.column)

    def _condition(self, condition: Condition) -> str:
        match condition:
            case Both():
                return f" {condition.operator} ".join(f"({self._condition(one)})" for one in condition.conditions)
            case Not():
                return f"NOT coalesce({self._condition(condition.condition)}, false)"  # SOQL knows no third truth value
            case Comparison():
                return self._comparison(condition)

    def _comparison(self, condition: Comparison) -> str:
        column, found = self._column(condition.field), self._field(condition.field)
        operator = condition.operator
        values = [self._checked(found, literal, operator) for literal in condition.values]
        if operator in ("INCLUDES", "EXCLUDES"):
            return self._multipicklist(column, found, operator, values)
        if operator in ("IN", "NOT IN"):
            present = [value for value in values if value is not None]
            terms = [self._equals(column, found, value) for value in present]
            terms += [f"{column} IS NULL"] if None in values else []
            anyof = " OR ".join(terms)
            return f"({anyof})" if operator == "IN" else f"NOT coalesce({anyof}, false)"
        value = values[0]
        if value is None:
            return f"{column} IS {'' if operator == '=' else 'NOT '}NULL"
        if operator == "=":
            return self._equals(column, found, value)
        if operator == "!=":
            return f"NOT coalesce({self._equals(column, found, value)}, false)"
        if operator == "LIKE":
            self.params.append(_like_pattern(str(value)))
            return f"lower({column}) LIKE lower(?) ESCAPE '\\'"
        self.params.append(_plain(value))
        return f"lower({column}) {operator} lower(?)" if found.is_text else f"{column} {operator} ?"

    def _equals(self, column: str, found: Field, value: Any) -> str:
        self.params.append(_plain(value))
        if found.type in ("id", "reference"):
            return f"left({column}, 15) = ?" if len(value) == 15 else f"{column} = ?"
        return f"lower({column}) = lower(?)" if found.is_text else f"{column} = ?"

    def _multipicklist(self, column: str, found: Field, operator: str, values: list[Any]) -> str:
        if found.type != "multipicklist":
            message = f"invalid operator on {found.type} field '{found.name}'"
            raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", message)
        terms: list[str] = []
        for value in values:
            self.params.append(_plain(str(value)).split(";"))
            terms.append(f"list_has_all(string_split({column}, ';'), ?)")
        anyof = " OR ".join(terms)
        return f"({anyof})" if operator == "INCLUDES" else f"NOT coalesce({anyof}, false)"

    def _checked(self, found: Field, literal: Literal, operator: str) -> Any:
        value = literal.value
        if value is None:
            if operator in ("=", "!=", "IN", "NOT IN"):
                return None
            raise malformed(where_is(self.query.text, literal.at) + "unexpected token: 'null'")
        if not _fits(found, value):
            wanted = _TYPE_WORDS.get(found.type, "string" if found.is_text else "double")
            quotes = "should be enclosed in quotes" if found.is_text else "should not be enclosed in quotes"
            message = f"value of filter criterion for field '{found.name}' must be of type {wanted} and {quotes}"
            raise ApiError(400, "INVALID_FIELD", where_is(self.query.text, literal.at) + message)
        if operator == "LIKE" and (not found.is_text or found.type in ("id", "reference")):
            raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {found.type} field")
        if found.type in ("id", "reference") and not (str(value).isalnum() and len(str(value)) in (15, 18)):
            message = where_is(self.query.text, literal.at) + f"invalid ID field: {value}"
            raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", message)
        return value


def _fits(found: Field, value: object) -> bool:
    match found.type:
        case "datetime":
            return isinstance(value, datetime)
        case "date":
            return isinstance(value, date) and not isinstance(value, datetime)
        case "boolean":
            return isinstance(value, bool)
        case _ if found.is_text:
            return isinstance(value, str)
        case _:
            return isinstance(value, Decimal)


def _plain(value: Any) -> Any:
    return value.replace(WILDCARD_ESCAPE, "") if isinstance(value, str) else value


def _like_pattern(value: str) -> str:
    return value.replace("\\", "\\\\").replace(WILDCARD_ESCAPE, "\\")


def _part_key(compound: Field, part: str) -> str:
    key = part.removeprefix(compound.name.removesuffix("Address"))
    return key[0].lower() + key[1:]
