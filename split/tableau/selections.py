"""Filters, sets, groups and aliases: lists of a field's values that people ticked, and what the facts say of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from split.facts import Fact
from split.report_model import CutReport
from split.sql.engine import Kind
from split.sql.values import Lit, Scalar
from split.tableau.calculations import Fields, Known, member_value
from split.tableau.datasource import bare, instance_field, parts
from split.tableau.items import Item, What
from split.tableau.markup import Document, Element, Patch

_GOES = "it is about Enterprise alone: remove it, and the sheet with it where the sheet shows nothing else"
_ONLY = "it keeps Enterprise out, and has no effect once Enterprise is gone; it stays unless you decide otherwise"


@dataclass(frozen=True)
class Found:
    """An item and the patches that its change takes."""

    item: Item
    patches: tuple[Patch, ...] = ()


@dataclass(frozen=True)
class _Member:
    element: Element
    value: Scalar
    fact: Fact | None

    @property
    def text(self) -> str:
        return "NULL" if self.value is None else str(self.value.value)


def filter_field(element: Element) -> tuple[str, str]:
    """The data source and the field of a filter's `column`."""
    named = parts(element.get("column"))
    source = named[0] if len(named) > 1 and element.get("column").count("[") > 1 else ""
    if source:  # the data source's own name may hold a dot, of which `parts` makes two
        source = element.get("column")[1:].partition("].[")[0]
    return source, instance_field(named[-1])


def selected(
    document: Document, element: Element, fields: Fields, *, what: What, name: str, sheet: str
) -> Found | None:
    """A filter or a set; None where it lists no value and no condition.

    Args:
        name: of the field that is filtered, or of the set.
        sheet: empty for one of the data source.
    """
    root = next(iter(element.all("groupfilter")), None)
    if root is None:
        return None
    chosen = [e for e in root.walk() if e.tag == "groupfilter" and e.get("function") == "member"]
    conditions = [e for e in root.walk() if e.tag == "groupfilter" and e.get("expression")]
    if not chosen and not conditions:
        return None
    levels = {instance_field(bare(e.get("level"))) for e in chosen} or {name}
    known = [fields.of(level) for level in sorted(levels)]
    members = [_member(e, fields.of(instance_field(bare(e.get("level")) or name))) for e in chosen]
    judged = _judge(root, members, known, fields)
    item = Item(
        what=what,
        name=fields.source.title(name),
        internal=name,
        datasource=fields.source.caption,
        line=element.line,
        kind=judged.kind,
        sheets=(sheet,) if sheet else (),
        old=_shown(root, [m.text for m in members], conditions),
        left=judged.left,
    )
    gone = [m for m in members if m.fact is not None]
    if judged.kind is not Kind.mixed or not judged.safe:
        return Found(item)
    kept = [m for m in members if m.fact is None]
    cuts = tuple(_cut(member) for member in gone)
    new = _shown(root, [m.text for m in kept], conditions)
    return Found(item.model_copy(update={"new": new, "cuts": cuts}), _without(document, root, gone, kept))


def grouped(element: Element, fields: Fields) -> Item | None:
    """A group that names values that are gone. None for any other."""
    calculation = element.first("calculation")
    if calculation is None or calculation.get("class") != "categorical-bin":
        return None
    base = fields.of(bare(calculation.get("column")))
    text = fields.source.document.text
    listed = [
        (member_value(one.get("value")), _member_of(value, member_value(text(value)), base))
        for one in calculation.all("bin")
        for value in one.all("value")
    ]
    gone = [f"{_plain(name)} ← {member.text}" for name, member in listed if member.fact is not None]
    named = [m.text for _, m in listed if m.fact is None and _is_named(m, fields)]
    name = bare(element.get("name"))
    left: tuple[str, ...] = ()
    kind = Kind.unknown if base.unclear else Kind.neutral
    if base.unclear:
        left = (f"[{fields.source.title(bare(calculation.get('column')))}]: {base.unclear}",)
    if gone:
        kind = Kind.enterprise_only if len(gone) == len(listed) else Kind.mixed
        left = ("take these values out of the group, in Tableau's dialog: " + "; ".join(gone),)
    elif named:
        kind, left = Kind.unknown, (*left, f"still names {', '.join(map(repr, named))}")
    old = "\n".join(f"{_plain(name)} ← {member.text}" for name, member in listed)
    return Item(
        what="group", name=fields.source.title(name), internal=name, datasource=fields.source.caption,
        line=element.line, kind=kind, old=old, left=left,
    )  # fmt: skip


def aliased(element: Element, fields: Fields) -> Iterator[Item]:
    """Aliases of a field's values that are gone."""
    name = bare(element.get("name"))
    aliases = element.first("aliases")
    for alias in aliases.all("alias") if aliases is not None else ():
        member = _member_of(alias, member_value(alias.get("key")), fields.of(name))
        if member.fact is not None:
            yield Item(
                what="alias", name=fields.source.title(name), internal=name, datasource=fields.source.caption,
                line=alias.line, kind=Kind.enterprise_only, old=f"{member.text} is shown as {alias.get('value')}",
                left=(f"{member.fact}: remove the alias",),
            )  # fmt: skip


