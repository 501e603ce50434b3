"""The stages of taking a project apart, each from files to files: classify, propose, verify, and the facts' check.

What a person can put right is raised as ConfigurationError, with the file, the line where it is known, and the remedy.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from pydantic import ValidationError

from connectors.errors import ConfigurationError
from connectors.warehouse import Warehouse
from split.check_facts import check_facts
from split.column_types import Schemas, repair_types
from split.dbt.build import Builder
from split.dbt.compiled import NotCompiled, compile_project
from split.dbt.process import DbtEnded, DbtProcess
from split.facts import Facts, FactsError, load_facts
from split.leaks import AllowList, AllowListError, Leak, data_leaks, load_allow_list, project_leaks
from split.project import Project, ProjectError, classify_project, load_project
from split.propose import MARK, PROJECT, NotEmpty, Proposal, propose
from split.report import Findings, read_findings, write_report
from split.report_model import FactsCheck, Problem, ProjectReport
from split.verify.check_model import Verdict
from split.verify.checking import verify
from split.verify.data import generate
from split.verify.extracts import ExtractRefused

_CHECK = "facts.json"
OTHER_FOLDER = "Name an empty folder, or one that this command made earlier. Nothing was written."


@dataclass(frozen=True)
class Inputs:
    """What a project is read from.

    Attributes:
        project: the dbt project's folder.
        facts: the facts file.
        schema: JSON rows of INFORMATION_SCHEMA.COLUMNS.
        compiled: dbt's target folder, if it is not the project's own.
        dialect: of the SQL; None where the project tells it.
        compile: run `dbt compile` into a folder of its own first.
    """

    project: Path
    facts: Path
    schema: Path | None = None
    compiled: Path | None = None
    dialect: str | None = None
    compile: bool = False


@dataclass(frozen=True)
class Reported:
    """What was found, and the page that shows it."""

    findings: Findings
    page: Path

    @property
    def unfinished(self) -> tuple[Problem, ...]:
        """What could not be read: files, and models of which no text was understood."""
        unread = (
            Problem(path=m.path, line=left.line, message=left.reason)
            for m in self.findings.project.models
            if m.kind.value == "unknown" and not m.cuts
            for left in m.left[:1]
        )
        return (*self.findings.project.problems, *unread)


def classified(inputs: Inputs, output: Path) -> Reported:
    """Classify a project and write the report. Nothing else is written, nothing is run."""
    claim(output, apart_from=inputs.project)
    project = read_project(inputs)
    findings = Findings(project=classify_project(project), facts=_known_check(output))
    return Reported(findings, write_report(findings, output))


def proposed(inputs: Inputs, output: Path, *, types: bool = False) -> tuple[Reported, Proposal]:
    """Classify, and write the new project and one patch a model into a folder apart from the old one.

    Args:
        types: build old and new in DuckDB and cast the columns whose type changed; for projects in DuckDB's dialect.
    """
    claim(output, apart_from=inputs.project)
    project = read_project(inputs)
    if types and project.dialect != "duckdb":
        raise ConfigurationError(
            f"types of a project in {project.dialect}'s dialect cannot be found by building it in DuckDB",
            remedy="Leave --types out; `mgdw split verify` lists the columns whose type differs.",
        )
    report = classify_project(project)
    report = _with_types(project, report) if types else report
    try:
        proposal = propose(project, report, output)
    except (NotEmpty, ValueError) as error:
        raise ConfigurationError(str(error), remedy=OTHER_FOLDER) from None
    findings = Findings(project=report, facts=_known_check(output))
    return Reported(findings, write_report(findings, output)), proposal


def verified(
    inputs: Inputs,
    proposal: Path,
    *,
    seed: int = 0,
    sets: int = 3,
    extracts: Path | None = None,
    allow: Path | None = None,
) -> Reported:
    """Build the old project and the proposed one over the same rows, compare, search the new one, renew the report.

    Args:
        proposal: the folder that `proposed` wrote.
        sets: data sets that are made up.
        extracts: a folder of Commercial-only CSV or Parquet files, one a source table, compared as well.
        allow: the list of Enterprise words that may stay, and where.
    """
    allowed = _allowed(allow)
    new = proposal / PROJECT
    if not (proposal / MARK).is_file() or not new.is_dir():
        raise ConfigurationError(
            f"{proposal}: there is no proposal in this folder",
            remedy="Run `mgdw split propose` first and name its output.",
        )
    project = read_project(inputs)
    try:
        findings = read_findings(proposal)
    except (OSError, ValidationError):
        raise ConfigurationError(
            f"{proposal / 'report.json'}: is not there or was changed", remedy="Run `mgdw split propose` again."
        ) from None
    try:
        checks = verify(
            inputs.project,
            new,
            project.facts,
            seed=seed,
            sets=sets,
            schema=_column_types(inputs.schema),
            extracts=[extracts] if extracts is not None else (),
            dialect=project.dialect,
            dropped={m.name: m.columns_dropped for m in findings.project.models if m.columns_dropped},
        )
    except ExtractRefused as error:
        raise ConfigurationError(str(error), remedy="Correct the extract, then verify again.") from None
    except DbtEnded as error:
        raise ConfigurationError(
            f"{inputs.project}: {error}", remedy="Run `dbt compile` in both projects first."
        ) from None
    findings = findings.model_copy(
        update={"checks": tuple(checks), "leaks": tuple(_in_project(new, project.facts, allowed, inputs))}
    )
    return Reported(findings, write_report(findings, proposal))


def leaks(project: Path, facts: Path, *, tables: Path | None = None, allow: Path | None = None) -> list[Leak]:
    """Every place of a project, and of a DuckDB file, that names Enterprise. Raises ConfigurationError."""
    known, allowed = read_facts(facts), _allowed(allow)
    if not project.is_dir():
        raise ConfigurationError(f"{project}: there is no such folder", remedy="Name the new project's folder.")
    found = project_leaks(project, known, allowed, not_sought=facts)
    if tables is None:
        return found
    try:
        return [*found, *data_leaks(tables, known, allowed)]
    except duckdb.Error as error:
        why = str(error).splitlines()[0]
        raise ConfigurationError(f"{tables}: {why}", remedy="Name a DuckDB file with the new tables.") from None


def disagreements(findings: Findings) -> list[str]:
    """Models that differ or could not be built, by name."""
    return [
        c.name
        for c in findings.checks
        if c.verdict is Verdict.different or (c.verdict is Verdict.not_run and "ephemeral" not in " ".join(c.reasons))
    ]


def read_facts(file: Path) -> Facts:
    """The facts of a file. Raises ConfigurationError."""
    try:
        return load_facts(file)
    except FactsError as error:
        raise ConfigurationError(str(error), remedy="Correct it; `mgdw split facts --help` shows one.") from None


def read_project(inputs: Inputs) -> Project:
    """The project and its facts. Raises ConfigurationError."""
    facts = read_facts(inputs.facts)
    if inputs.compiled is not None and not inputs.compiled.is_dir():
        raise ConfigurationError(
            f"{inputs.compiled}: there is no such folder of compiled SQL",
            remedy="Run `dbt compile` in the project and name its target folder, or leave --compiled out.",
        )
    with tempfile.TemporaryDirectory(prefix="split-compiled-") as folder:
        try:
            compiled = compile_project(inputs.project, Path(folder)) if inputs.compile else inputs.compiled
            return load_project(
                inputs.project, facts=facts, schema=inputs.schema, compiled=compiled, dialect=inputs.dialect
            )
        except NotCompiled as error:
            raise ConfigurationError(
                f"{inputs.project}: dbt could not compile it:\n{error}",
                remedy="Correct what dbt names, or leave --compile out: what Jinja generates then stays unknown.",
            ) from None
        except ProjectError as error:
            raise ConfigurationError(str(error), remedy="Correct what is named, then run again.") from None


def keep_check(found: FactsCheck, output: Path) -> None:
    """Put what a check found where the next report shows it. Raises ConfigurationError for a folder in use."""
    claim(output)
    (output / _CHECK).write_text(found.model_dump_json(indent=2), encoding="utf-8")


async def facts_checked(file: Path, warehouse: Warehouse, relation: Callable[[str], str] = str) -> FactsCheck:
    """Compare the facts with the data of an open warehouse.

    Args:
        relation: what the warehouse calls a table that the facts call so.

    Raises:
        ConfigurationError: the facts file is wrong.
    """
    facts, loop = read_facts(file), asyncio.get_running_loop()

    def rows(sql: str) -> list[tuple[Any, ...]]:
        found = asyncio.run_coroutine_threadsafe(warehouse.rows(sql), loop).result()
        return [tuple(row.values()) for row in found]

    return await asyncio.to_thread(check_facts, rows, facts, file=file, relation=relation)


def relations(project: Project) -> Callable[[str], str]:
    """What the warehouse calls a table: `schema.table` of sources, and of seeds and models that dbt compiled."""
    known = {name.lower(): relation for relation, name in project.compiled.names.items()}
    return lambda table: known.get(table.lower(), table)


def claim(output: Path, *, apart_from: Path | None = None) -> None:
    """Mark a folder as ours. Raises ConfigurationError where it holds anything else, or is the project or around it."""
    target = output.resolve()
    project = apart_from.resolve() if apart_from is not None else None
    if project is not None and (target == project or project in target.parents or target in project.parents):
        raise ConfigurationError(f"{output}: is not apart from {apart_from}, which is read", remedy=OTHER_FOLDER)
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / MARK).is_file())):
        raise ConfigurationError(f"{output}: is in use", remedy=OTHER_FOLDER)
    target.mkdir(parents=True, exist_ok=True)
    (target / MARK).write_text("Written by `mgdw split`; the next run replaces it.\n", encoding="utf-8")


def _allowed(file: Path | None) -> AllowList:
    try:
        return load_allow_list(file) if file is not None else AllowList()
    except AllowListError as error:
        raise ConfigurationError(str(error), remedy="Correct the allow-list, then run again.") from None


def _in_project(new: Path, facts: Facts, allowed: AllowList, inputs: Inputs) -> list[Leak]:
    """Leaks of the new project, but for the copy of the facts file where the project holds it."""
    project, file = inputs.project.resolve(), inputs.facts.resolve()
    own = new / file.relative_to(project) if project in file.parents else None
    return project_leaks(new, facts, allowed, not_sought=own)


def _known_check(output: Path) -> FactsCheck | None:
    """What an earlier `facts --check` put there."""
    file = output / _CHECK
    return FactsCheck.model_validate_json(file.read_text(encoding="utf-8")) if file.is_file() else None


def _with_types(project: Project, report: ProjectReport) -> ProjectReport:
    with tempfile.TemporaryDirectory(prefix="split-types-") as folder, DbtProcess(Path(folder)) as dbt:
        home = Path(folder)
        old = Builder(project.path, home / "old", dbt)
        data = generate(old.parsed, project.facts, sets=1)[0].commercial
        numbers = iter(range(1_000_000))

        def describe(changed: ProjectReport) -> Schemas:
            place = home / f"new{next(numbers)}"
            new = propose(project, changed, place).project
            return Builder(new, place / "built", dbt).build(data, project.facts).columns()

        return repair_types(project, report, old.build(data, project.facts).columns(), describe)


def _column_types(schema: Path | None) -> Mapping[str, Mapping[str, str]] | None:
    """Types by column and `schema.table`, of rows that tell them."""
    if schema is None:
        return None
    found: dict[str, dict[str, str]] = {}
    for row in json.loads(schema.read_text(encoding="utf-8")):
        cells = {str(key).lower(): str(value) for key, value in row.items()}
        if "data_type" in cells:
            table = f"{cells['table_schema']}.{cells['table_name']}".lower()
            found.setdefault(table, {})[cells["column_name"].lower()] = cells["data_type"]
    return found
