"""What a comparison says of a model, as plain data for the report, CSV and JSON."""

from __future__ import annotations

from enum import Enum

from split.report_model import Record


class Verdict(Enum):
    """Old and new on the same Commercial-only rows."""

    equal = "equal"
    different = "different"
    not_decidable = "not decidable"
    not_run = "not run"
    no_rows = "no rows"
    """Equal, and nothing was compared: no data set gave it a row."""
    gone = "gone"
    """Taken out, and it had no Commercial row."""


class SecondClaim(Enum):
    """Whether "new" is also "old on all rows, filtered to Commercial"."""

    holds = "holds"
    holds_on_data = "holds on the data"
    """No row differed, and yet rows of both segments meet in a clause."""
    decision = "business decision"
    follows = "follows a decision"
    """It differs because a model that it reads does: the decision is taken there."""
    not_compared = "not compared"


class NotDetermined(Record):
    """An expression whose value the data does not determine; without `columns` it decides which rows there are."""

    line: int
    expression: str
    reason: str
    columns: tuple[str, ...] = ()


class Clause(Record):
    """A clause in which rows of both segments meet."""

    model: str
    line: int
    text: str
    reason: str


class Decision(Record):
    """The second claim for one model.

    Attributes:
        owner: who decides; empty where the project names nobody (`meta: {owner: …}`).
        filtered_by: columns that tell the segment of a row; where there are none, the rows that Enterprise alone has
            were taken out of the old table.
        clauses: where rows of both segments meet: its own, and those of models it reads that differ or are no tables.
        examples: rows that differ.
    """

    claim: SecondClaim
    owner: str = ""
    reason: str = ""
    filtered_by: tuple[str, ...] = ()
    clauses: tuple[Clause, ...] = ()
    examples: tuple[str, ...] = ()


class ModelCheck(Record):
    """One model, compared.

    Attributes:
        old_rows, new_rows: of all Commercial-only data sets together.
        differences: sentences, each with the data set.
        rounded: rows that were the same but for rounding of floats.
        reasons: why it was not run or is not decidable.
        seen_equal: whether the tables were the same all the same, where the verdict is "not decidable".
        differs_upstream: models that it reads and that differ as well.
    """

    name: str
    path: str
    verdict: Verdict
    old_rows: int = 0
    new_rows: int = 0
    differences: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    rounded: int = 0
    reasons: tuple[str, ...] = ()
    not_determined: tuple[NotDetermined, ...] = ()
    seen_equal: bool | None = None
    differs_upstream: tuple[str, ...] = ()
    decision: Decision = Decision(claim=SecondClaim.not_compared)
