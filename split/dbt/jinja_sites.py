"""Jinja that generates SQL: loops, macros and variables, and which of them name a value of the facts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from split.dbt.project import Project, SourceFile

_PIECE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_CALL = re.compile(r"([\w.]+)\s*\(")
_VARIABLE = re.compile(r"""\bvar\(\s*['"](\w+)['"]""")
_LITERAL_LOOP = re.compile(r"\bin\s*(\[|\()")
_PLAIN = frozenset(
    {
        "ref", "source", "config", "is_incremental", "var", "env_var", "log", "print", "return", "snapshot",
        "dbt_utils.group_by", "dbt_utils.generate_surrogate_key",
    }
)  # fmt: skip
"""Calls that put nothing but a name, or what is seen elsewhere, into the SQL."""
_OF_TEXTS = frozenset(
    {"append", "format", "items", "join", "keys", "lower", "replace", "split", "strip", "upper", "values"}
)
"""Methods of texts and lists, whose words stand in the file itself."""
_METHODS = ("adapter.", "target.", "this.", "loop.", "exceptions.", "api.", "modules.", "dbt.")
"""What they write is a type, or a function of what stands in the call."""


@dataclass(frozen=True)
class Site:
    """A piece of Jinja that may write SQL.

    Attributes:
        words: the words it names or brings in.
        through: how it brings them in.
        seen: whether all that it writes could be searched.
    """

    line: int
    text: str
    words: tuple[str, ...]
    through: str
    seen: bool = True

    def __str__(self) -> str:
        named = f" names {', '.join(map(repr, self.words))}" if self.words else " could not be read"
        return f"{self.through}{named}: {self.text}"


def sites(text: str, project: Project, words: Collection[str]) -> list[Site]:
    """The Jinja of a model that names one of the words, or that writes SQL that nobody can see without compiling."""
    found: list[Site] = []
    for piece in _PIECE.finditer(text):
        line = text.count("\n", 0, piece.start()) + 1
        shown = " ".join(piece.group().split())
        if own := named(piece.group(), words):
            found.append(Site(line, shown, own, _statement(shown)))
        for variable in _VARIABLE.findall(piece.group()):
            value = project.variables.get(variable)
            inside = [w for s in value.scalars() for w in named(s.text, words)] if value is not None else []
            if inside:
                found.append(Site(line, shown, tuple(dict.fromkeys(inside)), f"variable {variable}"))
        for call in _CALL.findall(piece.group()):
            name = call.rpartition(".")[2]
            if call in _PLAIN or call.startswith(_METHODS) or ("." in call and name in _OF_TEXTS):
                continue
            if (macro := project.macros.get(name)) is None:
                if "." in call or shown.startswith("{{"):
                    found.append(Site(line, shown, (), f"macro {call}", seen=False))
            elif inside := macro_words(name, project.macros, words):
                place = f"macro {name} ({macro.path}:{_macro_line(macro, name)})"
                found.append(Site(line, shown, inside, place))
        if re.match(r"\{%[-+]?\s*for\b", shown) and not _LITERAL_LOOP.search(shown) and not own:
            found.append(Site(line, shown, (), "loop", seen=False))
    return found


def named(text: str, words: Iterable[str]) -> tuple[str, ...]:
    """The words that a text names, whole and in any case; of words that differ in case only, one."""
    different = {w.casefold(): w for w in sorted(words, reverse=True)}
    return tuple(
        w for w in sorted(different.values()) if re.search(rf"(?<!\w){re.escape(w)}(?!\w)", text, re.IGNORECASE)
    )


def macro_body(file: SourceFile, name: str) -> tuple[int, str]:
    """The line on which a macro starts, and its text."""
    start = re.search(rf"\{{%[-+]?\s*(?:macro|test)\s+{re.escape(name)}\b", file.text)
    if start is None:
        return 0, ""
    end = re.compile(r"\{%[-+]?\s*end(?:macro|test)\b").search(file.text, start.end())
    return file.text.count("\n", 0, start.start()) + 1, file.text[start.start() : end.end() if end else len(file.text)]


def macro_words(
    name: str, macros: Mapping[str, SourceFile], words: Collection[str], above: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """The words that a macro, or one that it calls, names."""
    if name not in macros or name in above:
        return ()
    _, body = macro_body(macros[name], name)
    found = dict.fromkeys(named(body, words))
    for call in _CALL.findall(body):
        found.update(dict.fromkeys(macro_words(call.rpartition(".")[2], macros, words, above | {name})))
    return tuple(found)


def _macro_line(file: SourceFile, name: str) -> int:
    return macro_body(file, name)[0]


def _statement(shown: str) -> str:
    word = re.match(r"\{%[-+]?\s*(\w+)", shown)
    return {"for": "loop", "set": "variable", "call": "call"}.get(word.group(1), "Jinja") if word else "expression"
