"""A parsed query as DuckDB SQL: names come from the schema, values are typed literals; no query text gets through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sandbox.zuora.errors import QueryError
from sandbox.zuora.schema import SCHEMA, Field, Schema, World, ZuoraObject
from sandbox.zuora.zoql.literals import literal
from sandbox.zuora.zoql.syntax import Comparison, Condition, Junction, Membership, Name, Negation, Query

DELETED_KEPT = timedelta(days=30)
_OPERATORS = {"!=": "<>", "like": "ILIKE"}


@dataclass(frozen=True)
class Dialect:
    """What a query's meaning depends on besides its text."""

    schema: Schema
    zone: ZoneInfo


@dataclass(frozen=True)
class Plan:
    """A query made ready.

    Attributes:
        names: as the query gives them, one per field.
        rows: table expression with the columns by field name and the flag `_is_deleted`.
    """

    object: ZuoraObject
    names: tuple[Name, ...]
    fields: tuple[Field, ...]
    rows: str


def translate(query: Query, dialect: Dialect, world: World, *, with_deleted: bool = False) -> Plan:
    """Make a query ready.

    Args:
        with_deleted: also rows deleted in the last 30 days; deletion is their last update.

    Raises:
        QueryError: an unknown object or field, or a value that does not fit.
    """
    subject = dialect.schema.object(query.object)
    if subject is None:
        raise QueryError(f"There is no object named {query.object}")
    fields = tuple(_resolved(name, subject) for name in query.names)
    where = f" WHERE {_condition(query.where, subject, dialect)}" if query.where else ""
    rows = f"(SELECT * FROM {source_rows(subject, world, with_deleted)}{where})"
    return Plan(subject, query.names, fields, rows)


def source_rows(subject: ZuoraObject, world: World, with_deleted: bool) -> str:
    """Table expression of an object's rows with the flag `_is_deleted`; deletion is a row's last update."""
    table = f'{SCHEMA}."{subject.name}"'
    columns = [f'"{field.name}"' for field in subject.fields]
    if not with_deleted:
        return f"(SELECT {', '.join(columns)}, false AS _is_deleted FROM {table} WHERE _deleted_at IS NULL)"
    if subject.field("UpdatedDate"):
        updated = 'greatest("UpdatedDate", coalesce(_deleted_at, "UpdatedDate")) AS "UpdatedDate"'
        columns = [updated if column == '"UpdatedDate"' else column for column in columns]
    oldest = f"TIMESTAMP '{world.now - DELETED_KEPT:%Y-%m-%d %H:%M:%S}'"
    kept = f"_deleted_at IS NULL OR _deleted_at >= {oldest}"
    return f"(SELECT {', '.join(columns)}, _deleted_at IS NOT NULL AS _is_deleted FROM {table} WHERE {kept})"


def _resolved(name: Name, subject: ZuoraObject) -> Field:
    field = subject.field(name.field)
    if name.prefix and name.prefix.lower() != subject.name.lower():
        # A parent's id is the one field of another object that every row carries.
        field = subject.field(f"{name.prefix}Id") if name.field.lower() == "id" else None
    if field is None or field.is_refused:
        raise QueryError(f"There is no field named {name}.")
    return field


def _condition(condition: Condition, subject: ZuoraObject, dialect: Dialect) -> str:
    match condition:
        case Junction(word, parts):
            joined = f" {word.upper()} ".join(_condition(part, subject, dialect) for part in parts)
            return f"({joined})"
        case Negation(part):
            return f"(NOT {_condition(part, subject, dialect)})"
        case Membership(name, values):
            field = _resolved(name, subject)
            return f'("{field.name}" IN ({", ".join(literal(value, field, dialect.zone) for value in values)}))'
        case Comparison():
            return _comparison(condition, subject, dialect)


def _comparison(comparison: Comparison, subject: ZuoraObject, dialect: Dialect) -> str:
    field = _resolved(comparison.name, subject)
    if comparison.value.form == "null":
        if comparison.operator not in ("=", "!="):
            raise QueryError(f"null cannot be compared with {comparison.operator}")
        word: Literal["IS NULL", "IS NOT NULL"] = "IS NULL" if comparison.operator == "=" else "IS NOT NULL"
        return f'("{field.name}" {word})'
    if comparison.operator == "like" and field.kind != "text":
        raise QueryError(f"like needs a text field, {field.name} is of type {field.kind}")
    operator = _OPERATORS.get(comparison.operator, comparison.operator)
    return f'("{field.name}" {operator} {literal(comparison.value, field, dialect.zone)})'
