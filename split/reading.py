"""One model read on all its texts: its file, the other branches of its ifs, what dbt compiled of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from split.dbt.jinja_sites import Site, named, sites
from split.dbt.project import Node, Project
from split.facts import Fact
from split.report_model import CutReport, Evidence, LeftReport, ModelReport, SeenAs, UnknownLiteral
from split.sql.engine import Classified, Kind, Lookup, classify
from split.sql.literals import unknown_literals
from split.sql.mask import JinjaError, Variant, mask
from split.sql.scope import Relation
from split.sql.spans import NotParsed

CutCounts = Counter[tuple[str, str, tuple[Fact, ...]]]
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True)
class Lookups:
    """What is known of the tables on either side, by our names and by those of compiled SQL."""

    commercial: Lookup
    enterprise: Lookup
    compiled_commercial: Lookup
    compiled_enterprise: Lookup


@dataclass(frozen=True)
class Reading:
    """What was seen of one model.

    Attributes:
        report: without what only the whole project tells (downstream models, exposures).
        commercial, enterprise: what is known of its rows on either side; None where it could not be read.
        cuts: the edits of its own text on both sides, counted.
    """

    report: ModelReport
    commercial: Relation | None
    enterprise: Relation | None
    cuts: CutCounts = field(default_factory=CutCounts)


@dataclass(frozen=True)
class _Seen:
    """One text of the model and what the engine says of it."""

    seen_as: SeenAs
    variant: Variant
    found: Classified


class ModelReader:
    """Reads models, one by one, in the order of the project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        words = sorted(project.facts.enterprise_literals(), reverse=True)
        self._theirs = frozenset({word.casefold(): word for word in words}.values())
        ours = {
            v
            for table in project.facts.tables.values()
            for c in table.columns.values()
            for v in c.commercial
            if isinstance(v, str)
        }
        self._all_words = self._theirs | ours

    def read(self, node: Node, lookups: Lookups, ephemeral: Mapping[str, Reading], *, touched: bool) -> Reading:
        """Classify a model.

        Args:
            ephemeral: models that dbt writes into this one's compiled SQL.
            touched: facts bear on something that it reads, or it reads something of which nothing is known.
        """
        if not node.path.endswith((".sql", ".yml", ".yaml")):
            return self._unread(node, [LeftReport(line=0, reason="not a SQL model")])
        source = self._source(node, lookups)
        compiled = self._compiled(node, lookups)
        chosen = source if source.found.commercial is not None else compiled
        if chosen is None or chosen.found.commercial is None or chosen.found.enterprise is None:
            reasons = [LeftReport.of(left) for left in source.found.reasons]
            if compiled is not None:
                reasons += [LeftReport(line=0, reason=f"compiled: {left.reason}") for left in compiled.found.reasons]
            return self._unread(node, reasons)
        kind, left, evidence = chosen.found.kind, list(_left(chosen)), list(_evidence(chosen))
        found = sites(node.text, self._project, self._all_words)
        guilty = [site for site in found if set(site.words) & self._theirs]
        hand, other = False, None
        if chosen is source:
            generated = self._generated(source, compiled, ephemeral) if compiled is not None else []
            if compiled is None or compiled.found.commercial is None:
                hand, unclear = bool(guilty), [s for s in found if s not in guilty] if touched else []
                left += [LeftReport(line=s.line, reason=f"{s}; compile the project to see") for s in unclear]
                kind = Kind.unknown if unclear and kind is Kind.neutral else kind
            elif generated:
                hand = True
                evidence += [Evidence(line=0, text=text) for text in generated]
                if not guilty:
                    guilty = found or _blocks(node.text)
            other = self._other_branches(node, source, lookups)
            if other is not None:
                hand = True
                left.append(other)
        elif kind in (Kind.mixed, Kind.unknown):
            hand = kind is Kind.mixed
            left.append(
                LeftReport(line=0, reason="the file could not be read, only what dbt compiled: edit it by hand")
            )
        if hand:
            kind = Kind.mixed
            evidence += [Evidence(line=site.line, text=str(site)) for site in guilty]
        commercial, enterprise = chosen.found.commercial, chosen.found.enterprise
        # Cuts outside an `if` may rest on one of its branches: where these disagree, none is offered.
        changed = chosen is not compiled and other is None and kind is Kind.mixed and commercial.text != node.text
        literals = self._literals(node, chosen, lookups)
        if kind is Kind.neutral and literals:
            kind = Kind.unknown
            left += [
                LeftReport(line=u.line, reason=f"compares {u.column} with {u.literal!r}, which the facts do not know")
                for u in literals
            ]
        report = ModelReport(
            name=node.name,
            path=node.path,
            kind=kind,
            seen_as=chosen.seen_as,
            resource=node.resource,
            materialized=node.materialized,
            hand_edit=hand,
            cuts=tuple(CutReport.of(cut) for cut in commercial.cuts),
            left=tuple(dict.fromkeys(left)),
            evidence=tuple(dict.fromkeys(evidence)),
            old_text=node.text,
            new_text=commercial.text if changed else None,
            unknown_literals=literals,
        )
        return Reading(report, commercial.result, enterprise.result, _counted(chosen.found))

    def _unread(self, node: Node, reasons: Iterable[LeftReport]) -> Reading:
        """A model of which only its words are known."""
        words = [
            Evidence(line=number, text=f"names {word!r}")
            for number, line in enumerate(node.text.splitlines(), 1)
            for word in named(line, self._theirs)
        ]
        report = ModelReport(
            name=node.name,
            path=node.path,
            kind=Kind.unknown,
            resource=node.resource,
            materialized=node.materialized,
            left=tuple(reasons),
            evidence=tuple(words),
            old_text=node.text,
        )
        return Reading(report, None, None)

    def _source(self, node: Node, lookups: Lookups) -> _Seen:
        """The model's file: with the first branch of each if, or with the last one where that cannot be read."""
        first = self._classified(node.text, lookups, Variant.first)
        if first.commercial is None:
            last = self._classified(node.text, lookups, Variant.last)
            if last.commercial is not None:
                return _Seen("last branches", Variant.last, last)
        return _Seen("source", Variant.first, first)

    def _classified(self, text: str, lookups: Lookups, variant: Variant) -> Classified:
        return classify(
            text,
            lookups.commercial,
            lookups.enterprise,
            dialect=self._project.dialect,
            words=self._theirs,
            variant=variant,
        )

    def _compiled(self, node: Node, lookups: Lookups) -> _Seen | None:
        text = self._project.compiled.texts.get(node.name)
        if text is None:
            return None
        ours, theirs = lookups.compiled_commercial, lookups.compiled_enterprise
        found = classify(text, ours, theirs, dialect=self._project.dialect, words=self._theirs)
        return _Seen("compiled", Variant.first, found)

    def _generated(self, source: _Seen, compiled: _Seen, ephemeral: Mapping[str, Reading]) -> list[str]:
        """What the compiled SQL shows and the source does not."""
        ours, theirs = source.found, compiled.found
        if theirs.commercial is None or ours.commercial is None:
            return []
        allowed = _counted(ours)
        for reading in ephemeral.values():
            allowed += reading.cuts
        found = [
            f"compiled SQL without {side}: {rule} ({'; '.join(map(str, facts))}), which the source does not show"
            for (side, rule, facts), count in (_counted(theirs) - allowed).items()
            if count and facts
        ]
        decided = (Kind.enterprise_only, Kind.commercial_only, Kind.dead)
        if theirs.kind in decided and ours.kind is not theirs.kind:
            found.append(f"the compiled SQL is {theirs.kind.value}, the source {ours.kind.value}")
        seen = Counter(self._named(ours.commercial.text))
        for reading in ephemeral.values():
            seen += Counter(self._named(reading.report.new_text or reading.report.old_text))
        more = Counter(self._named(theirs.commercial.text)) - seen
        found += [f"compiled SQL names {word!r}, which the source does not" for word in more]
        return found

    def _named(self, text: str) -> list[str]:
        """Every word in every line that is not a comment."""
        return [w for line in _COMMENT.sub("", text).splitlines() for w in named(line, self._theirs)]

    def _other_branches(self, node: Node, source: _Seen, lookups: Lookups) -> LeftReport | None:
        """An `if` whose last branch comes to other cuts than its first."""
        blocks = [b for b in mask(node.text).blocks if b.word == "if" and len(b.tags) > 2]
        if not blocks or source.variant is Variant.last:
            return None
        other = self._classified(node.text, lookups, Variant.last)
        line = node.text.count("\n", 0, blocks[0].start) + 1
        if other.commercial is None:
            return None
        if other.kind is source.found.kind and _removed(other) == _removed(source.found):
            return None
        return LeftReport(line=line, reason="the branches of this {% if %} come to different cuts")

    def _literals(self, node: Node, seen: _Seen, lookups: Lookups) -> tuple[UnknownLiteral, ...]:
        compiled = seen.seen_as == "compiled"
        text = self._project.compiled.texts[node.name] if compiled else node.text
        lookup = lookups.compiled_commercial if compiled else lookups.commercial
        dialect = self._project.dialect
        try:
            found = unknown_literals(text, lookup, self._project.facts, dialect=dialect, variant=seen.variant)
        except (NotParsed, JinjaError):
            return ()
        if not compiled:
            return found
        lines = node.text.splitlines()
        return tuple(
            u.model_copy(update={"line": next((n for n, line in enumerate(lines, 1) if f"'{u.literal}'" in line), 0)})
            for u in found
        )


