"""Entries of dbt's YAML files taken out as lines: what is left stays as it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from split.dbt.project import REF
from split.dbt.yaml_text import Entry, NotYaml, read_yaml

_Range = tuple[int, int]


@dataclass(frozen=True)
class Gone:
    """Models and snapshots that are gone, and columns that others have lost."""

    models: frozenset[str]
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def refers(self, text: str) -> bool:
        """Whether a text has a ref to one of the models."""
        return any(m["model"] in self.models for m in REF.finditer(text))


def without_entries(text: str, gone: Gone) -> str:
    """A YAML file without the entries of what is gone, and without tests and exposures that refer to it."""
    while (cut := _next(text, gone)) is not None:
        shorter = text[: cut[0]] + text[cut[1] :]
        try:
            read_yaml(shorter)
        except NotYaml:
            return text
        text = shorter
    return text


def _next(text: str, gone: Gone) -> _Range | None:
    """The first range that has to go; None when there is none."""
    try:
        tree = read_yaml(text)
    except NotYaml:
        return None
    for key, value in tree.pairs() if tree is not None else ():
        entries = list(value.items())
        for entry in entries:
            if _is_gone(key.text, entry, gone):
                return _lines_of(text, (key.span[0], value.span[1]) if len(entries) == 1 else entry.span)
            if (inside := _inside(text, key.text, entry, gone)) is not None:
                return inside
    return None


def _is_gone(kind: str, entry: Entry, gone: Gone) -> bool:
    depends_on = list(entry.list("depends_on"))
    match kind:
        case "models" | "snapshots":
            return entry.word("name") in gone.models
        case "unit_tests":
            return entry.word("model") in gone.models
        case "exposures":
            return bool(depends_on) and all(gone.refers(item.text) for item in depends_on)
        case "semantic_models":
            return gone.refers(entry.word("model"))
        case _:
            return False


def _inside(text: str, kind: str, entry: Entry, gone: Gone) -> _Range | None:
    """What of an entry that stays has to go."""
    depends_on = list(entry.list("depends_on"))
    if (ref := next((item for item in depends_on if gone.refers(item.text)), None)) is not None:
        return _item(text, ref, depends_on)
    lost = gone.columns.get(entry.word("name"), frozenset()) if kind in ("models", "snapshots") else frozenset[str]()
    columns = entry.get("columns")
    listed = list(columns.items()) if columns is not None else []
    if columns is not None and (c := next((c for c in listed if c.word("name").lower() in lost), None)) is not None:
        key = next(key for key, _ in entry.pairs() if key.text == "columns")
        return _item(text, c, listed, (key.span[0], columns.span[1]))
    test = _test(entry, gone)
    return _item(text, *test) if test is not None else None


def _test(entry: Entry, gone: Gone) -> tuple[Entry, list[Entry], _Range] | None:
    """A test that refers to a model that is gone, its list, and the range of the list with its key."""
    for key, value in entry.pairs():
        if key.text in ("tests", "data_tests"):
            listed = list(value.items())
            found = next((t for t in listed if any(gone.refers(s.text) for s in t.scalars())), None)
            if found is not None:
                return found, listed, (key.span[0], value.span[1])
        for item in value.items():
            if (below := _test(item, gone)) is not None:
                return below
    return None


def _item(text: str, item: Entry, listed: list[Entry], whole: _Range | None = None) -> _Range:
    """The range of one item of a list; of the whole list with its key where it is the only one."""
    if len(listed) == 1 and whole is not None and not _before(text, whole[0]).strip():
        return _lines_of(text, whole)
    start, end = item.span
    if re.fullmatch(r"\s*-\s*", _before(text, start)):
        return _lines_of(text, item.span)
    if len(listed) == 1:
        return start, end
    place = listed.index(item)
    return (start, listed[place + 1].span[0]) if place + 1 < len(listed) else (listed[place - 1].span[1], end)


def _before(text: str, place: int) -> str:
    """What stands before a place on its line."""
    return text[text.rfind("\n", 0, place) + 1 : place]


def _lines_of(text: str, span: _Range) -> _Range:
    """The whole lines of a block, without the comments and blank lines that come after it."""
    start = text.rfind("\n", 0, span[0]) + 1
    block = text[start : span[1]]
    while block and (not (last := block.rstrip("\n").rpartition("\n")[2].strip()) or last.startswith("#")):
        block = block[: block.rstrip("\n").rfind("\n") + 1]
    end = text.find("\n", start + len(block.rstrip("\n")))
    return start, len(text) if end < 0 else end + 1
