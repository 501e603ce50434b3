"""Splits a parsed script into what the analyzer can look at. Runs in the emulators' environment.

The analyzer resolves one statement, and knows no procedural language. So blocks, branches and loops are walked here,
their statements come one by one, and their conditions and assigned expressions come as queries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zetasql.wasi._pb2.zetasql.parser import parse_tree_pb2


@dataclass(frozen=True)
class Leaf:
    """A statement without statements in it. `sql` is to be analyzed; it is empty where there is nothing to resolve.

    `declares` are variables that statements after it know, of SQL type `type`, or if it is empty of that of `sql`.
    """

    kind: str
    sql: str = ""
    declares: tuple[str, ...] = ()
    type: str = ""


def leaves(script: Any, sql: str) -> Iterator[Leaf]:
    """The leaves of the parsed script in the order written."""
    text = sql.encode()
    for statement in script.statement_list_node.statement_list:
        yield from _statement(statement, text)


def _statement(any_node: Any, text: bytes) -> Iterator[Leaf]:
    node = _concrete(any_node)
    kind = type(node).__name__.removeprefix("AST").removesuffix("Proto")
    if kind == "VariableDeclaration":
        names = tuple(i.id_string for i in node.variable_list.identifier_list)
        value = f"select {_cut(node.default_value, text)}" if node.HasField("default_value") else ""
        type_ = _cut(node.type, text) if node.HasField("type") else ""
        if type_ and value:
            value = f"select cast({value.removeprefix('select ')} as {type_})"
        yield Leaf(kind, value, names, type_)
    elif kind == "SingleAssignment":
        yield Leaf(kind, f"select {_cut(node.expression, text)} = {node.variable.id_string}")
    elif kind == "AssignmentFromStruct":
        yield Leaf(kind, f"select {_cut(node.struct_expression, text)}")
    elif kind in (
        "RaiseStatement",
        "BreakStatement",
        "ContinueStatement",
        "ReturnStatement",
        "SystemVariableAssignment",
    ):
        yield Leaf(kind)
    elif any(True for _ in _lists(node)):
        for field, inner in node.ListFields():
            if field.name == "condition":
                yield Leaf("Condition", f"select 1 from unnest([1]) where {_cut(inner, text)}")
            for statement in _lists_in(field, inner):
                yield from _statement(statement, text)
    else:
        yield Leaf(kind, _cut(node, text))


def casts_with_digits(node: Any, within_cast: bool = False) -> bool:
    """True if a CAST names the digits or length of its type, which the analyzer takes and BigQuery refuses."""
    for field, inner in node.ListFields():
        if within_cast and field.name == "type_parameters":
            return True
        if field.message_type:
            cast = within_cast or (isinstance(node, parse_tree_pb2.ASTCastExpressionProto) and field.name == "type")
            if any(casts_with_digits(message, cast) for message in (inner if field.is_repeated else [inner])):
                return True
    return False


def _lists(node: Any) -> Iterator[Any]:
    for field, inner in node.ListFields():
        yield from _lists_in(field, inner)


def _lists_in(field: Any, inner: Any) -> Iterator[Any]:
    """The statements that stand directly below a field, through handlers and clauses, not through expressions."""
    if field.type != field.TYPE_MESSAGE or field.name == "condition":
        return
    for message in inner if field.is_repeated else [inner]:
        if isinstance(message, parse_tree_pb2.AnyASTStatementProto):
            yield message
        elif type(message).__name__ in STRUCTURE:
            yield from _lists(message)


STRUCTURE = {
    "ASTStatementListProto",
    "ASTExceptionHandlerListProto",
    "ASTExceptionHandlerProto",
    "ASTElseifClauseListProto",
    "ASTElseifClauseProto",
    "ASTWhenThenClauseListProto",
    "ASTWhenThenClauseProto",
    "ASTLoopStatementProto",
}


def _concrete(node: Any) -> Any:
    while "node" in node.DESCRIPTOR.oneofs_by_name and (kind := node.WhichOneof("node")) is not None:
        node = getattr(node, kind)
    return node


def _cut(any_node: Any, text: bytes) -> str:
    """The piece of the script that a node was parsed from."""
    node = _concrete(any_node)
    while not isinstance(node, parse_tree_pb2.ASTNodeProto):
        node = node.parent
    place = node.parse_location_range
    return text[place.start : place.end].decode()
