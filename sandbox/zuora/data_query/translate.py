"""Trino SQL over one of the tenant's tables as DuckDB SQL: parsed by sqlglot, every node checked, columns resolved."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from sandbox.zuora.errors import QueryError
from sandbox.zuora.schema import Kind, Schema, World, ZuoraObject
from sandbox.zuora.zoql.literals import local_time, offset_text
from sandbox.zuora.zoql.translate import source_rows

_CONDITIONS = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.Null, exp.In,
    exp.Like, exp.Between, exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Cast, exp.DataType,
    exp.DataTypeParam,
)  # fmt: skip
_DELETED = "deleted"


def translate(text: str, schema: Schema, world: World, zone: str, *, only_deleted: bool = False) -> str:
    """`select columns from table where conditions` for DuckDB; every cell is text.

    Args:
        zone: the tenant's IANA zone, in which stamps are printed.
        only_deleted: the job says `readDeleted`; the pseudo-column `deleted` outdoes it.

    Raises:
        QueryError: worded as Zuora does, when the query cannot be run.
    """
    try:
        tree = parse_one(text, read="trino")
    except SqlglotError as error:
        raise QueryError(f"line 1:1: mismatched input: {str(error).splitlines()[0]}") from None
    if not isinstance(tree, exp.Select) or {key for key, value in tree.args.items() if value} - {
        "expressions", "from_", "where",
    }:  # fmt: skip
        raise QueryError("line 1:1: only SELECT … FROM … WHERE … is served here")
    subject = _subject(tree, schema)
    shows_deleted = any(column.name.lower() == _DELETED for column in tree.find_all(exp.Column))
    printed = [_printed(item, subject, zone) for item in tree.expressions]
    rows = source_rows(subject, world, shows_deleted or only_deleted)
    conditions = [_condition(tree.args["where"].this, subject)] if tree.args.get("where") else []
    if only_deleted and not shows_deleted:
        conditions.append("_is_deleted")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(printed)} FROM {rows}{where}"


def _subject(tree: exp.Select, schema: Schema) -> ZuoraObject:
    tables = list(tree.find_all(exp.Table))
    name = tables[0].name if len(tables) == 1 else ""
    subject = schema.object(name)
    if subject is None:
        raise QueryError(f"line 1:1: Table owl.data.{name} does not exist")
    return subject


def _printed(item: exp.Expression, subject: ZuoraObject, zone: str) -> str:
    """One item of the select list as text under its name."""
    node = item.this if isinstance(item, exp.Alias) else item
    is_iso = isinstance(node, exp.Anonymous) and node.name.lower() == "to_iso8601" and len(node.expressions) == 1
    if is_iso:
        node = node.expressions[0]
    if not isinstance(node, exp.Column):
        raise QueryError(f"line 1:1: only columns and to_iso8601 are served here, not {node.key}")
    column, kind = _column(node, subject)
    text = f"CAST({column} AS VARCHAR)"
    if kind is Kind.DATETIME:
        local = local_time(column, zone)
        blank, form = ("", "%Y-%m-%dT%H:%M:%S.%g") if is_iso else (" ", "%Y-%m-%d %H:%M:%S.%g")
        text = f"strftime({local}, '{form}') || '{blank}' || {offset_text(column, local, ':')}"
    elif is_iso:
        raise QueryError(f"line 1:1: Unexpected parameters ({kind}) for function to_iso8601")
    name = (item.alias if isinstance(item, exp.Alias) else node.name).lower()
    return f'{text} AS "{name}"'


def _condition(node: exp.Expression, subject: ZuoraObject) -> str:
    for part in list(node.walk()):
        if not isinstance(part, _CONDITIONS):
            raise QueryError(f"line 1:1: {part.key} is not served here")
    wrapped = exp.Paren(this=node.copy())
    for cast in list(wrapped.find_all(exp.Cast)):
        cast.replace(exp.Literal.string(_instant(cast)))
    for column in list(wrapped.find_all(exp.Column)):
        name, _ = _column(column, subject)
        column.replace(exp.column(name.strip('"'), quoted=True))
    return wrapped.sql(dialect="duckdb")


def _column(node: exp.Column, subject: ZuoraObject) -> tuple[str, Kind]:
    name = node.name.lower()
    if name == _DELETED:
        return '"_is_deleted"', Kind.BOOLEAN
    field = subject.field(name)
    if field is None or node.table:
        raise QueryError(f"line 1:1: Column '{node.sql().replace(chr(34), '')}' cannot be resolved")
    return f'"{field.name}"', field.kind


def _instant(cast: exp.Cast) -> str:
    """`timestamp '2026-06-15 06:00:00 +00:00'` as UTC text, comparable with a stored stamp."""
    if not isinstance(cast.this, exp.Literal) or not cast.this.is_string:
        raise QueryError("line 1:1: only constants are cast here")
    try:
        moment = datetime.fromisoformat(cast.this.name.replace(" +", "+").replace(" -", "-"))
    except ValueError:
        raise QueryError(f"line 1:1: '{cast.this.name}' is not a valid timestamp literal") from None
    if moment.tzinfo is None:
        return str(moment)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
