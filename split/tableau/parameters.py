"""Parameters: lists that a person picks from, among them values that no row has any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from split.facts import Facts
from split.report_model import CutReport
from split.sql.engine import Kind
from split.sql.values import Lit, Scalar
from split.tableau.calculations import Fields, compared_texts, member_value
from split.tableau.datasource import PARAMETERS, bare, parameters
from split.tableau.expressions import DATA
from split.tableau.formulas import FormulaError, parse
from split.tableau.items import Item
from split.tableau.markup import Document, Element, Patch
from split.tableau.selections import Found


def parameter_items(document: Document, every: Sequence[Fields], facts: Facts) -> Iterator[Found]:
    """Parameters that offer, or hold, a value of the Enterprise side."""
    theirs, ours = _values(facts)
    for column in parameters(document):
        offered = {member_value(m.get("value")): m for m in _members(column)}
        gone = [value for value in offered if value in theirs and value not in ours]
        current = member_value(column.get("value"))
        if not gone and (current not in theirs or current in ours):
            continue
        yield _found(document, column, gone, current, _uses(bare(column.get("name")), every))


def _found(document: Document, column: Element, gone: list[Scalar], current: Scalar, uses: _Uses) -> Found:
    safe = [value for value in gone if value != current and value in uses.never and value not in uses.tested]
    left = [f"[{uses.tested[value]}] tests it for {_text(value)}" for value in gone if value in uses.tested]
    left += [
        f"no formula compares it with a field of which it is known that it is never {_text(value)}"
        for value in gone
        if value not in uses.never and value not in uses.tested
    ]
    if current in gone or not gone:
        left.insert(0, f"its current value, {_text(current)}, is Enterprise's: choose another one first")
    offered = [member_value(m.get("value")) for m in _members(column)]
    item = Item(
        what="parameter",
        name=column.get("caption") or bare(column.get("name")),
        internal=bare(column.get("name")),
        datasource=PARAMETERS,
        line=column.line,
        kind=Kind.mixed,
        old=", ".join(map(_text, offered)) or _text(current),
        new=", ".join(_text(v) for v in offered if v not in safe) if safe else None,
        cuts=tuple(
            CutReport(
                rule="a value to pick that is never there", facts=(uses.never[v],), line=column.line, removed=_text(v)
            )
            for v in safe
        ),
        left=tuple(left),
    )
    copies = [column, *_copies(document, column)]
    return Found(item, tuple(patch for copy in copies for patch in _without(document, copy, safe)))


def _values(facts: Facts) -> tuple[set[Scalar], set[Scalar]]:
    columns = [c for table in facts.tables.values() for c in table.columns.values()]
    return {Lit.of(v) for c in columns for v in c.enterprise}, {Lit.of(v) for c in columns for v in c.commercial}


def _members(column: Element) -> Iterator[Element]:
    members = column.first("members")
    return members.all("member") if members is not None else iter(())


def _copies(document: Document, column: Element) -> Iterator[Element]:
    """The same parameter where sheets repeat it."""
    for element in document.root.walk():
        if element.tag == "datasource-dependencies" and element.get("datasource") == PARAMETERS:
            yield from (c for c in element.all("column") if c.get("name") == column.get("name"))


def _without(document: Document, column: Element, values: list[Scalar]) -> Iterator[Patch]:
    for group, tag, key in (("members", "member", "value"), ("aliases", "alias", "key")):
        listed = column.first(group)
        if listed is None:
            continue
        going = [e for e in listed.all(tag) if member_value(e.get(key)) in values]
        if going and len(going) == len(list(listed.all(tag))):
            yield document.without(listed)
        else:
            yield from (document.without(e) for e in going)


@dataclass
class _Uses:
    """What formulas do with a parameter.

    Attributes:
        never: values that a field beside it never has, each with the fact that says so.
        tested: texts that the parameter itself is compared with, each with the field that does it.
    """

    never: dict[Scalar, str] = field(default_factory=dict[Scalar, str])
    tested: dict[Scalar, str] = field(default_factory=dict[Scalar, str])


def _uses(name: str, every: Sequence[Fields]) -> _Uses:
    found = _Uses()
    for fields, definition in ((f, d) for f in every for d in f.definitions.values()):
        if f"[{name.lower()}]" not in definition.formula.lower():
            continue
        try:
            root = parse(definition.formula).root
        except FormulaError:
            continue
        columns = list(root.find_all(exp.Column))
        if not any(_is(c, name) for c in columns):
            continue
        title = fields.source.title(definition.name)
        found.tested.update({Lit.of(str(t.this)): title for c, t in compared_texts(root) if _is(c, name)})
        for column in columns:
            if column.table == DATA:
                found.never.update({value: str(fact) for value, fact in fields.of(column.name).commercial.gone})
    return found


def _is(column: exp.Column, name: str) -> bool:
    return column.table == PARAMETERS and column.name.lower() == name.lower()


def _text(value: Scalar) -> str:
    return "NULL" if value is None else str(value.value)
