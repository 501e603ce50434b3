"""Jinja taken out of a model's text without moving anything: SQL offsets stay source offsets.

`{{ … }}` becomes an identifier of the same length, `{% … %}` and `{# … #}` become blanks. Of an `if` the first branch
stays and the others are blanked (`Variant` says which one else); what `set` and `macro` blocks hold is blanked. Line
ends stay, so that line numbers stay as well.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

_PIECE = re.compile(r"""\{\{(?:'[^']*'|"[^"]*"|[^'"])*?\}\}|\{%(?:'[^']*'|"[^"]*"|[^'"])*?%\}|\{\#.*?\#\}""", re.DOTALL)
_WORD = re.compile(r"\{%[-+]?\s*(\w+)")
_REF = re.compile(r"""^ref\(\s*(?:(['"])(?P<package>[^'"]+)\1\s*,\s*)?(['"])(?P<model>[^'"]+)\3\s*(?:,[^)]*)?\)$""")
_SOURCE = re.compile(r"""^source\(\s*(['"])(?P<source>[^'"]+)\1\s*,\s*(['"])(?P<table>[^'"]+)\3\s*\)$""")
_SILENT = re.compile(r"^(config|set_sql_header|log|print|exceptions\.\w+)\s*\(")
"""Calls that put nothing into the SQL."""
_GROUPS = re.compile(r"^dbt_utils\.group_by\([^()\n]*\)$")
"""Writes `group by 1, 2, …` over the columns that are no aggregates: read as GROUP BY ALL."""

_OPENS = frozenset({"if", "for", "macro", "call", "filter", "raw", "test", "snapshot", "materialization", "docs"})
_HIDDEN = frozenset({"macro", "call", "filter", "materialization", "docs", "test"})
"""Blocks whose content is no part of this file's own SQL."""


class Variant(Enum):
    """Which branch of an `if` is read: the first, the last, or the `else` and nothing where there is none."""

    first = "first"
    last = "last"
    otherwise = "otherwise"


class JinjaError(ValueError):
    """The Jinja blocks of a file do not nest. `line` is where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Relation:
    """What `{{ ref(…) }}` or `{{ source(…) }}` names: a model's name, or `source.table`."""

    name: str
    is_source: bool

    @property
    def alias(self) -> str:
        """The name that columns are qualified with where no alias is given."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Block:
    """A `{% … %}` block: where its opening tag starts and its closing tag ends, and the tags' own ranges."""

    word: str
    tags: tuple[tuple[int, int], ...]

    @property
    def start(self) -> int:
        return self.tags[0][0]

    @property
    def end(self) -> int:
        return self.tags[-1][1]


@dataclass(frozen=True)
class Masked:
    """A model's text with Jinja masked.

    Attributes:
        source: the text as it is in the file.
        sql: the text with Jinja masked; as long as `source`.
        relations: what an identifier in `sql` stands for, where it is a ref or a source.
        expressions: the Jinja expression that any other identifier stands for.
        blocks: the blocks, outermost first.
    """

    source: str
    sql: str
    relations: dict[str, Relation] = field(default_factory=dict[str, Relation])
    expressions: dict[str, str] = field(default_factory=dict[str, str])
    blocks: tuple[Block, ...] = ()

    def line(self, offset: int) -> int:
        """The 1-based line of an offset."""
        return bisect_right(self._line_starts(), offset)

    def tears(self, start: int, end: int) -> Block | None:
        """The block of which [start, end) would take some tags and leave others; None if there is none."""
        for block in self.blocks:
            inside = [start <= a and b <= end for a, b in block.tags]
            touched = [a < end and start < b for a, b in block.tags]
            if any(touched) and not all(inside):
                return block
        return None

    def unread(self, word: str) -> bool:
        """Whether Jinja, or a branch that is not read, has this word."""
        return any(
            self.sql[found.start() : found.end()] != found.group()
            for found in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", self.source, re.IGNORECASE)
        )

    def _line_starts(self) -> list[int]:
        return [0, *(m.end() for m in re.finditer("\n", self.source))]


def mask(source: str, variant: Variant = Variant.first) -> Masked:
    """Mask the Jinja of a file. Raises JinjaError when blocks do not nest."""
    return _Masking(source, variant).run()


@dataclass
class _Open:
    word: str
    tags: list[tuple[int, int]]


class _Masking:
    """One file, from its start to its end."""

    def __init__(self, source: str, variant: Variant) -> None:
        self._source = source
        self._variant = variant
        self._out = list(source)
        self._open: list[_Open] = []
        self._closed: list[Block] = []

    def run(self) -> Masked:
        relations: dict[str, Relation] = {}
        expressions: dict[str, str] = {}
        names = _names(self._source)
        for piece in _PIECE.finditer(self._source):
            text = piece.group()
            start, end = piece.span()
            if not text.startswith("{{"):
                self._blank(start, end)
                if text.startswith("{%") and (word := _WORD.match(text)):
                    self._tag(word.group(1), text, start, end)
                continue
            inner = text[2:-2].strip("-+ \t\r\n")
            if _SILENT.match(inner):
                self._blank(start, end)
                continue
            if _GROUPS.match(inner) and "\n" not in text:
                self._out[start:end] = "group by all".ljust(end - start)
                continue
            name = next(names).ljust(end - start, "_")
            self._out[start:end] = _keep_lines(name, text)
            seen = self._out[start:end]
            name = "".join(seen).split()[0]
            if relation := _relation(inner):
                relations[name] = relation
            else:
                expressions[name] = inner
        if self._open:
            last = self._open[-1]
            raise JinjaError(f"{{% {last.word} %}} is not closed", self._line(last.tags[0][0]))
        self._closed.sort(key=lambda block: (block.start, -block.end))
        return Masked(self._source, "".join(self._out), relations, expressions, tuple(self._closed))

    def _tag(self, word: str, text: str, start: int, end: int) -> None:
        if word in _OPENS or (word == "set" and "=" not in _without_strings(text)):
            self._open.append(_Open(word, [(start, end)]))
        elif word in ("else", "elif") and self._open and self._open[-1].word in ("if", "for"):
            self._open[-1].tags.append((start, end))
        elif word.startswith("end"):
            if not self._open or self._open[-1].word != word[3:]:
                found = f"{{% {self._open[-1].word} %}}" if self._open else "nothing"
                raise JinjaError(f"{{% {word} %}} closes {found}", self._line(start))
            block = self._open.pop()
            self._close(Block(block.word, (*block.tags, (start, end))))

    def _close(self, block: Block) -> None:
        """Blank what is not read of a block."""
        self._closed.append(block)
        bodies = [(a[1], b[0]) for a, b in zip(block.tags, block.tags[1:], strict=False)]
        if block.word in _HIDDEN or block.word == "set":
            hidden = bodies
        elif block.word == "if" and self._variant is Variant.last:
            hidden = bodies[:-1]
        elif block.word == "if" and self._variant is Variant.otherwise:
            hidden = bodies[:-1] if self._has_else(block) else bodies
        else:
            hidden = bodies[1:]
        for start, end in hidden:
            self._blank(start, end)

    def _has_else(self, block: Block) -> bool:
        last = _WORD.match(self._source[slice(*block.tags[-2])])
        return last is not None and last.group(1) == "else"

    def _blank(self, start: int, end: int) -> None:
        for i in range(start, end):
            if self._out[i] != "\n":
                self._out[i] = " "

    def _line(self, offset: int) -> int:
        return self._source.count("\n", 0, offset) + 1


def _relation(inner: str) -> Relation | None:
    if found := _REF.match(inner):
        return Relation(found["model"], is_source=False)
    if found := _SOURCE.match(inner):
        return Relation(f"{found['source']}.{found['table']}", is_source=True)
    return None


def _keep_lines(name: str, text: str) -> str:
    """An identifier has no line ends; what follows the first line of a long expression becomes blanks."""
    if "\n" not in text:
        return name
    first = text.index("\n")
    cut = max(first, 4)
    return name[:cut] + "".join(c if c == "\n" else " " for c in text[cut:])


def _without_strings(text: str) -> str:
    return re.sub(r"'[^']*'|\"[^\"]*\"", "''", text)


def _names(source: str) -> Iterator[str]:
    """Short identifiers that the text does not have: j0, j1 … in base 36."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    prefix = next(p for p in ("j", "q", "z", "jq", "jz") if not re.search(rf"\b{p}[0-9a-z]{{1,3}}_", source))
    for size in itertools.count(1):
        for number in itertools.product(digits, repeat=size):
            yield prefix + "".join(number)
