"""Tableau's calculated fields under the same facts: parsed, folded by the same rules, patched in place.

A formula becomes a tree of the same kind as a query's expressions, with the ranges of its own text; what can be cut is
then decided by `rewrite.py` alone. Tableau's logic has the same three values: a comparison with NULL is NULL, and IF
takes only what is true.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput
from sqlglot import exp

from split import spans
from split.edits import apart, patched
from split.facts import Fact
from split.rewrite import Rewrite, Syntax
from split.scope import Relation, Scope
from split.values import Value

_GRAMMAR = r"""
?start: expression
?expression: disjunction
?disjunction: conjunction | disjunction OR conjunction -> either
?conjunction: negation | conjunction AND negation -> both
?negation: comparison | NOT negation -> negated
?comparison: sum
    | comparison COMPARE sum -> compared
    | comparison IN "(" [expression ("," expression)*] ")" -> listed
    | comparison IN field -> in_set
    | comparison NOT IN "(" [expression ("," expression)*] ")" -> not_listed
?sum: product | sum PLUS product -> arithmetic | sum MINUS product -> arithmetic
?product: power | product TIMES power -> arithmetic
?power: unary | unary RAISED power -> arithmetic
?unary: atom | MINUS unary -> minus | PLUS unary -> plus
?atom: literal | field | call | iif | branches | cases | level_of_detail | "(" expression ")" -> bracket
call: NAME "(" [DISTINCT] [expression ("," expression)*] ")"
iif: IIF "(" expression "," expression "," expression ["," expression] ")"
branches: IF expression THEN expression (ELSEIF expression THEN expression)* [ELSE expression] END
cases: CASE expression (WHEN expression THEN expression)+ [ELSE expression] END
level_of_detail: "{" [SCOPE [dimension ("," dimension)*] ":"] expression "}"
?dimension: expression
field: FIELD ("." FIELD)* | NAME
literal: STRING | NUMBER | DATE | TRUE | FALSE | NULL

IF.9: /IF\b/i
IIF.9: /IIF\b/i
THEN.9: /THEN\b/i
ELSEIF.9: /ELSEIF\b/i
ELSE.9: /ELSE\b/i
END.9: /END\b/i
CASE.9: /CASE\b/i
WHEN.9: /WHEN\b/i
AND.9: /AND\b/i
OR.9: /OR\b/i
NOT.9: /NOT\b/i
IN.9: /IN\b/i
TRUE.9: /TRUE\b/i
FALSE.9: /FALSE\b/i
NULL.9: /NULL\b/i
DISTINCT.9: /DISTINCT\b/i
SCOPE.9: /(FIXED|INCLUDE|EXCLUDE)\b/i
COMPARE: "==" | "=" | "<>" | "!=" | "<=" | ">=" | "<" | ">"
PLUS: "+"
MINUS: "-"
TIMES: "*" | "/" | "%"
RAISED: "^"
FIELD: /\[(?:\]\]|[^\]])*\]/
STRING: /'(?:''|[^'])*'|"(?:""|[^"])*"/
NUMBER: /(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/
DATE: /#[^#\n]*#/
NAME: /[A-Za-z_][A-Za-z0-9_]*/
COMMENT: /\/\/[^\n\r]*|\/\*[\s\S]*?\*\//
%ignore COMMENT
%ignore /\s+/
"""

_TABLEAU = Syntax(
    not_null=("NOT ISNULL(", ")"),
    null=("ISNULL(", ")"),
    typed_null=None,
    opens=frozenset({"IF", "ELSEIF", "WHEN"}),
    closes=frozenset({"ELSEIF", "WHEN", "ELSE", "END"}),
)
_DATA = "data"


class FormulaError(ValueError):
    """A formula that cannot be parsed. `line` and `column` are where, from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True)
class Folded:
    """A formula without what the facts rule out.

    Attributes:
        cuts: (rule, facts) of each cut, in order.
        result: what is known of the formula's value, for the fields that use it.
    """

    text: str
    cuts: tuple[tuple[str, tuple[Fact, ...]], ...]
    left: tuple[str, ...]
    result: Value


def fold(formula: str, fields: Mapping[str, Value]) -> Folded:
    """Cut out of a formula what the facts rule out.

    Args:
        fields: what is known of fields, by their name as the formula writes it, without brackets.

    Raises:
        FormulaError: the formula cannot be parsed.
    """
    known = Relation({name.lower(): value for name, value in fields.items()}, complete=False)
    scope = Scope({_DATA: known})
    cuts: list[tuple[str, tuple[Fact, ...]]] = []
    left: dict[str, None] = {}
    text = formula
    while True:
        tree = parse(text)
        rewrite = Rewrite(tree, _NoTables(), frozenset(), last=True, syntax=_TABLEAU)
        result = rewrite.expression(tree.root, scope)
        left.update(dict.fromkeys(refusal.reason for refusal in rewrite.refusals))
        edits = apart(rewrite.edits)
        if not edits:
            return Folded(text, tuple(cuts), tuple(left), result)
        cuts += [(edit.rule, tuple(sorted(edit.facts, key=str))) for edit in edits]
        text = patched(text, edits)


def parse(formula: str) -> spans.Tree:
    """A formula as a tree of expressions with ranges. Raises FormulaError."""
    try:
        parsed = _parser().parse(formula)
    except UnexpectedEOF as error:
        raise FormulaError("the formula ends too early", formula.count("\n") + 1, 1) from error
    except UnexpectedCharacters as error:
        raise FormulaError(f"{error.char!r} is not expected here", error.line, error.column) from error
    except UnexpectedInput as error:
        token = getattr(error, "token", "")
        raise FormulaError(f"{str(token)!r} is not expected here", max(error.line, 1), max(error.column, 1)) from error
    builder = _Builder()
    root = builder.build(parsed)
    words = [_Word(t.start_pos or 0, (t.end_pos or 0) - 1, str(t)) for t in _parser().lex(formula)]
    return spans.Tree(formula, root, builder.spans, words)


@dataclass(frozen=True)
class _Word:
    """A token as the SQL parser has them; `end` is inclusive."""

    start: int
    end: int
    text: str


class _NoTables:
    """A formula names no tables."""

    def relation(self, name: str) -> Relation | None:
        return None

    def alias(self, name: str) -> str:
        return name

    def is_opaque(self, name: str) -> bool:
        return False

    def unread(self, name: str) -> bool:
        return False


@functools.cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", propagate_positions=True, maybe_placeholders=True)


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


class _Builder:
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
            case "iif" if len(trees) == 3:
                return exp.If(this=trees[0], true=trees[1], false=trees[2])
            case "call" if words and words[0] in _PATTERNS and len(trees) == 2:
                return _like(words[0], trees)
            case "call" if words and words[0] in _FUNCTIONS and trees and "DISTINCT" not in words:
                return _FUNCTIONS[words[0]](trees)
            case _:
                return exp.Anonymous(this=words[0] if words else kind, expressions=trees)


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
    return exp.column(names[-1], table=names[0] if len(names) > 1 else _DATA, quoted=True)
