"""Where each node of a parsed query stands in its text.

sqlglot keeps positions for names only. Here its parser is watched: the tokens that a parsing method consumed are the
range of the node it returned; ranges are then widened to hold those of all children.
"""

from __future__ import annotations

import functools
import logging
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, cast

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import TokenType

Span = tuple[int, int]

_BEGINS = (TokenType.SELECT, TokenType.WITH, TokenType.FROM)
_AFTER_SELECT = (TokenType.DISTINCT, TokenType.ALL, TokenType.STRUCT, TokenType.ALIAS)


class NotParsed(ValueError):
    """The text is no single query of the dialect. `line` is where the parser stopped (1-based; 0 if unknown)."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


logging.getLogger("sqlglot").setLevel(logging.ERROR)
"""What it warns of comes back as a node that is refused, or as no query."""

TOO_DEEP = "the query is nested too deeply"
"""For Python's stack, in reading it or in whatever is done with it."""

_NULLS = (exp.IgnoreNulls, exp.RespectNulls)


class Tree:
    """A parsed query with the range of each node."""

    def __init__(
        self, sql: str, root: exp.Expr, spans: dict[int, Span], tokens: list[Any], dialect: str | None = None
    ) -> None:
        self.sql = sql
        self.root = root
        self._spans = spans
        self.tokens = tokens
        self.dialect = dialect
        self._alive = root  # node ids are valid while the tree lives

    def span(self, node: exp.Expr) -> Span | None:
        """[start, end) of the node in the text; None where the parser made the node up."""
        return self._spans.get(id(node))

    def text(self, node: exp.Expr) -> str:
        """The node's own text. Raises KeyError for a node without a range."""
        start, end = self._spans[id(node)]
        return self.sql[start:end]

    def tokens_in(self, start: int, end: int) -> list[Any]:
        """The tokens within a range."""
        return [t for t in self.tokens if start <= t.start and t.end < end]


def parse(sql: str, dialect: str) -> Tree:
    """Parse one query. Raises NotParsed."""
    chosen = Dialect.get_or_raise(dialect)
    chosen.SUPPORTS_USER_DEFINED_TYPES = True  # a macro may write the type: cast(x as {{ dbt.type_string() }})
    parser = _watching(type(chosen).parser_class)(dialect=chosen)
    try:
        tokens = chosen.tokenize(sql)
        found = [root for root in parser.parse(tokens, sql) if root is not None]
    except ParseError as error:
        line = int(error.errors[0].get("line") or 0) if error.errors else 0
        raise NotParsed(str(error).splitlines()[0], line) from error
    except TokenError as error:
        raise NotParsed(str(error).splitlines()[0], 0) from error
    except RecursionError as error:
        raise NotParsed(TOO_DEEP, 0) from error
    except Exception as error:  # the parser's own, on syntax that it half knows
        raise NotParsed(f"sqlglot fails on it with {type(error).__name__}: {error}", 0) from error
    if len(found) != 1:
        raise NotParsed(f"{len(found)} statements, one query is expected", 0)
    root = cast(exp.Expr, found[0])
    if isinstance(root, exp.Column | exp.Alias):
        raise NotParsed("no query is written here, only what a macro makes one of: compile the project to see it", 1)
    if not isinstance(root, exp.Query):
        raise NotParsed(f"a {root.key.upper()} statement, a query is expected", 1)
    seen: dict[int, tuple[int, int]] = parser.seen
    spans = {node: (tokens[i].start, tokens[j].end + 1) for node, (i, j) in seen.items()}
    _close(root, spans, tokens)
    return Tree(sql, root, spans, tokens, dialect)


