"""What is known of the tables that workbooks read: from the facts, and from the models of a dbt project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from split.facts import Facts
from split.project import Project, ProjectReading
from split.sql.engine import Lookup, base_relation
from split.sql.scope import Relation

_FILE_ENDINGS = ("$", "#csv", "#txt", "#tsv")


@dataclass(frozen=True)
class Table:
    """A table under the facts of either side.

    Attributes:
        name: as the facts or the project call it, or as the workbook does where neither knows it.
        unclear: why nothing is known of it; empty where something is.
    """

    name: str
    commercial: Relation = field(default_factory=Relation)
    enterprise: Relation = field(default_factory=Relation)
    unclear: str = ""

    @property
    def carries(self) -> bool:
        """Whether facts bear on it."""
        return self.commercial.carries() or self.enterprise.carries()


class Tables:
    """Every table that the facts or a project know."""

    def __init__(self, facts: Facts, project: Project | None = None) -> None:
        self.facts = facts
        self._project = project
        self._theirs = facts.swapped()
        self._known: frozenset[str] = frozenset(name.lower() for name in facts.tables)
        self._lookups: tuple[Lookup, Lookup] | None = None
        self._lost: frozenset[str] = frozenset()
        if project is not None:
            reading = ProjectReading(project)
            reading.run()
            self._lookups = reading.lookups
            self._lost = frozenset(name.lower() for name in reading.lost)
            models = (node.name for node in project.models)
            sources = (source for node in project.models for source in node.sources)
            names = {*models, *sources, *project.seeds, *project.schema, *project.compiled.names.values()}
            self._known |= {name.lower() for name in names}

    def find(self, parts: Sequence[str]) -> Table:
        """A table by the parts of its name in the warehouse: database, schema, table; or a file's or sheet's name."""
        bare = _bare(parts[-1])
        qualified = f"{parts[-2]}.{bare}" if len(parts) > 1 else bare
        for name in self._names(qualified, bare):
            if name.lower() not in self._known:
                continue
            if self._lookups is not None:
                ours, theirs = (lookup(name) for lookup in self._lookups)
            else:
                ours, theirs = base_relation(name, self.facts), base_relation(name, self._theirs)
            why = f"the model {name} could not be read" if name.lower() in self._lost else ""
            return Table(name, ours or Relation(), theirs or Relation(), why)
        return Table(qualified, unclear=self._why(qualified, bare))

    def _names(self, qualified: str, bare: str) -> Sequence[str]:
        """Our names that a table may have, the likeliest first."""
        if self._project is None:
            return (qualified, bare)
        ours = self._project.compiled.name(qualified)
        return (ours, qualified, bare) if "." in qualified else (bare,)

    def _why(self, qualified: str, bare: str) -> str:
        if self._project is not None:
            return f"table {qualified} is not known: neither the project nor the facts name it"
        like = sorted(n for n in self.facts.tables if n.rpartition(".")[2].lower() == bare.lower())
        hint = f" (it tells whether that is {', '.join(like)})" if like else ""
        return f"table {qualified} is not known: the facts do not name it, and --project was not given{hint}"


def _bare(name: str) -> str:
    """A table's name without what Tableau adds to sheets and text files."""
    name = name.strip("'")
    for ending in _FILE_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)].rpartition("/")[2]
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in (".csv", ".txt", ".tsv") else name
