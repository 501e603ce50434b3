"""Changes of a text: ranges to delete and texts to insert, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from split.facts import Fact
from split.sql.spans import Span


@dataclass(frozen=True)
class Edit:
    """One cut.

    Attributes:
        rule: which rule allows it.
        span: the part of the text it concerns; two edits of one pass never overlap.
        deletes: ranges that go, in order.
        inserts: (offset, text) that comes.
        type_at_risk: what is left may have another type than the whole had.
    """

    rule: str
    facts: frozenset[Fact]
    span: Span
    deletes: tuple[Span, ...]
    inserts: tuple[tuple[int, str], ...] = ()
    type_at_risk: bool = False


def replace(rule: str, facts: Iterable[Fact], span: Span, text: str, *, type_at_risk: bool = False) -> Edit:
    """Put a text in the place of a range."""
    return Edit(rule, frozenset(facts), span, (span,), ((span[0], text),), type_at_risk)


def keep(
    rule: str, facts: Iterable[Fact], span: Span, part: Span, *,
    before: str = "", after: str = "", type_at_risk: bool = False,
) -> Edit:  # fmt: skip
    """Leave only a part of a range, as it is written."""
    deletes = tuple((a, b) for a, b in ((span[0], part[0]), (part[1], span[1])) if a < b)
    inserts = tuple((at, text) for at, text in ((part[0], before), (part[1], after)) if text)
    return Edit(rule, frozenset(facts), span, deletes, inserts, type_at_risk)


def delete(rule: str, facts: Iterable[Fact], span: Span, *, type_at_risk: bool = False) -> Edit:
    """Take a range out."""
    return Edit(rule, frozenset(facts), span, (span,), (), type_at_risk)


def without_item(items: Sequence[Span], place: int) -> Span:
    """The range to delete so that one item of a comma-separated list goes with its comma."""
    if place + 1 < len(items):
        return items[place][0], items[place + 1][0]
    return (items[place - 1][1] if place else items[place][0]), items[place][1]


def apart(edits: Iterable[Edit]) -> list[Edit]:
    """The edits that do not overlap, the outermost first where two do; the others come in the next pass."""
    chosen: list[Edit] = []
    for edit in sorted(edits, key=lambda e: (e.span[0], -e.span[1])):
        if not chosen or chosen[-1].span[1] <= edit.span[0]:
            chosen.append(edit)
    return chosen


def patched(text: str, edits: Sequence[Edit]) -> str:
    """The text after the edits. Lines that become empty go too."""
    cuts = [_whole_lines(text, cut, inserted={at for at, _ in e.inserts}) for e in edits for cut in e.deletes]
    inserts = sorted((at, order, piece) for e in edits for order, (at, piece) in enumerate(e.inserts))
    out: list[str] = []
    at = 0
    for start, end in sorted(cuts):
        while inserts and inserts[0][0] <= start:
            place, _, piece = inserts.pop(0)
            out += [text[at:place], piece]
            at = max(at, place)
        out.append(text[at : max(at, start)])
        at = max(at, end)
    for place, _, piece in inserts:
        out += [text[at:place], piece]
        at = max(at, place)
    out.append(text[at:])
    return "".join(out)


def _whole_lines(text: str, cut: Span, *, inserted: set[int]) -> Span:
    """Widen a cut that leaves a blank line to the whole line; else drop the blanks it leaves at a line's end."""
    start, end = cut
    if start in inserted or end in inserted:
        return cut
    line = text.rfind("\n", 0, start) + 1
    after = text.find("\n", end)
    after = len(text) if after < 0 else after
    before_is_blank, after_is_blank = not text[line:start].strip(), not text[end:after].strip()
    if before_is_blank and after_is_blank and after < len(text):
        return line, after + 1
    if after_is_blank:
        return len(text[:start].rstrip(" \t")) if not before_is_blank else start, end
    return cut
