"""What is found in a project, as plain data: what the commands print, the report shows and the JSON file holds."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict

from split.sql.engine import Cut, Kind, Left

SeenAs = Literal["source", "last branches", "compiled"]
"""Which text of a model could be read: its file, its file with the last branch of each `if`, or dbt's compiled SQL."""

FoundIn = Literal["seed", "YAML", "snapshot", "macro", "exposure", "analysis", "test", "variable"]


class Record(BaseModel):
    """Frozen, and refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CutReport(Record):
    """One edit of a model.

    Attributes:
        facts: the facts that allow it, in words.
        line: 1-based line of the text as it was before the pass that made the cut.
        type_at_risk: the column it stands in may have another type afterwards.
    """

    rule: str
    facts: tuple[str, ...]
    line: int
    removed: str
    added: str = ""
    lost_comments: tuple[str, ...] = ()
    type_at_risk: bool = False

    @classmethod
    def of(cls, cut: Cut) -> CutReport:
        """A cut of the engine."""
        return cls(
            rule=cut.rule,
            facts=tuple(str(fact) for fact in cut.facts),
            line=cut.line,
            removed=cut.removed,
            added=cut.added,
            lost_comments=cut.lost_comments,
            type_at_risk=cut.type_at_risk,
        )


class LeftReport(Record):
    """Something in a model that is left to a person."""

    line: int
    reason: str

    @classmethod
    def of(cls, left: Left) -> LeftReport:
        """A refusal of the engine."""
        return cls(line=left.line, reason=left.reason)


class Evidence(Record):
    """Why a model has its kind: a line of its file (0 where no line is to blame) and what is to be seen there."""

    line: int
    text: str


class UnknownLiteral(Record):
    """A text or number that a model compares with a column of the facts, and that is in neither of its sets."""

    line: int
    column: str
    literal: str
    looks_like: str | None = None
    """The declared value from which it differs in case or blanks only."""


class TypeRepair(Record):
    """A column whose type would have changed; `repaired` where a cast in the new text keeps the old one."""

    column: str
    old_type: str
    new_type: str
    repaired: bool


class ModelReport(Record):
    """One model or snapshot.

    Attributes:
        path: file, relative to the project.
        hand_edit: the kind is mixed, and a person has to make some of the edits: Jinja generates Enterprise logic.
        cuts: the edits in `new_text`, or in the compiled SQL where `seen_as` says so.
        new_text: the text without Enterprise; None where it does not change, or the model goes as a whole.
        downstream: names of models and snapshots that read it directly or through others, in DAG order.
        exposures: names of the exposures (dashboards among them) that depend on it, directly or through others.
        unused: no model, snapshot or exposure reads it.
    """

    name: str
    path: str
    kind: Kind
    seen_as: SeenAs = "source"
    resource: Literal["model", "snapshot"] = "model"
    materialized: str = "view"
    hand_edit: bool = False
    cuts: tuple[CutReport, ...] = ()
    left: tuple[LeftReport, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    old_text: str = ""
    new_text: str | None = None
    upstream: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
    exposures: tuple[str, ...] = ()
    unused: bool = False
    unknown_literals: tuple[UnknownLiteral, ...] = ()
    type_repairs: tuple[TypeRepair, ...] = ()
    columns_dropped: tuple[str, ...] = ()

    @property
    def type_at_risk(self) -> bool:
        """Whether a cut in it may change the type of a column."""
        return any(cut.type_at_risk for cut in self.cuts)

    @property
    def label(self) -> str:
        """The kind as a person reads it."""
        return f"{self.kind.value}, hand edit" if self.hand_edit else self.kind.value


class Mention(Record):
    """A place outside the models that names the Enterprise side."""

    found_in: FoundIn
    path: str
    line: int
    word: str
    text: str
    owner: str = ""
    """The seed, macro, snapshot, exposure, or the model and column whose YAML it is."""


class Problem(Record):
    """Something that could not be read; the rest of the project was. `line` is 0 where it is not known."""

    path: str
    line: int
    message: str


class ProjectReport(Record):
    """A whole project.

    Attributes:
        models: unused ones first, then in DAG order.
        words: the Enterprise words that were searched for.
    """

    name: str
    models: tuple[ModelReport, ...]
    mentions: tuple[Mention, ...] = ()
    problems: tuple[Problem, ...] = ()
    words: tuple[str, ...] = ()

    def model(self, name: str) -> ModelReport:
        """The report of one model. Raises KeyError."""
        found = next((m for m in self.models if m.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def counts(self) -> dict[str, int]:
        """Models by label, the commonest first."""
        return dict(Counter(m.label for m in self.models).most_common())

    def to_json(self) -> str:
        """The whole report; `ProjectReport.model_validate_json` reads it again."""
        return self.model_dump_json(indent=2)


class UnknownValue(Record):
    """A value that is in the data and not in the facts."""

    table: str
    column: str
    value: str | None
    rows: int
    looks_like: str | None = None
    """The declared value from which it differs in case or blanks only."""


class Contradiction(Record):
    """A fact that the data denies, with its place in the facts file (line 0 where it is not known)."""

    path: str
    line: int
    message: str


class FactsCheck(Record):
    """What the data says of the facts."""

    unknown: tuple[UnknownValue, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    columns: int = 0

    @property
    def holds(self) -> bool:
        """Whether every value is declared and nothing is denied."""
        return not self.unknown and not self.contradictions
