"""A recursive-descent parser for the part of SOQL that data extraction uses.

Grammar and escapes as in the SOQL and SOSL Reference, "SOQL SELECT Syntax" and "Quoted String Escape Sequences".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeVar

from sandbox.salesforce.errors import ApiError, malformed
from sandbox.salesforce.soql.syntax import (
    AggregateItem,
    Both,
    Comparison,
    Condition,
    FieldItem,
    Item,
    Literal,
    Name,
    Not,
    Order,
    Query,
    SubQueryItem,
    TypeOfItem,
    Value,
)  # fmt: skip

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
      | (?P<date>\d{4}-\d\d-\d\d)
      | (?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_][\w.]*)
      | (?P<symbol><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
WILDCARD_ESCAPE = "\ue000"
"""Stands before a `_` or `%` that was written with a backslash, until LIKE has been told from the other operators."""
_ESCAPES = {
    "n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\",
    "_": f"{WILDCARD_ESCAPE}_", "%": f"{WILDCARD_ESCAPE}%",
}  # fmt: skip
_AGGREGATES = {"COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM", "AVG"}
_CLAUSES = {"FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "AND", "OR", "HAVING", "FOR", "WITH", "USING", "ALL"}
_COMPARISONS = {"=", "!=", "<>", "<", "<=", ">", ">="}

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "name" else self.text if self.kind == "symbol" else ""


def parse(text: str) -> Query:
    """Parse one query. Raises ApiError 400 MALFORMED_QUERY, with the place of the offence."""
    return _Parser(text).query()


def where_is(text: str, at: int) -> str:
    """The first lines of an error message: a part of the query, a caret under the offence, row and column."""
    row = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    start = max(0, at - 40)
    excerpt = text[start : at + 40].replace("\n", " ")
    return f"\n{excerpt}\n{' ' * (at - start)}^\nERROR at Row:{row}:Column:{column}\n"


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._lex())
        self._position = 0

    def query(self) -> Query:
        self._expect("SELECT")
        items = self._list(self._item)
        self._expect("FROM")
        source = self._name()
        if self._peek().kind == "name" and self._peek().word not in _CLAUSES:
            self._next()  # an alias of the object, which nothing here refers to
        where = self._condition() if self._accept("WHERE") else None
        group_by: tuple[Name, ...] = ()
        if self._accept("GROUP"):
            self._expect("BY")
            group_by = self._list(self._name)
        order_by: tuple[Order, ...] = ()
        if self._accept("ORDER"):
            self._expect("BY")
            order_by = self._list(self._order)
        limit = self._count() if self._accept("LIMIT") else None
        offset = self._count() if self._accept("OFFSET") else None
        if self._accept("ALL"):
            raise malformed("ALL ROWS not allowed in this context")
        if self._peek().kind != "end":
            raise self._unexpected()
        return Query(self._text, items, source, where, group_by, order_by, limit, offset)

    def _lex(self) -> list[_Token]:
        tokens: list[_Token] = []
        at, end = 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None:
                at += len(self._text[at:]) - len(self._text[at:].lstrip())
                if self._text[at] == "'":
                    raise malformed(where_is(self._text, at) + "string literal is not closed")
                message = f"line 1:{at} no viable alternative at character '{self._text[at]}'"
                raise malformed(where_is(self._text, at) + message)
            kind = match.lastgroup or ""
            tokens.append(_Token(kind, match.group(kind), match.start(kind)))
            at = match.end()
        return [*tokens, _Token("end", "<EOF>", end)]

    def _peek(self, ahead: int = 0) -> _Token:
        return self._tokens[min(self._position + ahead, len(self._tokens) - 1)]

    def _next(self) -> _Token:
        token = self._peek()
        self._position += 1
        return token

    def _accept(self, word: str) -> bool:
        if self._peek().word == word:
            self._position += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise self._unexpected()

    def _unexpected(self) -> ApiError:
        token = self._peek()
        return malformed(where_is(self._text, token.at) + f"unexpected token: '{token.text}'")

    def _list(self, one: Callable[[], ItemT]) -> tuple[ItemT, ...]:
        found = [one()]
        while self._accept(","):
            found.append(one())
        return tuple(found)

    def _name(self) -> Name:
        token = self._peek()
        if token.kind != "name" or token.word in _CLAUSES:
            raise self._unexpected()
        self._next()
        return Name(token.text, token.at)

    def _count(self) -> int:
        token = self._next()
        if token.kind != "number" or not token.text.isdigit():
            self._position -= 1
            raise self._unexpected()
        return int(token.text)

    def _item(self) -> Item:
        token = self._peek()
        if token.word == "(" and self._peek(1).word == "SELECT":
            self._skip_parentheses()
            return SubQueryItem(token.at)
        if token.word == "TYPEOF":
            while self._peek().word != "END":
                if self._next().kind == "end":
                    raise self._unexpected()
            self._next()
            return TypeOfItem(token.at)
        name = self._name()
        if not self._accept("("):
            return FieldItem(name)
        function = name.text.upper()
        if function not in _AGGREGATES:
            raise malformed(where_is(self._text, name.at) + f"unexpected token: '{name.text}'")
        argument = None if self._peek().word == ")" and function == "COUNT" else self._name()
        self._expect(")")
        has_alias = self._peek().kind == "name" and self._peek().word not in _CLAUSES
        return AggregateItem(function, argument, self._name().text if has_alias else None, name.at)

    def _skip_parentheses(self) -> None:
        depth = 0
        while True:
            token = self._next()
            if token.kind == "end":
                self._position -= 1
                raise self._unexpected()
            depth += {"(": 1, ")": -1}.get(token.word, 0)
            if depth == 0:
                return

    def _condition(self) -> Condition:
        found = [self._not()]
        operator = self._peek().word
        if operator not in ("AND", "OR"):
            return found[0]
        while self._accept(operator):
            found.append(self._not())
        if self._peek().word in ("AND", "OR"):  # SOQL wants parentheses where the two meet on one level
            raise self._unexpected()
        return Both("AND" if operator == "AND" else "OR", tuple(found))

    def _not(self) -> Condition:
        if self._accept("NOT"):
            return Not(self._not())
        if self._accept("("):
            inside = self._condition()
            self._expect(")")
            return inside
        return self._comparison()

    def _comparison(self) -> Condition:
        field = self._name()
        if self._peek().word in _COMPARISONS:
            operator = self._next().word.replace("<>", "!=")
            return Comparison(field, operator, (self._literal(),))
        if self._accept("LIKE"):
            return Comparison(field, "LIKE", (self._literal(),))
        for words in (("NOT", "IN"), ("IN",), ("INCLUDES",), ("EXCLUDES",)):
            if self._peek().word == words[0] and self._peek(len(words) - 1).word == words[-1]:
                self._position += len(words)
                self._expect("(")
                values = self._list(self._literal)
                self._expect(")")
                return Comparison(field, " ".join(words), values)
        raise self._unexpected()

    def _order(self) -> Order:
        field = self._name()
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        nulls_last = False
        if self._accept("NULLS"):
            nulls_last = self._accept("LAST")
            if not nulls_last:
                self._expect("FIRST")
        return Order(field, descending, nulls_last)

    def _literal(self) -> Literal:
        token = self._next()
        try:
            return Literal(_value(token), token.at)
        except ValueError:
            self._position -= 1
            raise self._unexpected() from None


def _value(token: _Token) -> Value:
    match token.kind:
        case "string":
            return _unescaped(token.text[1:-1])
        case "number":
            return Decimal(token.text)
        case "date":
            return date.fromisoformat(token.text)
        case "datetime":
            return datetime.fromisoformat(token.text).astimezone(UTC).replace(tzinfo=None)
        case _ if token.word in ("TRUE", "FALSE"):
            return token.word == "TRUE"
        case _ if token.word == "NULL":
            return None
        case _:
            raise ValueError(token.text)


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        escaped = match.group(1)
        if escaped.startswith("u"):
            return chr(int(escaped[1:], 16))
        if escaped not in _ESCAPES:
            raise malformed(f"Illegal escape sequence '\\{escaped}' in string literal")
        return _ESCAPES[escaped]

    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", one, text, flags=re.DOTALL)
