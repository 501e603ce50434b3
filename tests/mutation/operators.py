"""Changes to Python code, one at a time: the usual operators, on the syntax tree.

Left alone: annotations, docstrings and what `raise` is given as text, because nobody's rows depend on them.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.mutation import sql

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.LShift: ast.RShift, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_NAMED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_NOTHING = ast.Pass()


@dataclass(frozen=True)
class Mutant:
    """A module with one change.

    Attributes:
        where: the class and function it is in.
        line: the source line (of SQL: what stands around the change), without the indent.
        change: what was changed, in words; numbered where one line has several of a kind.
        source: the whole module.
    """

    where: str
    line: str
    change: str
    source: str


def mutants(source: str, *, with_sql: bool) -> list[Mutant]:
    """Every mutant of a module, in the order of the source."""
    tree, lines = ast.parse(source), source.splitlines()
    seen: Counter[tuple[str, str, str]] = Counter()
    found: list[Mutant] = []
    for where, parent, field, index, node in list(_places(tree, "")):
        changes = list(_changes(node, parent))
        if with_sql and isinstance(node, ast.JoinedStr | ast.Constant) and not isinstance(parent, ast.JoinedStr):
            changes += [(c.change, _string(c.text, node), c.around) for c in sql.changes(_template(node))]
        for change, new, around in changes:
            line = around or lines[getattr(node, "lineno", getattr(parent, "lineno", 1)) - 1].strip()
            seen[where, line, change] += 1
            nth = seen[where, line, change]
            _put(parent, field, index, new)
            mutated = ast.unparse(ast.fix_missing_locations(tree))
            _put(parent, field, index, node)
            found.append(Mutant(where, line, change + (f" ({nth})" if nth > 1 else ""), mutated))
    return found


def _places(node: ast.AST, where: str) -> Iterator[tuple[str, ast.AST, str, int | None, ast.AST]]:
    """(class and function, parent, field, place in the field, node) of all that may be changed."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases", "keywords") and not isinstance(node, ast.Call):
            continue
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Assert) and field == "msg"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_bare_text(child):
                continue
            named = isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            inside = f"{where}.{child.name}".lstrip(".") if named else where
            yield inside, node, field, index, child
            yield from _places(child, inside)


def _changes(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, ast.AST, str]]:
    match node:
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                new = copy.deepcopy(node)
                new.ops[i] = _COMPARISONS[type(op)]()
                yield _told(node, new)
        case ast.BoolOp(values=values):
            for i in range(len(values)):
                rest = [v for j, v in enumerate(values) if j != i]
                yield _told(node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
        case ast.UnaryOp(op=ast.Not()):
            yield _told(node, node.operand)
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC and not isinstance(node.left, ast.Constant | ast.JoinedStr):
            yield _told(node, ast.BinOp(node.left, _ARITHMETIC[type(op)](), node.right))
        case ast.AugAssign(op=op):
            yield _told(node, _NOTHING)
        case ast.IfExp():
            yield _told(node, node.body)
            yield _told(node, node.orelse)
        case ast.If():
            yield f"if {ast.unparse(node.test)} → never", ast.If(ast.Constant(False), node.body, node.orelse), ""
        case ast.comprehension() if node.ifs:
            yield _told(node, ast.comprehension(node.target, node.iter, [], node.is_async))
        case ast.Constant(value=bool() | int() | float() as value):
            yield _told(node, ast.Constant(not value if isinstance(value, bool) else value + 1))
        case ast.Call(func=ast.Name(id=name)) if name in _NAMED:
            yield _told(node, ast.Call(ast.Name(_NAMED[name]), node.args, node.keywords))
        case ast.Call(func=ast.Name(id="sorted"), args=[only, *_]):
            yield _told(node, ast.Call(ast.Name("list"), [only], []))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant | ast.JoinedStr):
            yield _told(node, ast.Return(ast.Constant(None)))
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise():
            yield f"{ast.unparse(node)[:60]} → pass", _NOTHING, ""
        case ast.Assign(targets=[ast.Attribute()]):
            yield _told(node, _NOTHING)
        case ast.Continue() if not isinstance(parent, ast.Module):
            yield _told(node, ast.Break())
        case _:
            pass


def _told(node: ast.AST, new: ast.AST) -> tuple[str, ast.AST, str]:
    return f"{ast.unparse(node)[:80]} → {ast.unparse(new)[:80]}", new, ""


def _is_bare_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _template(node: ast.JoinedStr | ast.Constant) -> str:
    """The text with `{n}` for the n-th embedded expression."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else f"{{{i}}}" for i, part in enumerate(node.values)
    )


def _string(template: str, node: ast.JoinedStr | ast.Constant) -> ast.AST:
    if isinstance(node, ast.Constant):
        return ast.Constant(template)
    values = [node.values[int(piece)] if i % 2 else ast.Constant(piece) for i, piece in enumerate(sql.pieces(template))]
    return ast.JoinedStr([v for v in values if not (isinstance(v, ast.Constant) and v.value == "")])
