"""The types of written results, as far as the text alone tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True)
class Type:
    """A type by its name in upper case, as sqlglot writes it without a dialect."""

    name: str

    def written(self, dialect: str) -> str:
        """The type in the words of a dialect."""
        return exp.DataType.build(self.name).sql(dialect).lower()


_MOST_INT32 = 2**31 - 1


def type_of(node: exp.Expr) -> Type | None:
    """The type of a literal or a cast; None where the text does not tell."""
    match node:
        case exp.Paren():
            return type_of(node.this)
        case exp.Literal() if node.is_string:
            return Type("TEXT")
        case exp.Literal() if str(node.this).isdigit() and int(str(node.this)) <= _MOST_INT32:
            return Type("INT")
        case exp.Neg():
            return type_of(node.this) if type_of(node.this) == Type("INT") else None
        case exp.Boolean():
            return Type("BOOLEAN")
        case exp.Cast():
            return Type(node.to.sql().upper())
        case _:
            return None


def type_of_all(nodes: Sequence[exp.Expr]) -> Type | None:
    """The type that all of them have; None where they differ or one is not known."""
    types = {type_of(node) for node in nodes}
    return types.pop() if len(types) == 1 else None