def _left(seen: _Seen) -> Iterable[LeftReport]:
    compiled = seen.seen_as == "compiled"
    for left in seen.found.reasons or (seen.found.commercial.left if seen.found.commercial else ()):
        yield LeftReport(line=0 if compiled else left.line, reason=left.reason)


def _evidence(seen: _Seen) -> Iterable[Evidence]:
    """Cuts of either side, and the facts because of which there is no row."""
    compiled = seen.seen_as == "compiled"
    for side, found in (("Enterprise", seen.found.commercial), ("Commercial", seen.found.enterprise)):
        if found is None:
            continue
        if found.result.empty is not None:
            why = "; ".join(sorted(map(str, found.result.empty))) or "by its own conditions"
            yield Evidence(line=0, text=f"without {side} it has no row: {why}")
        for cut in found.cuts:
            if cut.facts:
                line = 0 if compiled else cut.line
                text = f"without {side}: {cut.rule}: {cut.removed[:200]} ({'; '.join(map(str, cut.facts))})"
                yield Evidence(line=line, text=text)


def _counted(found: Classified) -> CutCounts:
    sides = (("Enterprise", found.commercial), ("Commercial", found.enterprise))
    return Counter((name, cut.rule, cut.facts) for name, side in sides if side is not None for cut in side.cuts)


def _removed(found: Classified) -> Counter[str]:
    return Counter(cut.removed for cut in found.commercial.cuts) if found.commercial is not None else Counter()


def _blocks(text: str) -> list[Site]:
    """The loops of a text, where no other Jinja can be blamed."""
    return [
        Site(text.count("\n", 0, m.start()) + 1, " ".join(m.group().split()), (), "loop")
        for m in re.finditer(r"\{%[-+]?\s*for\b.*?%\}", text, re.DOTALL)
    ]