@dataclass(frozen=True)
class _Judged:
    kind: Kind
    left: tuple[str, ...] = ()
    safe: bool = False


def _judge(root: Element, members: list[_Member], known: list[Known], fields: Fields) -> _Judged:
    gone = [m for m in members if m.fact is not None]
    unclear = tuple(dict.fromkeys(k.unclear for k in known if k.unclear))
    named = [f"still names {m.text!r}" for m in members if m.fact is None and _is_named(m, fields)]
    if fields.reads.commercial is not None:
        return _Judged(Kind.enterprise_only, (_GOES,))
    if conditions := [e for e in root.walk() if e.get("expression")]:
        return _conditional(conditions, fields, gone, unclear)
    if not gone:
        touched = [k for k in known if k.is_touched]
        if named or unclear:
            return _Judged(Kind.unknown, (*named, *unclear))
        if touched and len(known) == 1 and not _excludes(root):
            return _Judged(Kind.commercial_only, (_ONLY,))
        return _Judged(Kind.neutral)
    if len(known) > 1 or not _is_list(root):
        names = ", ".join(m.text for m in gone)
        return _Judged(
            Kind.mixed, (f"names {names}, in a form that is not edited here: take it out in Tableau's dialog",)
        )
    if _excludes(root):
        left = known[0].commercial.now
        if left is not None and left <= {m.value for m in members}:
            return _Judged(Kind.enterprise_only, (_GOES,))
        return _Judged(Kind.commercial_only, (_ONLY,))
    if len(gone) == len(members):
        return _Judged(Kind.enterprise_only, (_GOES,))
    return _Judged(Kind.mixed, safe=True)


def _conditional(conditions: list[Element], fields: Fields, gone: list[_Member], unclear: tuple[str, ...]) -> _Judged:
    """Filters by a formula: read, not edited."""
    judged = [fields.formula(e.get("expression")) for e in conditions]
    left = [reason for one in judged for reason in (*one.left, *([one.broken[1]] if one.broken else []))]
    left += [f"becomes {text}" for one in judged if (text := one.new or one.proposed)]
    left += [f"names {m.text}" for m in gone]
    kinds = {one.kind for one in judged}
    kind = next(iter(kinds)) if len(kinds) == 1 and not gone else Kind.mixed
    if kind is Kind.neutral and unclear:
        kind, left = Kind.unknown, [*left, *unclear]
    return _Judged(kind, tuple(left))


def _is_list(root: Element) -> bool:
    """Whether it is a plain list of values, or all but those of one."""
    function = root.get("function")
    if function == "member":
        return True
    inside = list(root.all("groupfilter"))
    if function == "except":
        whole, *rest = inside
        return whole.get("function") == "level-members" and all(_is_members(e) for e in rest)
    return function == "union" and all(e.get("function") == "member" for e in inside)


def _is_members(element: Element) -> bool:
    return element.get("function") == "member" or (
        element.get("function") == "union" and all(e.get("function") == "member" for e in element.all("groupfilter"))
    )


def _excludes(root: Element) -> bool:
    return root.get("function") == "except"


def _member(element: Element, known: Known) -> _Member:
    return _member_of(element, member_value(element.get("member")), known)


def _member_of(element: Element, value: Scalar, known: Known) -> _Member:
    can_be = known.commercial.can_be(value)
    fact = next((fact for gone, fact in sorted(known.commercial.gone, key=str) if gone == value), None)
    return _Member(element, value, None if can_be else fact)


def _is_named(member: _Member, fields: Fields) -> bool:
    return isinstance(member.value, Lit) and str(member.value.value) in fields.facts.enterprise_literals()


def _plain(value: Scalar) -> str:
    return "NULL" if value is None else str(value.value)


def _cut(member: _Member) -> CutReport:
    return CutReport(
        rule="a value in a list that is never there", facts=(str(member.fact),), line=member.element.line,
        removed=member.text,
    )  # fmt: skip


def _shown(root: Element, members: list[str], conditions: list[Element]) -> str:
    listed = ("all but " if _excludes(root) else "") + ", ".join(members) if members else ""
    return "\n".join(filter(None, [listed, *(e.get("expression") for e in conditions)]))


def _without(document: Document, root: Element, gone: list[_Member], kept: list[_Member]) -> tuple[Patch, ...]:
    """Patches that take values out of a list. One that is left stands alone, as Tableau writes it."""
    if len(kept) > 1:
        return tuple(document.without(member.element) for member in gone)
    head = document.raw[root.start : root.head_end]
    only = document.raw[kept[0].element.start : kept[0].element.end]
    own = only[only.index(b"function=") : only.rindex(b"/>")].rstrip()
    start, end = document.attribute(root, "function")
    before, after = start - root.start - len(b"function='"), end - root.start + 1
    alone = head[:before] + own + head[after:].rstrip()[:-1].rstrip() + b" />"
    return (Patch(root.start, root.end, alone),)
