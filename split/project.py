"""A whole project classified: every model in the order of the build, each with what is known of those it reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from split.columns import drop_columns
from split.dbt.project import Exposure, Node, Project, ProjectError, load_project
from split.facts import Facts
from split.mentions import mentions
from split.reading import Lookups, ModelReader, Reading
from split.report_model import LeftReport, ModelReport, ProjectReport
from split.sql.engine import Kind, Lookup, base_relation
from split.sql.scope import Relation
from split.sql.types import Type, type_named
from split.sql.values import ANY

__all__ = ["Project", "ProjectError", "classify_project", "load_project"]

_SNAPSHOT_COLUMNS = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to")


def classify_project(project: Project) -> ProjectReport:
    """What every model of a project is about, and where else the Enterprise side is named. Runs nothing."""
    readings = ProjectReading(project).run()
    reports = _connected(project, {name: reading.report for name, reading in readings.items()})
    ours = {name: reading.commercial for name, reading in readings.items()}
    theirs = {name: reading.enterprise for name, reading in readings.items()}
    reports = drop_columns(project, reports, ours, theirs)
    return ProjectReport(
        name=project.name,
        models=tuple(sorted(reports.values(), key=lambda report: not report.unused)),
        mentions=mentions(project),
        problems=project.problems,
        words=tuple(sorted(project.facts.enterprise_literals())),
    )


@dataclass
class _Side:
    """What is known of every table under the facts of one side."""

    project: Project
    facts: Facts
    headers: Mapping[str, tuple[str, ...]]
    models: dict[str, Relation | None] = field(default_factory=dict[str, Relation | None])

    def source(self, name: str) -> Relation | None:
        """By our own name."""
        key = name.lower()
        if key in self.models:
            return self.models[key]
        columns = self.project.schema.get(key) or self.headers.get(key)
        return base_relation(name, self.facts, columns, self._types(key))

    def compiled(self, name: str) -> Relation | None:
        """By a name of compiled SQL."""
        return self.source(self.project.compiled.name(name))

    def add(self, node: Node, found: Relation | None) -> None:
        """What a model returns; what the facts and the schema say of it comes on top."""
        columns = self.project.schema.get(node.name.lower())
        if found is not None and not found.complete and columns is not None:
            values = {c: found.columns.get(c, ANY) for c in columns}
            found = replace(found, columns=values, complete=True)
        if found is not None and node.resource == "snapshot":
            found = replace(found, columns={**found.columns, **dict.fromkeys(_SNAPSHOT_COLUMNS, ANY)})
        if found is not None and (types := self._types(node.name.lower())):
            found = replace(found, types={**types, **found.types})
        declared = base_relation(node.name, self.facts, columns)
        if declared is not None and self.facts.of(node.name) is not None:
            known = found or Relation(types=declared.types)
            empty = declared.empty if declared.empty is not None else known.empty
            own = {c: v for c, v in declared.columns.items() if v.known}
            found = replace(known, columns={**known.columns, **own}, empty=empty)
        self.models[node.name.lower()] = found

    def _types(self, name: str) -> dict[str, Type]:
        """The declared types of a table's columns that are known by name."""
        dialect = self.project.dialect
        named = {column: type_named(type_, dialect) for column, type_ in self.project.types.get(name, {}).items()}
        return {column: type_ for column, type_ in named.items() if type_ is not None}


class ProjectReading:
    """All models, in order.

    Attributes:
        lost: models that read, directly or not, a model that could not be read: the name of that one.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        headers = {name.lower(): _header(file.text) for name, file in project.seeds.items()}
        self._ours = _Side(project, project.facts, headers)
        self._theirs = _Side(project, project.facts.swapped(), headers)
        self._reader = ModelReader(project)
        self._readings: dict[str, Reading] = {}
        self.lost: dict[str, str] = {}

    @property
    def lookups(self) -> tuple[Lookup, Lookup]:
        """What is known of each table, without Enterprise and without Commercial."""
        return self._ours.source, self._theirs.source

    def run(self) -> dict[str, Reading]:
        """Read all models."""
        ours, theirs = self._ours, self._theirs
        lookups = Lookups(ours.source, theirs.source, ours.compiled, theirs.compiled)
        for node in self._project.models:
            touched = self._is_touched(node)
            reading = self._reader.read(node, lookups, self._ephemeral(node), touched=touched)
            lost = next((self.lost[ref] for ref in node.refs if ref in self.lost), None)
            if lost is not None and reading.report.kind is Kind.neutral:
                reading = replace(reading, report=_unknown(reading.report, lost))
            if lost is not None or (reading.commercial is None and touched):
                self.lost[node.name] = lost or node.name
            ours.add(node, reading.commercial)
            theirs.add(node, reading.enterprise)
            self._readings[node.name] = reading
        return self._readings

    def _is_touched(self, node: Node) -> bool:
        """Whether facts bear on what a model reads, or may."""
        relations = [side.source(name) for side in (self._ours, self._theirs) for name in (*node.refs, *node.sources)]
        if not node.refs and not node.sources:
            return True
        return any(ref in self.lost for ref in node.refs) or any(r is not None and r.carries() for r in relations)

    def _ephemeral(self, node: Node) -> dict[str, Reading]:
        """The ephemeral models that dbt writes into this one, those of those too."""
        found: dict[str, Reading] = {}
        refs = list(node.refs)
        while refs:
            ref = refs.pop()
            reading = self._readings.get(ref)
            if reading is not None and reading.report.materialized == "ephemeral" and ref not in found:
                found[ref] = reading
                refs += self._project.model(ref).refs
        return found


def _unknown(report: ModelReport, lost: str) -> ModelReport:
    why = LeftReport(line=0, reason=f"reads {lost}, directly or through others, of which nothing is known")
    return report.model_copy(update={"kind": Kind.unknown, "left": (*report.left, why)})


def _connected(project: Project, reports: Mapping[str, ModelReport]) -> dict[str, ModelReport]:
    """The same reports with upstream and downstream models and exposures."""
    readers = project.readers()
    below: dict[str, set[str]] = {}
    for node in reversed(project.models):
        direct = readers[node.name]
        below[node.name] = {*direct, *(name for reader in direct for name in below.get(reader, ()))}
    return {
        node.name: reports[node.name].model_copy(
            update={
                "upstream": (*node.refs, *node.sources),
                "downstream": tuple(n.name for n in project.models if n.name in below[node.name]),
                "exposures": _exposed(project.exposures, {node.name, *below[node.name]}),
                "unused": not readers[node.name] and not _exposed(project.exposures, {node.name}),
            }
        )
        for node in project.models
    }


def _exposed(exposures: Iterable[Exposure], names: set[str]) -> tuple[str, ...]:
    return tuple(exposure.name for exposure in exposures if names & set(exposure.refs))


def _header(text: str) -> tuple[str, ...]:
    return tuple(column.strip().lower() for column in next(csv.reader(io.StringIO(text)), []))
