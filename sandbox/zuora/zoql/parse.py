"""From ZOQL text to its syntax tree (knowledgecenter.zuora.com, "ZOQL" and "Export ZOQL")."""

from __future__ import annotations

import re
from typing import cast

from sandbox.zuora.errors import QueryError
from sandbox.zuora.zoql.syntax import (
    Comparison,
    Condition,
    Constant,
    Junction,
    Membership,
    Name,
    Negation,
    Operator,
    Query,
)

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*")
      | (?P<stamp>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d+)?\s?(?:Z|[+-]\d\d:?\d\d)?)?)
      | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)
      | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,|\*)
    )""",
    re.VERBOSE,
)
_KEYWORDS = {"select", "from", "where", "and", "or", "not", "in", "like", "is", "null", "true", "false"}
_DEEPEST = 100


def parse(text: str) -> Query:
    """The query in `text`. Keywords in any case.

    Raises:
        QueryError: it is none, or uses what ZOQL lacks (`*`, joins, order by, functions).
    """
    return _Parser(_tokens(text)).query()


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, text = 0, text.strip().removesuffix(";").rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise QueryError(f"unexpected character at position {at + 1}: {text[at : at + 10]!r}")
        kind = str(match.lastgroup)
        word = match[kind]
        if kind == "word" and word.lower() in _KEYWORDS:
            kind, word = "keyword", word.lower()
        tokens.append((kind, word))
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def query(self) -> Query:
        self._expect("select")
        names = [self._name()]
        while self._take(","):
            names.append(self._name())
        self._expect("from")
        source = self._name()
        if source.prefix:
            raise QueryError(f"There is no object named {source}")
        where = self._disjunction() if self._take("where") else None
        if self._at < len(self._tokens):
            raise QueryError(f"unexpected {self._tokens[self._at][1]!r}")
        return Query(tuple(names), source.field, where)

    def _disjunction(self) -> Condition:
        parts = [self._conjunction()]
        while self._take("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Junction("or", tuple(parts))

    def _conjunction(self) -> Condition:
        parts = [self._condition()]
        while self._take("and"):
            parts.append(self._condition())
        return parts[0] if len(parts) == 1 else Junction("and", tuple(parts))

    def _condition(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise QueryError("the conditions are nested too deep")
        try:
            if self._take("not"):
                return Negation(self._condition())
            if self._take("("):
                inner = self._disjunction()
                self._expect(")")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        name = self._name()
        if self._take("is"):
            negative = self._take("not")
            self._expect("null")
            return Comparison(name, "!=" if negative else "=", Constant("null", "null"))
        if self._take("not"):
            return Negation(self._membership_or_like(name))
        if self._peek() in ("in", "like"):
            return self._membership_or_like(name)
        kind, word = self._next()
        if kind != "sign" or word in ("(", ")", ",", "*"):
            raise QueryError(f"an operator is expected instead of {word!r}")
        return Comparison(name, cast(Operator, "!=" if word == "<>" else word), self._constant())

    def _membership_or_like(self, name: Name) -> Condition:
        if self._take("like"):
            return Comparison(name, "like", self._constant())
        self._expect("in")
        self._expect("(")
        values = [self._constant()]
        while self._take(","):
            values.append(self._constant())
        self._expect(")")
        return Membership(name, tuple(values))

    def _constant(self) -> Constant:
        kind, word = self._next()
        match kind:
            case "quoted":
                return Constant(re.sub(r"\\(.)|''", lambda m: m[1] or "'", word[1:-1]), "quoted")
            case "stamp" | "number":
                return Constant(word, "bare")
            case "keyword" if word in ("true", "false"):
                return Constant(word, "boolean")
            case "keyword" if word == "null":
                return Constant(word, "null")
            case _:
                raise QueryError(f"a value is expected instead of {word!r}")

    def _name(self) -> Name:
        kind, word = self._next()
        if kind != "word":
            raise QueryError(f"a name is expected instead of {word!r}")
        prefix, _, field = word.rpartition(".")
        return Name(field, prefix or None)

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, word: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] in (("keyword", word), ("sign", word)):
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise QueryError(f"{word!r} is expected instead of {self._peek()!r}")

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise QueryError("the query ends too early")
        self._at += 1
        return self._tokens[self._at - 1]
