"""One model's text under facts: what is left of it, why, and what is known of its result. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from split.facts import Fact, Facts
from split.sql.edits import Edit, apart, patched
from split.sql.mask import JinjaError, Masked, Variant, mask
from split.sql.nulls import untyped_nulls
from split.sql.rewrite import Rewrite, used_names
from split.sql.scope import Relation
from split.sql.spans import TOO_DEEP, NotParsed, Tree, parse
from split.sql.types import Type
from split.sql.values import ANY, Value, declared
from split.sql.variance import mark

_MOST_PASSES = 200
_UNTYPED = (
    "a NULL would be left where BigQuery has to know its type. Declare the types of the columns that are read "
    "(data_type in the sources' YAML, or --schema), or write cast(null as …) there by hand"
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|\{#.*?#\}", re.DOTALL)

Lookup = Callable[[str], Relation | None]
"""What is known of a model (`name`) or source (`source.table`); None for nothing."""


class Kind(Enum):
    """What a model is about."""

    commercial_only = "commercial-only"
    enterprise_only = "enterprise-only"
    mixed = "mixed"
    neutral = "neutral"
    dead = "dead"
    unknown = "unknown"


@dataclass(frozen=True)
class Cut:
    """One edit that was made.

    Attributes:
        line: 1-based line of the text as it was before the pass in which the cut was made.
        removed: what went.
        lost_comments: comments that went with it.
        type_at_risk: the column it stands in may have another type afterwards.
    """

    rule: str
    facts: tuple[Fact, ...]
    line: int
    removed: str
    added: str
    lost_comments: tuple[str, ...] = ()
    type_at_risk: bool = False


@dataclass(frozen=True)
class Left:
    """Something that is left to a person: where, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Specialised:
    """A text under one set of facts.

    Attributes:
        text: the text after all cuts; the same object as before where there are none.
        result: what is known of its rows and columns.
    """

    text: str
    cuts: tuple[Cut, ...]
    left: tuple[Left, ...]
    result: Relation


@dataclass(frozen=True)
class Classified:
    """A text under the facts of both sides.

    Attributes:
        commercial: what is left without Enterprise; None where the text could not be read.
        reasons: why the kind is unknown.
    """

    kind: Kind
    commercial: Specialised | None
    enterprise: Specialised | None
    reasons: tuple[Left, ...] = ()


def specialise(text: str, lookup: Lookup, *, dialect: str, variant: Variant = Variant.first) -> Specialised:
    """Cut out of a query what the facts rule out.

    Raises:
        NotParsed: the text, with Jinja masked, is no single query of the dialect.
        JinjaError: its Jinja blocks do not nest.
    """
    try:
        return _Specialising(text, lookup, dialect, variant).run()
    except (NotParsed, JinjaError):
        raise
    except RecursionError as error:
        raise NotParsed(TOO_DEEP, 0) from error
    except Exception as error:
        what = f"reading it fails with {type(error).__name__}: {error}"
        raise NotParsed(f"{what}. If dbt takes the query, please report this with the file", 0) from error


def classify(
    text: str,
    commercial: Lookup,
    enterprise: Lookup,
    *,
    dialect: str,
    words: frozenset[str] = frozenset(),
    variant: Variant = Variant.first,
) -> Classified:
    """What a model is about: its text under the facts of each side.

    Args:
        words: texts of the Enterprise side; one that is left in the Commercial text makes the kind unknown.
    """
    try:
        ours = specialise(text, commercial, dialect=dialect, variant=variant)
        theirs = specialise(text, enterprise, dialect=dialect, variant=variant)
    except (NotParsed, JinjaError) as error:
        return Classified(Kind.unknown, None, None, (Left(error.line, str(error)),))
    if ours.result.empty is not None:
        kind = Kind.dead if theirs.result.empty is not None else Kind.enterprise_only
        return Classified(kind, ours, theirs)
    if theirs.result.empty is not None:
        return Classified(Kind.commercial_only, ours, theirs)
    remaining = tuple(_mentions(ours.text, words))
    if ours.cuts or theirs.cuts:
        return Classified(Kind.mixed, ours, theirs, (*ours.left, *remaining))
    if ours.left or remaining:
        return Classified(Kind.unknown, ours, theirs, (*ours.left, *remaining))
    return Classified(Kind.neutral, ours, theirs)


def base_relation(
    table: str, facts: Facts, columns: Sequence[str] | None = None, types: Mapping[str, Type] | None = None
) -> Relation | None:
    """What the facts say of a table that no model makes.

    Args:
        columns: all its columns, where a schema tells them.
        types: of its columns by name in lower case, as far as they are known.
    """
    known, types = facts.of(table), types or {}
    if known is None and columns:
        return Relation(dict.fromkeys((c.lower() for c in columns), ANY), complete=True, types=types)
    if known is None:
        return Relation(dict.fromkeys(types, ANY), types=types) if types else None
    values: dict[str, Value] = dict.fromkeys((c.lower() for c in columns or types), ANY)
    values.update({c.lower(): declared(table, c, f) for c, f in known.columns.items()})
    empty = frozenset({Fact(table)}) if known.only == "enterprise" else None
    return Relation(values, complete=columns is not None, empty=empty, types=types)


@dataclass(frozen=True)
class _Names:
    """The catalog of a masked text."""

    masked: Masked
    lookup: Lookup

    def relation(self, name: str) -> Relation | None:
        named = self.masked.relations.get(name)
        if named is not None:
            return self.lookup(named.name)
        return None if self.is_opaque(name) else self.lookup(name)

    def alias(self, name: str) -> str:
        named = self.masked.relations.get(name)
        return named.alias if named is not None else name

    def is_opaque(self, name: str) -> bool:
        return name in self.masked.expressions

    def unread(self, name: str) -> bool:
        return self.masked.unread(name)