def _close(root: exp.Expr, spans: dict[int, Span], tokens: list[Any]) -> None:
    """Widen every range to hold its children's, and that of a SELECT to hold its keyword."""
    starts = [token.start for token in tokens]
    for node in reversed(list(root.walk(bfs=True))):
        own = spans.get(id(node))
        if own is None and isinstance(node, exp.Identifier) and node.meta.get("end") is not None:
            own = (node.meta["start"], node.meta["end"] + 1)
        for child in node.iter_expressions():
            inner = spans.get(id(child))
            if inner is not None:
                own = inner if own is None else (min(own[0], inner[0]), max(own[1], inner[1]))
        if own is not None:
            if isinstance(node, exp.Select):
                own = (_keyword(tokens, bisect_left(starts, own[0])), own[1])
            spans[id(node)] = own
            if isinstance(node, exp.Func) and _stands_before_nulls(node):
                spans[id(node)] = _call_before_nulls(tokens, starts, own)


def _stands_before_nulls(node: exp.Expr) -> bool:
    """Whether it is the argument of an aggregate with IGNORE NULLS, DISTINCT, ORDER BY and LIMIT apart."""
    above = node.parent
    while isinstance(above, exp.Distinct | exp.Order | exp.Limit | exp.HavingMax):
        if isinstance(above, exp.Order | exp.Limit) and above.this is not node:
            return False
        node, above = above, above.parent
    return above is not None and isinstance(above.parent, _NULLS)


def _call_before_nulls(tokens: list[Any], starts: list[int], own: Span) -> Span:
    """The range of `f(x)` in `g(f(x) ignore nulls)`, which the parser notes with the NULLS alone."""
    first = bisect_left(starts, own[1])
    words = (n for n in range(first, len(tokens)) if tokens[n].text.upper() in ("IGNORE", "RESPECT"))
    last = next(words, len(tokens)) - 1
    if (
        any(t.token_type is not TokenType.R_PAREN for t in tokens[first : last + 1])
        or tokens[last].token_type is not TokenType.R_PAREN
    ):
        return own
    depth, place = 1, last
    while depth and place:
        place -= 1
        kind = tokens[place].token_type
        depth += (kind is TokenType.R_PAREN) - (kind is TokenType.L_PAREN)
    return tokens[max(place - 1, 0)].start, tokens[last].end + 1


def _keyword(tokens: list[Any], first: int) -> int:
    """Where the SELECT stands that goes with a query whose first known token is `first`."""
    place = first
    while place >= 0 and tokens[place].token_type not in _BEGINS:
        if place < first and tokens[place].token_type not in _AFTER_SELECT:
            return tokens[first].start
        place -= 1
    return tokens[max(place, 0)].start


@functools.cache
def _watching(parser: type[sqlglot.Parser]) -> Any:
    """A subclass whose parsing methods note the tokens of what they return."""
    if not hasattr(parser._parse_select, "__code__"):  # pyright: ignore[reportPrivateUsage]
        raise RuntimeError("sqlglot is compiled (sqlglot[c]): its parser cannot be watched. Install plain sqlglot.")

    def watched(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def parse_and_note(self: Any, *args: Any, **kwargs: Any) -> Any:
            start = self._index
            node = method(self, *args, **kwargs)
            if isinstance(node, exp.Expr) and self._index > start:
                self.kept.append(node)  # an id is only unique among living objects
                noted = self.seen.get(id(node))
                # A method further out that returns the same node consumed its keyword (`case`, `select`, `cast(`) too,
                # unless what it consumed is just a pair of parentheses around it.
                if noted is None or self._tokens[start].token_type is not TokenType.L_PAREN:
                    self.seen[id(node)] = (start, self._index - 1)
            return node

        return parse_and_note

    def reset(self: Any) -> None:
        super(watching, self).reset()
        self.seen = {}
        self.kept = []

    names = [n for n in dir(parser) if n.startswith("_parse") or n == "parse_set_operation"]
    methods = {n: watched(getattr(parser, n)) for n in names if n != "_parse"}
    watching: Any = type(f"Watching{parser.__name__}", (parser,), {**methods, "reset": reset})
    return watching
