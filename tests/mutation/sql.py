"""Changes to SQL text, one at a time. Embedded Python expressions stand as `{n}` and count as one operand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SWAPS = [
    (re.compile(pattern), swaps)
    for pattern, swaps in (
        (r"(?<= )(<=|>=|<>|<|>)(?= )", {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "<>": "="}),
        (r"(?<= )=(?= )", {"=": "<>"}),
        (r"\b(DESC|ASC)\b", {"DESC": "ASC", "ASC": "DESC"}),
        (r"\b(TRUE|FALSE)\b", {"TRUE": "FALSE", "FALSE": "TRUE"}),
        (r"\bIS (NOT )?NULL\b", {"IS NULL": "IS NOT NULL", "IS NOT NULL": "IS NULL"}),
        (r"\bNOT (?=[a-z_{(E])", {"NOT ": ""}),
        (r"\bDISTINCT ", {"DISTINCT ": ""}),
        (r"\b(min|max)(?=\()", {"min": "max", "max": "min"}),
        (r"\b(bool_and|bool_or)(?=\()", {"bool_and": "bool_or", "bool_or": "bool_and"}),
        (r"\b(LEFT|SEMI) JOIN\b", {"LEFT JOIN": "JOIN", "SEMI JOIN": "JOIN"}),
        (r"\b(AND|OR)\b(?! REPLACE)", {"AND": "OR", "OR": "AND"}),
        (r"'(stale|unchanged|updated|deleted|inserted)'(?=,|\))", None),
    )
]
_IS_SQL = re.compile(r"\b(SELECT|WHERE|FROM|AND|OR|NOT|WHEN|TRUE|FALSE|DESC|EXISTS|coalesce|JOIN|IN)\b| <=? | = \S+\.")
_ENDS = re.compile(r" (?:AND|OR|THEN|WHEN|ELSE|GROUP|ORDER|HAVING|UNION|LEFT|JOIN|WHERE|QUALIFY)\b")
_PLACE = re.compile(r"\{(\d+)\}")


@dataclass(frozen=True)
class SqlChange:
    """`text` with one change; `around` is the original near it."""

    change: str
    text: str
    around: str


def pieces(template: str) -> list[str]:
    """The text cut at its embedded expressions: text, number, text, ..."""
    return _PLACE.split(template)


def changes(text: str) -> Iterator[SqlChange]:
    """Every change of an SQL text; none of a text that is no SQL."""
    if not _IS_SQL.search(text):
        return
    for pattern, swaps in _SWAPS:
        for found in pattern.finditer(text):
            start, end, old = found.start(), found.end(), found.group()
            if (old == "=" and _assigns(text, start)) or (old == "AND" and _between(text, start)):
                continue
            if swaps is None:
                # A name out of a list of names.
                start, end = (start, end + 2) if text[end] == "," else (start - 2, end)
                new = ""
                if text[start:end][:1] not in ",'":
                    continue
            else:
                new = swaps[old]
            yield _change(text, start, end, new, f"{old.strip()} → {new or 'nothing'}")
    for found in re.finditer(r"\b(AND|OR|WHERE|ON) (?!REPLACE)", text):
        yield from _without_operand(text, found)
    for found in re.finditer(r"\bcoalesce\(", text):
        first, last = found.end(), _closing(text, found.end())
        comma = text.find(", ", first, last)
        if comma >= 0:
            yield _change(text, found.start(), last + 1, text[first:comma], "coalesce → its first argument")
    for found in re.finditer(r"\bORDER BY ([^,)]+), ", text):
        yield _change(text, found.start(1), found.end(), "", f"ORDER BY without {found.group(1)}")


def _without_operand(text: str, found: re.Match[str]) -> Iterator[SqlChange]:
    """`AND x` taken out; or the first operand of WHERE or ON with the AND after it."""
    word, start = found.group(1), found.end()
    if word == "AND" and _between(text, found.start()):
        return
    end = _operand_end(text, start)
    operand = text[start:end]
    if word in ("AND", "OR"):
        yield _change(text, found.start(), end, "", f"{word} {operand[:70]} → nothing")
    elif text[end:].startswith(" AND "):
        yield _change(text, start, end + 5, "", f"{word} without {operand[:70]}")


def _operand_end(text: str, start: int) -> int:
    """Where an operand ends: before the next keyword or closing parenthesis of its own level."""
    depth, i = 0, start
    between = False
    while i < len(text):
        if text[i] == "(":
            depth += 1
        elif text[i] == ")":
            depth -= 1
            if depth < 0:
                return i
        elif depth == 0 and text.startswith(" BETWEEN ", i):
            between = True
        elif depth == 0 and _ENDS.match(text, i):
            if not (between and text.startswith(" AND", i)):
                return i
            between = False
        i += 1
    return len(text.rstrip())


def _closing(text: str, start: int) -> int:
    depth = 1
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return len(text) - 1


def _assigns(text: str, at: int) -> bool:
    """Whether the `=` there belongs to SET, or to a list of assignments that will."""
    before = re.findall(r"\b(SET|WHERE|ON|AND|OR|WHEN|SELECT)\b", text[:at])
    return (before or ["SET" if text.startswith(("_deleted = ", ", {")) else ""])[-1] == "SET"


def _between(text: str, at: int) -> bool:
    before = re.findall(r"\b(BETWEEN|AND|OR|WHERE)\b", text[:at])
    return before[-1:] == ["BETWEEN"]


def _change(text: str, start: int, end: int, new: str, change: str) -> SqlChange:
    around = _PLACE.sub("{}", text[max(0, start - 45) : end + 45])
    return SqlChange(_PLACE.sub("{}", change), text[:start] + new + text[end:], " ".join(around.split()))
