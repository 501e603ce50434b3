"""Names of types, without a dialect and in one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import ParseError


@dataclass(frozen=True)
class Type:
    """A type by its name as sqlglot writes it without a dialect."""

    name: str

    def written(self, dialect: str) -> str:
        """The type in the words of a dialect."""
        text = exp.DataType.build(self.name).sql(dialect)
        return text if {"'", '"', "`"} & set(text) else text.lower()


NULL_TYPE = Type("NULL")
"""That of a bare NULL, which takes the type of what it stands beside."""


def type_named(written: str | exp.DataType, dialect: str | None) -> Type | None:
    """The type of that name in a dialect; None for one that is not known there, as one that a macro names.

    In BigQuery precision and length belong to a table's column, not to the type of a value.
    """
    try:
        built = exp.DataType.build(written, dialect=dialect) if isinstance(written, str) else written
    except ParseError:
        return None
    if built.this is exp.DataType.Type.USERDEFINED:
        return None
    if dialect == "bigquery" and built.this in exp.DataType.INTEGER_TYPES:
        return Type("BIGINT")
    if dialect == "bigquery" and not built.args.get("nested"):
        built = exp.DataType(this=built.this)
    return Type(built.sql())
