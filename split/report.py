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

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from split.leaks import Leak
from split.report_model import FactsCheck, ModelReport, ProjectReport, Record
from split.sql.engine import Kind
from split.verify.check_model import ModelCheck, SecondClaim, Verdict


class State(Enum):
    """Where a model stands on its way to Commercial alone."""

    nothing = "nothing to do"
    proved = "proposed, proved the same"
    proposed = "proposed, to be verified"
    goes = "to be removed"
    owner = "waits for its owner"
    by_hand = "waits for a person"
    differs = "proposed, differs"


DONE = (State.nothing, State.proved)
WAITING = (State.proposed, State.goes, State.owner)
REFUSED = (State.by_hand, State.differs)
_STATE_ORDER = tuple(State)
_REDUNDANT = "Its filter on the segment has no effect once Enterprise is gone. It is kept unless you decide otherwise."
_DEAD = "It has no row on either side, so nothing was proposed. Is it still wanted?"


class Findings(Record):
    """All that a report shows.

    Attributes:
        checks: empty as long as nothing was verified.
        facts: None where the facts were not compared with the data.
        leaks: places of the new project or of its data that name Enterprise; None where nobody looked.
    """

    project: ProjectReport
    checks: tuple[ModelCheck, ...] = ()
    facts: FactsCheck | None = None
    leaks: tuple[Leak, ...] | None = None

    @property
    def open_leaks(self) -> tuple[Leak, ...]:
        """The leaks that no allow-list lets stay."""
        return tuple(leak for leak in self.leaks or () if leak.allowed is None)

    def check(self, model: str) -> ModelCheck | None:
        """What was verified of a model."""
        return next((c for c in self.checks if c.name == model), None)

    def state(self, model: ModelReport) -> State:
        """Where a model stands."""
        if model.kind in (Kind.enterprise_only, Kind.dead):
            return State.goes if model.kind is Kind.enterprise_only else State.owner
        check = self.check(model.name)
        if check is not None and check.verdict is Verdict.different:
            return State.differs
        if model.hand_edit or model.kind is Kind.unknown or model.left:
            return State.by_hand
        if model.new_text is None:
            return State.nothing
        return State.proved if check is not None and check.verdict is Verdict.equal else State.proposed


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
        check = findings.check(model.name)
        if check is not None and check.decision.claim is SecondClaim.decision:
            owner = f"Owner: {check.decision.owner}. " if check.decision.owner else ""
            clauses = (f"{c.model}, line {c.line}: {c.text} ({c.reason})" for c in check.decision.clauses[1:])
            found.append((model, owner + ". ".join(filter(None, (check.decision.reason, *clauses)))))
        if model.kind is Kind.commercial_only:
            found.append((model, _REDUNDANT))
        if model.kind is Kind.dead:
            found.append((model, _DEAD))
    return found


def template(name: str) -> Template:
    """A page's template."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)


def page(findings: Findings) -> str:
    """The HTML page."""
    models = findings.project.models
    return template("report.html.j2").render(
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
        other_evidence=other_evidence,
        anchors={m.name: f"model-{place}" for place, m in enumerate(models, 1)},
    )


def models_csv(findings: Findings) -> str:
    """One row a model."""
    header = (
        "model", "path", "class", "state", "unused", "seen as", "cuts", "left to a person", "unknown literals",
        "types changed", "columns dropped", "downstream models", "dashboards", "verified",
        "old filtered to Commercial", "evidence",
    )  # fmt: skip
    return csv_text(header, (_model_row(findings, model) for model in findings.project.models))


def cuts_csv(findings: Findings) -> str:
    """One row a cut."""
    header = ("model", "path", "line", "rule", "facts", "removed", "added", "lost comments", "type at risk")
    rows = (
        (
            m.name,
            m.path,
            c.line,
            c.rule,
            "; ".join(c.facts),
            c.removed,
            c.added,
            " ".join(c.lost_comments),
            "yes" if c.type_at_risk else "no",
        )
        for m in findings.project.models
        for c in m.cuts
    )
    return csv_text(header, rows)


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
    check = findings.check(model.name)
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
        check.verdict.value if check is not None else "",
        check.decision.claim.value if check is not None else "",
        "; ".join(evidence),
    )


def _shown_evidence(model: ModelReport) -> Iterator[_Shown]:
    """Why a model has its class: that it has no row, its cuts, what else was seen."""
    other = list(other_evidence(model))
    rowless = [shown for shown in other if "it has no row" in shown.text]
    yield from rowless
    for cut in model.cuts:
        why = f" ({'; '.join(cut.facts)})" if cut.facts else ""
        yield _Shown(cut.line, f"{cut.rule}: {cut.removed}{why}")
    yield from (shown for shown in other if shown not in rowless)


def other_evidence(model: ModelReport) -> Iterator[_Shown]:
    """What was seen beside the cuts, each of which comes as evidence as well."""
    own = {(c.line, c.rule) for c in model.cuts}
    for evidence in model.evidence:
        if not any(line in (evidence.line, 0) and f"Enterprise: {rule}:" in evidence.text for line, rule in own):
            yield _Shown(evidence.line, evidence.text)
    for left in model.left if not model.cuts and not model.evidence else ():
        yield _Shown(left.line, left.reason)


@dataclass(frozen=True)
class _Shown:
    """A line (0: none to blame) and what is to be seen there."""

    line: int
    text: str


def csv_text(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, in cells that no spreadsheet runs."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    """A cell that no spreadsheet runs as a formula: the texts are other people's."""
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
