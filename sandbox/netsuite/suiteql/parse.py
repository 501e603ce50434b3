"""From text to a syntax tree, and the refusal of what SuiteQL does not know."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from sqlglot import exp, transforms
from sqlglot.dialects.oracle import Oracle
from sqlglot.errors import SqlglotError

from sandbox.netsuite.errors import invalid_query

_LEADING = re.compile(r"\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*select\b", re.IGNORECASE | re.DOTALL)
_KNOWN_PARTS = {
    "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "distinct",
}  # fmt: skip
UNSUPPORTED = "Invalid or unsupported search"


class _SuiteQL(Oracle):
    """Oracle's grammar; every function stays a plain name with arguments, so that one list says what is allowed."""

    class Parser(Oracle.Parser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: parser
            for name, parser in Oracle.Parser.NO_PAREN_FUNCTION_PARSERS.items()
            if name in ("CASE", "SYSDATE")
        }


def parse(text: str) -> exp.Select:
    """The SELECT statement in `text`.

    Raises:
        RestError: it is none, or uses what SuiteQL lacks (WITH, LIMIT, OFFSET, UNION, mixed join syntax).
    """
    if not _LEADING.match(text):
        raise invalid_query(f"{UNSUPPORTED}: a query starts with SELECT.")
    try:
        statements = _SuiteQL().parse(text)
    except (SqlglotError, RecursionError) as error:
        raise invalid_query(f"{UNSUPPORTED}: {_first_line(error)}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise invalid_query(f"{UNSUPPORTED}: one SELECT statement is expected.")
    for select in statements[0].find_all(exp.Select):
        _check_parts(select)
    return _without_join_marks(statements[0])


def _check_parts(select: exp.Select) -> None:
    parts = {name for name, value in select.args.items() if value}
    if "with_" in parts:
        raise invalid_query(f"{UNSUPPORTED}: WITH is not supported.")
    if isinstance(select.args.get("limit"), exp.Limit):
        raise invalid_query(f"{UNSUPPORTED}: LIMIT is not supported.")
    if "offset" in parts:
        raise invalid_query(f"{UNSUPPORTED}: OFFSET is not supported.")
    if unknown := parts - _KNOWN_PARTS:
        raise invalid_query(f"{UNSUPPORTED}: {', '.join(sorted(unknown)).strip('_').upper()} is not supported.")
    if not select.expressions:
        raise invalid_query(f"{UNSUPPORTED}: nothing is selected.")
    if not select.args.get("from_"):
        raise invalid_query(f"{UNSUPPORTED}: FROM is missing.")


def _without_join_marks(statement: exp.Select) -> exp.Select:
    marked = any(column.args.get("join_mark") for column in statement.find_all(exp.Column))
    if not marked:
        return statement
    if any(join.args.get("on") or join.args.get("side") for join in statement.find_all(exp.Join)):
        raise invalid_query(f"{UNSUPPORTED}: ANSI and Oracle join syntax cannot be mixed in one query.")
    try:
        changed = transforms.eliminate_join_marks(statement)
    except (SqlglotError, AssertionError) as error:
        raise invalid_query(f"{UNSUPPORTED}: {_first_line(error)}") from None
    assert isinstance(changed, exp.Select)
    return changed


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["the query cannot be read."])[0]
