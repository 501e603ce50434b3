"""What was found in a project, for people: one HTML page without outside assets, two CSV files, and JSON."""

from __future__ import annotations

import csv
import difflib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from split.engine import Kind
from split.report_model import FactsCheck, Mention, ModelReport, ProjectReport, Record

Outcome = Literal["same", "differs", "not compared"]


class State(Enum):
    """Where a model stands on its way to Commercial alone."""

    nothing = "nothing to do"
    proved = "proposed, proved the same"
    proposed = "proposed, to be verified"
    goes = "to be removed"
    by_hand = "waits for a person"
    differs = "proposed, differs"


DONE = (State.nothing, State.proved)
WAITING = (State.proposed, State.goes)
REFUSED = (State.by_hand, State.differs)
_STATE_ORDER = tuple(State)


class Verdict(Record):
    """What building old and new says of one model.

    Attributes:
        notes: differences, columns that are compared with a tolerance or not at all, failures.
        decision: why "new" is not the same as "old filtered to Commercial"; None where it is.
    """

    model: str
    outcome: Outcome
    notes: tuple[str, ...] = ()
    decision: str | None = None


class Findings(Record):
    """All that a report shows.

    Attributes:
        verdicts: empty as long as nothing was verified.
        facts: None where the facts were not compared with the data.
        leaks: places of the new project or of its data that name Enterprise; None where nobody looked.
    """

    project: ProjectReport
    verdicts: tuple[Verdict, ...] = ()
    facts: FactsCheck | None = None
    leaks: tuple[Mention, ...] | None = None

    def verdict(self, model: str) -> Verdict | None:
        """What was verified of a model."""
        return next((v for v in self.verdicts if v.model == model), None)

    def state(self, model: ModelReport) -> State:
        """Where a model stands."""
        if model.kind in (Kind.enterprise_only, Kind.dead):
            return State.goes
        if model.hand_edit or model.kind is Kind.unknown or model.left:
            return State.by_hand
        if model.new_text is None:
            return State.nothing
        verdict = self.verdict(model.name)
        if verdict is None or verdict.outcome == "not compared":
            return State.proposed
        return State.proved if verdict.outcome == "same" else State.differs


@dataclass(frozen=True)
class DiffLine:
    """A line of a diff: its numbers before and after (None where it is not there), and its text."""

    sign: Literal[" ", "+", "-", "…"]
    old: int | None
    new: int | None
    text: str


@dataclass(frozen=True)
class Progress:
    """Models that are done, wait, or were refused."""

    done: int
    waiting: int
    refused: int
    states: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def all(self) -> int:
        """All models."""
        return self.done + self.waiting + self.refused


def progress(findings: Findings) -> Progress:
    """How far the project is."""
    states = Counter(findings.state(model) for model in findings.project.models)
    done, waiting, refused = (sum(states[s] for s in group) for group in (DONE, WAITING, REFUSED))
    return Progress(done, waiting, refused, {s.value: states[s] for s in _STATE_ORDER if states[s]})


def diff_lines(old: str, new: str, *, around: int = 3) -> list[DiffLine]:
    """The lines that changed, with a few around them; what is left out between them is a line `…`."""
    before, after = old.splitlines(), new.splitlines()
    found: list[DiffLine] = []
    groups = list(difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(around))
    for place, group in enumerate(groups):
        if place:
            found.append(DiffLine("…", None, None, ""))
        for tag, a, b, c, d in group:
            if tag == "equal":
                found += [DiffLine(" ", a + i + 1, c + i + 1, before[a + i]) for i in range(b - a)]
                continue
            found += [DiffLine("-", i + 1, None, before[i]) for i in range(a, b)]
            found += [DiffLine("+", None, i + 1, after[i]) for i in range(c, d)]
    return found