class _Specialising:
    """Passes over one text until nothing more can be cut."""

    def __init__(self, text: str, lookup: Lookup, dialect: str, variant: Variant) -> None:
        self._text = text
        self._lookup = lookup
        self._dialect = dialect
        self._variant = variant
        self._cuts: list[Cut] = []
        self._left: dict[Left, None] = {}
        self._refused: dict[tuple[str, str], Left] = {}
        self._lines: dict[tuple[str, str], int] = {}
        self._tried_again = 0
        self._others: tuple[Variant, ...] = ()
        self._parsed: tuple[str, Masked, Tree] | None = None

    def run(self) -> Specialised:
        """All passes. Before the last ones conditions that never hold stay: they say which queries have no rows."""
        self._others = tuple(v for v in Variant if v is not self._variant and self._reads(self._text, v))
        used: frozenset[str] | None = None
        before: Relation | None = None
        result: Relation | None = None
        for _ in range(_MOST_PASSES):
            masked, tree = self._read(self._text)
            mark(tree, masked)
            used = used_names(tree.root) if used is None else used
            rewrite = Rewrite(tree, _Names(masked, self._lookup), used, last=result is not None)
            found = rewrite.run()
            before = before or found
            for refusal in rewrite.refusals:
                self._left.setdefault(Left(masked.line(refusal.offset), refusal.reason))
            edits = [edit for edit in apart(rewrite.edits) if self._may(edit, masked)]
            if edits:
                self._make(edits, masked)
            elif self._refused and self._tried_again < len(self._cuts):
                # What was not possible before other cuts may be now, as a second run on the result would find.
                self._refused.clear()
                self._tried_again = len(self._cuts)
            elif result is None:
                result = found
            else:
                left = (*self._left, *dict.fromkeys(self._refused.values()))
                return Specialised(self._text, tuple(self._cuts), left, _remembering(result, before))
        raise NotParsed(f"no end after {_MOST_PASSES} passes", 0)

    def _may(self, edit: Edit, masked: Masked) -> bool:
        """Whether a cut leaves the Jinja blocks whole."""
        if self._key(edit) in self._refused:
            return False
        torn = next((block for cut in edit.deletes if (block := masked.tears(*cut))), None)
        if torn is not None:
            self._refuse(edit, masked, f"the cut would take half of a {{% {torn.word} %}} block")
        return torn is None

    def _make(self, edits: Sequence[Edit], masked: Masked) -> None:
        """Make the edits; where they would make no valid query together, the first that does, and refuse the others."""
        for chosen in (edits, *([edit] for edit in edits)):
            changed = patched(self._text, chosen)
            if (why := self._not_valid(changed)) is None:
                self._cuts += [_cut(self._text, masked, edit) for edit in chosen]
                self._text = changed
                return
            if len(chosen) == 1:
                self._refuse(chosen[0], masked, why)

    def _not_valid(self, changed: str) -> str | None:
        """Why the changed text is no query, in one of the branches of its Jinja, that the warehouse takes; None if it
        is one.
        """
        before = untyped_nulls(self._read(self._text)[1].root) if self._dialect == "bigquery" else None
        if not self._reads(changed, self._variant) or not all(self._reads(changed, v) for v in self._others):
            return "the query would not be valid without it"
        if before is not None and untyped_nulls(self._read(changed)[1].root) - before:
            return _UNTYPED
        return None

    def _refuse(self, edit: Edit, masked: Masked, why: str) -> None:
        line = self._lines.setdefault(self._key(edit), masked.line(edit.span[0]))  # before cuts that shift it
        self._refused[self._key(edit)] = Left(line, f"{edit.rule}: {why}")

    def _key(self, edit: Edit) -> tuple[str, str]:
        return edit.rule, self._text[slice(*edit.span)]

    def _read(self, text: str) -> tuple[Masked, Tree]:
        if self._parsed is None or self._parsed[0] != text:
            masked = mask(text, self._variant)
            self._parsed = text, masked, parse(masked.sql, self._dialect)
        return self._parsed[1:]

    def _reads(self, text: str, variant: Variant) -> bool:
        """Whether the text is a query, with one branch of its Jinja or another."""
        try:
            if variant is self._variant:
                self._read(text)
            elif "{%" in text:
                parse(mask(text, variant).sql, self._dialect)
        except (NotParsed, JinjaError):
            return False
        return True


def _remembering(result: Relation, before: Relation) -> Relation:
    """A result that still knows what its columns could be before the cuts: those who read it test for that, too."""
    columns = {
        name: value
        if value.now is None or (old := before.columns.get(name)) is None
        else Value(value.now, value.gone | {g for g in old.gone if g[0] not in value.now})
        for name, value in result.columns.items()
    }
    return replace(result, columns=columns)


def _cut(text: str, masked: Masked, edit: Edit) -> Cut:
    removed = " … ".join(" ".join(text[a:b].split()) for a, b in edit.deletes)
    comments = tuple(c.group().strip() for a, b in edit.deletes for c in _COMMENT.finditer(text, a, b))
    added = " … ".join(piece.strip() for _, piece in edit.inserts)
    facts = tuple(sorted(edit.facts, key=str))
    return Cut(edit.rule, facts, masked.line(edit.span[0]), removed, added, comments, edit.type_at_risk)


def _mentions(text: str, words: frozenset[str]) -> list[Left]:
    """Lines that still name the Enterprise side."""
    found: list[Left] = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [
            Left(number, f"still names {w!r}")
            for w in sorted(words)
            if re.search(rf"(?<!\w){re.escape(w)}(?!\w)", line, re.IGNORECASE)
        ]
    return found
