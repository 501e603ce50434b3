"""What is declared to be true of the data: which values are Commercial, which Enterprise, and where.

The file is reviewed and versioned. A value that it does not name is unknown: it is listed, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

Segment = Literal["commercial", "enterprise"]
Scalar = str | bool | int


class FactsError(ValueError):
    """The facts file is wrong. The message names the file, the place and what to do."""


@dataclass(frozen=True, order=True)
class Fact:
    """One reason for an edit: this value is not there any more, or this whole table (`column` and `value` None)."""

    table: str
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        if self.column is None:
            return f"{self.table} holds rows of the other segment only"
        return f"{self.table}.{self.column} is never {self.value}"


class ColumnFacts(BaseModel):
    """Every value that a column has, by segment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    commercial: tuple[Scalar, ...] = Field(description="Values of Commercial rows, exactly as stored.")
    enterprise: tuple[Scalar, ...] = Field(min_length=1, description="Values of Enterprise rows, exactly as stored.")
    nullable: bool = Field(default=True, description="Whether a Commercial row may have no value.")
    owner: str | None = Field(default=None, description="Who confirmed it.")

    @model_validator(mode="after")
    def _disjoint(self) -> ColumnFacts:
        both = {(type(v), v) for v in self.commercial} & {(type(v), v) for v in self.enterprise}
        if both:
            raise ValueError(
                f"is both commercial and enterprise: {', '.join(repr(v) for _, v in sorted(both, key=str))}"
            )
        return self


class TableFacts(BaseModel):
    """What is known of one table: a source as `source.table`, a model or seed by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, ColumnFacts] = Field(default_factory=dict[str, ColumnFacts])
    only: Segment | None = Field(default=None, description="Set where all rows belong to one segment.")


class Facts(BaseModel):
    """The facts file, `split/facts.yml` by custom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    tables: dict[str, TableFacts]
    words: tuple[str, ...] = Field(
        default=(), description="Further words of the Enterprise side (codes, names of teams) that the leak scan seeks."
    )

    def of(self, table: str) -> TableFacts | None:
        """The facts of a table, by its name in any case."""
        return self._by_name().get(table.lower())

    def swapped(self) -> Facts:
        """The same facts from the other side: what would be left if Enterprise stayed."""
        other: dict[Segment, Segment] = {"commercial": "enterprise", "enterprise": "commercial"}
        return self.model_copy(
            update={
                "tables": {
                    name: TableFacts(
                        columns={
                            c: f.model_copy(update={"commercial": f.enterprise, "enterprise": f.commercial})
                            for c, f in facts.columns.items()
                        },
                        only=other[facts.only] if facts.only else None,
                    )
                    for name, facts in self.tables.items()
                }
            }
        )

    def enterprise_literals(self) -> frozenset[str]:
        """Every text that names the Enterprise side."""
        found = {
            v for t in self.tables.values() for c in t.columns.values() for v in c.enterprise if isinstance(v, str)
        }
        return frozenset(found | set(self.words))

    def _by_name(self) -> Mapping[str, TableFacts]:
        return {name.lower(): facts for name, facts in self.tables.items()}


def load_facts(path: Path) -> Facts:
    """Read a facts file. Raises FactsError, naming file, line or field, and the remedy."""
    try:
        content: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FactsError(f"{path}: there is no such file. Write one: `mgdw split facts --help` shows how.") from None
    except (MarkedYAMLError, UnicodeDecodeError) as error:
        raise FactsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise FactsError(f"{path}: expected `tables:` with one entry per table, found {type(content).__name__}")
    try:
        return Facts.model_validate(content)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in e['loc'])}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise FactsError(f"{path}: {len(lines)} entries are wrong:\n" + "\n".join(lines)) from None