def decisions(findings: Findings) -> list[tuple[ModelReport, str]]:
    """What an owner has to decide, by model: results that used both segments, filters that are not needed any more."""
    found: list[tuple[ModelReport, str]] = []
    for model in findings.project.models:
        verdict = findings.verdict(model.name)
        if verdict is not None and verdict.decision is not None:
            found.append((model, verdict.decision))
        if model.kind is Kind.commercial_only:
            text = "Its filter on the segment has no effect once Enterprise is gone. It is kept unless you decide otherwise."
            found.append((model, text))
    return found


def page(findings: Findings) -> str:
    """The HTML page."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    models = findings.project.models
    return templates.get_template("report.html.j2").render(
        findings=findings,
        project=findings.project,
        models=models,
        unused=[m for m in models if m.unused],
        mixed=[m for m in models if m.cuts or m.hand_edit or m.new_text is not None],
        states={m.name: findings.state(m) for m in models},
        progress=progress(findings),
        decisions=decisions(findings),
        diff=diff_lines,
        labels=list(findings.project.counts()),
        shown_evidence=_shown_evidence,
        anchors={m.name: f"model-{place}" for place, m in enumerate(models, 1)},
    )


def models_csv(findings: Findings) -> str:
    """One row a model."""
    header = (
        "model", "path", "class", "state", "unused", "seen as", "cuts", "left to a person", "unknown literals",
        "types changed", "columns dropped", "downstream models", "dashboards", "verified", "decision", "evidence",
    )  # fmt: skip
    return _csv(header, (_model_row(findings, model) for model in findings.project.models))


def cuts_csv(findings: Findings) -> str:
    """One row a cut."""
    header = ("model", "path", "line", "rule", "facts", "removed", "added", "lost comments")
    rows = (
        (m.name, m.path, c.line, c.rule, "; ".join(c.facts), c.removed, c.added, " ".join(c.lost_comments))
        for m in findings.project.models
        for c in m.cuts
    )
    return _csv(header, rows)


def write_report(findings: Findings, folder: Path) -> Path:
    """Write `report.html`, `models.csv`, `cuts.csv` and `report.json` into a folder; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.html": page(findings),
        "models.csv": models_csv(findings),
        "cuts.csv": cuts_csv(findings),
        "report.json": findings.model_dump_json(indent=2),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / "report.html"


def read_findings(folder: Path) -> Findings:
    """What `write_report` wrote. Raises FileNotFoundError and pydantic's ValidationError."""
    return Findings.model_validate_json((folder / "report.json").read_text(encoding="utf-8"))


def _model_row(findings: Findings, model: ModelReport) -> tuple[object, ...]:
    verdict = findings.verdict(model.name)
    evidence = (f"{e.line}: {e.text}" if e.line else e.text for e in _shown_evidence(model))
    return (
        model.name,
        model.path,
        model.label,
        findings.state(model).value,
        "yes" if model.unused else "no",
        model.seen_as,
        len(model.cuts),
        len(model.left),
        len(model.unknown_literals),
        len(model.type_repairs),
        " ".join(model.columns_dropped),
        " ".join(model.downstream),
        "; ".join(model.exposures),
        verdict.outcome if verdict is not None else "",
        verdict.decision or "" if verdict is not None else "",
        "; ".join(evidence),
    )


def _shown_evidence(model: ModelReport) -> Iterator[_Shown]:
    """Why a model has its class: cuts first, then what else was seen."""
    own = {(c.line, c.rule) for c in model.cuts}
    for cut in model.cuts:
        why = f" ({'; '.join(cut.facts)})" if cut.facts else ""
        yield _Shown(cut.line, f"{cut.rule}: {cut.removed}{why}")
    for evidence in model.evidence:
        if not any(line == evidence.line and evidence.text.startswith(f"Enterprise: {rule}") for line, rule in own):
            yield _Shown(evidence.line, evidence.text)
    for left in model.left if not model.cuts and not model.evidence else ():
        yield _Shown(left.line, left.reason)


@dataclass(frozen=True)
class _Shown:
    """A line (0: none to blame) and what is to be seen there."""

    line: int
    text: str


def _csv(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    """A cell that no spreadsheet runs as a formula: the texts are other people's."""
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
