"""What a formula is worth on rows, computed from its syntax alone: nothing of the folding is used.

Source of the rules: Tableau's pages "Logical Functions", "Aggregate Functions" and "Operators in Tableau".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lark import Token, Tree

Row = Mapping[str, Any]
_MANY = "*"
"""What ATTR returns where the rows have several values."""


def evaluate(node: Tree[Any], row: Row, rows: Sequence[Row]) -> Any:
    """The value for a row; aggregates are taken over `rows`. Raises KeyError for what is not understood."""
    parts = [child for child in node.children if child is not None]
    trees = [part for part in parts if isinstance(part, Tree)]

    def of(tree: Tree[Any]) -> Any:
        return evaluate(tree, row, rows)

    match node.data:
        case "literal":
            return _literal(parts[0])
        case "field":
            return row[str(parts[0]).strip("[]")]
        case "bracket":
            return of(trees[0])
        case "either":
            left, right = of(trees[0]), of(trees[1])
            return True if True in (left, right) else None if None in (left, right) else False
        case "both":
            left, right = of(trees[0]), of(trees[1])
            return False if False in (left, right) else None if None in (left, right) else True
        case "negated":
            return _strict(lambda a: not a, of(trees[0]))
        case "minus":
            return _strict(lambda a: -a, of(trees[0]))
        case "compared":
            return _strict(_COMPARED[str(parts[1])], of(trees[0]), of(trees[1]))
        case "arithmetic":
            return _strict(_ARITHMETIC[str(parts[1])], of(trees[0]), of(trees[1]))
        case "listed" | "not_listed":
            found = _in(of(trees[0]), [of(tree) for tree in trees[1:]])
            return found if node.data == "listed" else _strict(lambda a: not a, found)
        case "iif":
            test = of(trees[0])
            if test is None:
                return of(trees[3]) if len(trees) > 3 else None
            return of(trees[1] if test else trees[2])
        case "branches":
            return _branches([(of(c) is True, r) for c, r in _pairs(trees)], trees, of)
        case "cases":
            value, rest = of(trees[0]), trees[1:]
            taken = [(_strict(_equal, value, of(c)) is True, r) for c, r in _pairs(rest)]
            return _branches(taken, rest, of)
        case "level_of_detail":
            *dimensions, inner = trees
            same = [r for r in rows if all(evaluate(d, r, rows) == evaluate(d, row, rows) for d in dimensions)]
            return evaluate(inner, row, same)
        case _:
            return _call(str(parts[0]).upper(), trees, row, rows)


def _pairs(trees: Sequence[Tree[Any]]) -> list[tuple[Tree[Any], Tree[Any]]]:
    return [(trees[i], trees[i + 1]) for i in range(0, len(trees) - 1, 2)]


def _branches(taken: list[tuple[bool, Tree[Any]]], trees: Sequence[Tree[Any]], of: Callable[[Tree[Any]], Any]) -> Any:
    for is_taken, result in taken:
        if is_taken:
            return of(result)
    return of(trees[-1]) if len(trees) % 2 else None


def _call(name: str, trees: Sequence[Tree[Any]], row: Row, rows: Sequence[Row]) -> Any:
    if name in _AGGREGATES and len(trees) == 1:
        values = [v for r in rows if (v := evaluate(trees[0], r, rows)) is not None]
        return _AGGREGATES[name](values)
    arguments = [evaluate(tree, row, rows) for tree in trees]
    match name:
        case "ISNULL":
            return arguments[0] is None
        case "IFNULL":
            return arguments[0] if arguments[0] is not None else arguments[1]
        case "ZN":
            return arguments[0] if arguments[0] is not None else 0
        case _:
            return _strict(_FUNCTIONS[name], *arguments)


def _literal(token: Token) -> Any:
    text = str(token)
    match token.type:
        case "STRING":
            return text[1:-1].replace(text[0] * 2, text[0])
        case "NUMBER":
            return float(text)
        case "NULL":
            return None
        case _:
            return {"TRUE": True, "FALSE": False}[token.type]


def _strict(function: Callable[..., Any], *arguments: Any) -> Any:
    """NULL where an argument is NULL."""
    return None if any(a is None for a in arguments) else function(*arguments)


def _equal(left: Any, right: Any) -> bool:
    return left == right


def _in(value: Any, members: Sequence[Any]) -> Any:
    found = [_strict(_equal, value, member) for member in members]
    return True if True in found else None if None in found else False


_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": _equal, "==": _equal, "<>": lambda a, b: a != b, "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else None,
}  # fmt: skip
_AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "SUM": lambda v: sum(v) if v else None, "AVG": lambda v: sum(v) / len(v) if v else None,
    "MIN": lambda v: min(v, default=None), "MAX": lambda v: max(v, default=None),
    "COUNT": len, "COUNTD": lambda v: len(set(v)),
    "ATTR": lambda v: None if not v else v[0] if len(set(v)) == 1 else _MANY,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "LOWER": str.lower, "UPPER": str.upper, "TRIM": lambda a: a.strip(" "), "LEN": len, "FLOAT": float,
    "CONTAINS": lambda a, b: b in a, "STARTSWITH": str.startswith, "ENDSWITH": str.endswith,
    "MIN": min, "MAX": max,
}  # fmt: skip
