"""The grammar of Tableau's calculated fields.

Sources: Tableau's pages "Operators in Tableau" (order of operators), "Create Level of Detail Expressions", and
"Formatting Calculations in Tableau" (names, literals, comments).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from lark import Lark, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput

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
iif: IIF "(" expression "," expression "," expression ("," expression)? ")"
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
NAME: /[^\W\d]\w*/
COMMENT: /\/\/[^\n\r]*|\/\*[\s\S]*?\*\//
%ignore COMMENT
%ignore /\s+/
"""


COMMENT = re.compile(r"//[^\n\r]*|/\*[\s\S]*?\*/")


class FormulaError(ValueError):
    """A formula that cannot be parsed. `line` and `column` are where, from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True)
class Word:
    """A token as the SQL parser has them; `end` is inclusive."""

    start: int
    end: int
    text: str


def parsed(formula: str) -> Tree[Any]:
    """The syntax of a formula, with positions. Raises FormulaError."""
    try:
        return _parser().parse(formula)  # pyright: ignore[reportReturnType] - a single token has a rule of its own
    except UnexpectedEOF as error:
        raise FormulaError("the formula ends too early", formula.count("\n") + 1, 1) from error
    except UnexpectedCharacters as error:
        raise FormulaError(f"{error.char!r} is not expected here", error.line, error.column) from error
    except UnexpectedInput as error:
        token = getattr(error, "token", "")
        if getattr(token, "type", "") == "$END":
            raise FormulaError("the formula ends too early", formula.count("\n") + 1, 1) from error
        raise FormulaError(f"{str(token)!r} is not expected here", max(error.line, 1), max(error.column, 1)) from error


def calls(formula: str) -> list[tuple[str, int]]:
    """The functions that a formula calls, in capitals, with their lines. Raises FormulaError."""
    found = parsed(formula).iter_subtrees_topdown() if formula.strip() else ()
    return [(str(t.children[0]).upper(), t.meta.line) for t in found if t.data == "call"]


def words(formula: str) -> list[Word]:
    """The tokens of a formula that can be parsed."""
    return [Word(t.start_pos or 0, (t.end_pos or 0) - 1, str(t)) for t in _parser().lex(formula)]


@functools.cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", propagate_positions=True, maybe_placeholders=True)
