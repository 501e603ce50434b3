"""A parsed formula as a tree of the same kind as a query's expressions, with the ranges of its own text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lark import Token, Tree
from sqlglot import exp

from split.sql import spans
from split.tableau.grammar import parsed, words

DATA = "data"
"""The source of a formula's own fields."""
_IIF = "iif"


def parse(formula: str) -> spans.Tree:
    """A formula as a tree of expressions with ranges. Raises FormulaError."""
    builder = Builder()
    root = builder.build(parsed(formula))
    return spans.Tree(formula, root, builder.spans, words(formula))


_FUNCTIONS: dict[str, Callable[[list[exp.Expr]], exp.Expr]] = {
    "LOWER": lambda a: exp.Lower(this=a[0]),
    "UPPER": lambda a: exp.Upper(this=a[0]),
    "TRIM": lambda a: exp.Trim(this=a[0]),
    "ISNULL": lambda a: exp.Is(this=a[0], expression=exp.Null()),
    "IFNULL": lambda a: exp.Coalesce(this=a[0], expressions=a[1:]),
    "ZN": lambda a: exp.Coalesce(this=a[0], expressions=[exp.Literal.number(0)]),
    "SUM": lambda a: exp.Sum(this=a[0]),
    "AVG": lambda a: exp.Avg(this=a[0]),
    "MIN": lambda a: exp.Min(this=a[0], expressions=a[1:]),
    "MAX": lambda a: exp.Max(this=a[0], expressions=a[1:]),
    "COUNT": lambda a: exp.Count(this=a[0]),
    "COUNTD": lambda a: exp.Count(this=exp.Distinct(expressions=[a[0]])),
    "ATTR": lambda a: exp.AnyValue(this=a[0]),
}
_PATTERNS = {"CONTAINS": "%{}%", "STARTSWITH": "{}%", "ENDSWITH": "%{}"}
_COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ, "==": exp.EQ, "<>": exp.NEQ, "!=": exp.NEQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE,
}  # fmt: skip
_ARITHMETIC: dict[str, type[exp.Binary]] = {
    "+": exp.Add, "-": exp.Sub, "*": exp.Mul, "/": exp.Div, "%": exp.Mod, "^": exp.Pow,
}  # fmt: skip


class Builder:
    """Makes expressions of a parsed formula and notes where each stands."""

    def __init__(self) -> None:
        self.spans: dict[int, spans.Span] = {}

    def build(self, node: Any) -> exp.Expr:
        """The expression of a subtree."""
        made = self._make(node)
        meta = node.meta if isinstance(node, Tree) else node
        self.spans[id(made)] = (int(meta.start_pos), int(meta.end_pos))
        return made

    def _make(self, node: Any) -> exp.Expr:
        parts = [child for child in node.children if child is not None]
        match node.data:
            case "literal":
                return _literal(parts[0])
            case "field":
                return _column([str(p) for p in parts])
            case "bracket":
                return exp.Paren(this=self.build(parts[0]))
            case "either":
                return exp.Or(this=self.build(parts[0]), expression=self.build(parts[2]))
            case "both":
                return exp.And(this=self.build(parts[0]), expression=self.build(parts[2]))
            case "negated":
                return exp.Not(this=self.build(parts[1]))
            case "compared":
                return _COMPARISONS[str(parts[1])](this=self.build(parts[0]), expression=self.build(parts[2]))
            case "listed":
                return exp.In(this=self.build(parts[0]), expressions=[self.build(p) for p in parts[2:]])
            case "not_listed":
                inner = exp.In(this=self.build(parts[0]), expressions=[self.build(p) for p in parts[3:]])
                self.spans[id(inner)] = (node.meta.start_pos, node.meta.end_pos)
                return exp.Not(this=inner)
            case "arithmetic":
                return _ARITHMETIC[str(parts[1])](this=self.build(parts[0]), expression=self.build(parts[2]))
            case "minus":
                return exp.Neg(this=self.build(parts[1]))
            case _:
                return self._compound(node.data, parts)

    def _compound(self, kind: str, parts: list[Any]) -> exp.Expr:
        trees = [self.build(p) for p in parts if isinstance(p, Tree)]
        words = [str(p).upper() for p in parts if isinstance(p, Token)]
        match kind:
            case "branches":
                return _case(None, trees)
            case "cases":
                return _case(trees[0], trees[1:])
            case "iif":
                return _iif(trees)
            case "call" if words and words[0] in _PATTERNS and len(trees) == 2:
                return _like(words[0], trees)
            case "call" if words and words[0] in _FUNCTIONS and trees and "DISTINCT" not in words:
                return _FUNCTIONS[words[0]](trees)
            case _:
                return exp.Anonymous(this=words[0] if words else kind, expressions=trees)


def _iif(trees: list[exp.Expr]) -> exp.Case:
    """IIF has three outcomes: its last argument, or NULL, is for a test that is NULL ("Logical Functions")."""
    test, then, otherwise, *unknown = trees
    arms = [exp.If(this=test, true=then), exp.If(this=exp.Not(this=test.copy()), true=otherwise)]
    case = exp.Case(ifs=arms, default=unknown[0] if unknown else None)
    case.meta[_IIF] = True
    return case


def is_iif(node: exp.Expr) -> bool:
    """Whether a CASE was written as IIF."""
    return bool(node.meta.get(_IIF, False))


def _case(compared: exp.Expr | None, trees: list[exp.Expr]) -> exp.Case:
    """Pairs of condition and result, and perhaps one more for ELSE."""
    pairs = [trees[i : i + 2] for i in range(0, len(trees) - 1, 2)]
    default = trees[-1] if len(trees) % 2 else None
    return exp.Case(this=compared, ifs=[exp.If(this=c, true=r) for c, r in pairs], default=default)


def _like(function: str, trees: list[exp.Expr]) -> exp.Expr:
    """CONTAINS and its like, where the text sought is written out and holds no wildcard."""
    sought = trees[1]
    if isinstance(sought, exp.Literal) and sought.is_string and not set("%_\\") & set(str(sought.this)):
        return exp.Like(this=trees[0], expression=exp.Literal.string(_PATTERNS[function].format(sought.this)))
    return exp.Anonymous(this=function, expressions=trees)


def _literal(token: Token) -> exp.Expr:
    text = str(token)
    match token.type:
        case "STRING":
            return exp.Literal.string(text[1:-1].replace(text[0] * 2, text[0]))
        case "NUMBER":
            return exp.Literal.number(text)
        case "TRUE" | "FALSE":
            return exp.Boolean(this=token.type == "TRUE")
        case "NULL":
            return exp.Null()
        case _:
            return exp.Anonymous(this="DATE", expressions=[exp.Literal.string(text)])


def _column(parts: list[str]) -> exp.Expr:
    """`[Brand]` is the data source's own field; `[Parameters].[P]` and `[Other].[Brand]` are others'."""
    names = [p[1:-1].replace("]]", "]") if p.startswith("[") else p for p in parts]
    return exp.column(names[-1], table=names[0] if len(names) > 1 else DATA, quoted=True)
