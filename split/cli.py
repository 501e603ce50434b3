"""`mgdw split`: the stages of taking a mixed dbt project and its workbooks apart, at a terminal.

Status 0: done. 1: not done, because of what the message names. 2: done, and something is not as it should be: a file
that could not be read, a model that differs, a value that is not declared.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connectors.warehouse.settings import WarehouseSettings, open_warehouse
from split.check_facts import facts_tests
from split.leaks import Leak
from split.report import State, decisions, progress
from split.report_model import FactsCheck, ModelReport
from split.report_workbooks import unclear_tables
from split.stages import (
    Inputs,
    Reported,
    classified,
    disagreements,
    facts_checked,
    keep_check,
    proposed,
    read_facts,
    read_project,
    relations,
    verified,
)
from split.stages import leaks as find_leaks
from split.tableau.items import ItemState
from split.verify.check_model import Verdict
from split.workbooks import COPIES, WorkbooksRead, workbooks_read

EXAMPLE = """\
version: 1
tables:
  crm.account:                    # a source, as source.table
    columns:
      brand:
        commercial: [Alpha, Beta] # exactly as stored; every spelling
        enterprise: [Gamma]
        nullable: true            # may a Commercial row have no value?
        owner: data@example.com   # who confirmed it
  crm.enterprise_contract:
    only: enterprise              # every row of the table
  brands:                         # a seed or model, by its name
    columns:
      segment: {commercial: [Commercial], enterprise: [Enterprise], nullable: false}
words: [GovCloud]                 # more names that the leak scan seeks
"""

_INCOMPLETE = 2
_MOST = 12

Project = Annotated[Path, Parameter(help="Folder of the dbt project; it is only read.")]
FactsFile = Annotated[Path, Parameter(help="The facts file; `mgdw split facts --help` shows one.")]
Schema = Annotated[Path | None, Parameter(help="JSON rows of INFORMATION_SCHEMA.COLUMNS; fewer columns stay unknown.")]
Compiled = Annotated[Path | None, Parameter(help="dbt's target folder; the project's own when it has one.")]
Compile = Annotated[bool, Parameter("--compile", negative="", help="Run `dbt compile` first, in a folder of its own.")]
Dialect = Annotated[str | None, Parameter(help="SQL dialect; the project's profile tells it otherwise.")]

app = App(
    name="split",
    help="Take a mixed Commercial and Enterprise dbt project apart. Nothing is written over the original.\n\n"
    "Status 0: done; 1: not done; 2: done, and something needs looking at.",
)
_out = Console(highlight=False, width=max(Console().width, 110))


@app.command
def classify(
    project: Project,
    *,
    facts: FactsFile,
    output: Annotated[Path, Parameter(help="Folder for report.html, models.csv, cuts.csv, report.json.")],
    schema: Schema = None,
    compiled: Compiled = None,
    dialect: Dialect = None,
    compile_first: Compile = False,
) -> None:
    """Say of every model what it is about, and why. Read-only but for the report."""
    _end(_tell(classified(Inputs(project, facts, schema, compiled, dialect, compile_first), output)))


@app.command
def propose(
    project: Project,
    *,
    facts: FactsFile,
    output: Annotated[Path, Parameter(help="Folder for the new project, one patch a model, and the report.")],
    schema: Schema = None,
    compiled: Compiled = None,
    dialect: Dialect = None,
    compile_first: Compile = False,
    types: Annotated[bool, Parameter(help="Build both in DuckDB and cast columns whose type changed.")] = False,
) -> None:
    """Write the project without Enterprise into a folder of its own, with one patch a model."""
    reported, proposal = proposed(Inputs(project, facts, schema, compiled, dialect, compile_first), output, types=types)
    status = _tell(reported)
    _line(f"{len(proposal.patches)} patches in {output / 'patches'}, the new project in {proposal.project}")
    for kept in proposal.kept:
        _line(f"  kept: {kept.reason}")
    _end(status)


@app.command
def verify(
    project: Project,
    proposal: Annotated[Path, Parameter(help="The folder that `mgdw split propose` wrote.")],
    *,
    facts: FactsFile,
    schema: Schema = None,
    compiled: Compiled = None,
    dialect: Dialect = None,
    extracts: Annotated[Path | None, Parameter(help="Commercial-only files, `source.table.csv` or .parquet.")] = None,
    allow: Annotated[Path | None, Parameter(help="YAML list of Enterprise words that may stay, and where.")] = None,
    seed: Annotated[int, Parameter(help="Another seed makes other rows.")] = 0,
    sets: Annotated[int, Parameter(help="Data sets that are made up.")] = 3,
) -> None:
    """Build the old and the new project in DuckDB over the same rows, and compare model by model."""
    inputs = Inputs(project, facts, schema, compiled, dialect)
    reported = verified(inputs, proposal, seed=seed, sets=sets, extracts=extracts, allow=allow)
    findings, wrong = reported.findings, disagreements(reported.findings)
    counted = {v: sum(c.verdict is v for c in findings.checks) for v in Verdict}
    _line("Compared: " + ", ".join(f"{n} {v.value}" for v, n in counted.items() if n))
    for check in findings.checks:
        if check.name in wrong:
            _line(f"  {check.path}: {check.name} {check.verdict.value}: {(*check.differences, *check.reasons)[0]}")
    _tell_leaks(findings.open_leaks)
    _listed("Decisions for an owner", [f"{model.name}: {text}" for model, text in decisions(findings)])
    _line(f"Page: {reported.page}")
    _end(_INCOMPLETE if wrong or findings.open_leaks else 0)


@app.command
def workbooks(
    paths: Annotated[list[Path], Parameter(help="Workbooks and data sources (.twb, .twbx, .tds, .tdsx), or folders.")],
    *,
    facts: FactsFile,
    project: Annotated[Path | None, Parameter(help="dbt project that makes the tables which they read.")] = None,
    output: Annotated[Path | None, Parameter(help="Folder for changed copies, workbooks.html, .csv and .json.")] = None,
    schema: Schema = None,
    compiled: Compiled = None,
    dialect: Annotated[str | None, Parameter(help="Of custom SQL; that of each connection otherwise.")] = None,
) -> None:
    """Say of every calculation, query and filter of Tableau workbooks what it is about; write changed copies.

    Without --output nothing is written.
    """
    _end(
        _tell_workbooks(
            workbooks_read(
                paths, facts, project=project, schema=schema, compiled=compiled, dialect=dialect, output=output
            )
        )
    )


@app.command
def leaks(
    project: Annotated[Path, Parameter(help="Folder of the new project.")],
    *,
    facts: FactsFile,
    tables: Annotated[Path | None, Parameter(help="DuckDB file with its tables, searched as well.")] = None,
    allow: Annotated[Path | None, Parameter(help="YAML list of Enterprise words that may stay, and where.")] = None,
) -> None:
    """Search a project, and its tables, for every word of the Enterprise side."""
    found = [leak for leak in find_leaks(project, facts, tables=tables, allow=allow) if leak.allowed is None]
    _tell_leaks(found)
    _end(_INCOMPLETE if found else 0)


@app.command(
    help=f"Check the facts file, and with --check hold it against the data.\n\nA facts file:\n\n```yaml\n{EXAMPLE}```"
)
def facts(
    file: FactsFile,
    *,
    check: Annotated[bool, Parameter(help="Count every value in the warehouse that the settings name.")] = False,
    project: Annotated[Path | None, Parameter(help="dbt project, for the schemas of its sources and seeds.")] = None,
    tests: Annotated[bool, Parameter(help="Print dbt tests that keep holding the facts against the data.")] = False,
    output: Annotated[Path | None, Parameter(help="Report folder that should show what the check found.")] = None,
) -> None:
    """Check the facts file, and with --check hold it against the data."""
    known = read_facts(file)
    if tests:
        _out.out(facts_tests(known), end="")
        return
    columns = sum(len(t.columns) for t in known.tables.values())
    _line(f"{file}: {len(known.tables)} tables, {columns} columns: no mistake found")
    if check:
        found = asyncio.run(_checked(file, project))
        if output is not None:
            keep_check(found, output)
        _end(_tell_facts(found))


async def _checked(file: Path, project: Path | None) -> FactsCheck:
    relation = relations(read_project(Inputs(project, file))) if project is not None else str
    async with open_warehouse(WarehouseSettings.from_environment()) as warehouse:
        return await facts_checked(file, warehouse, relation)


def _tell_facts(found: FactsCheck) -> int:
    for denied in found.contradictions:
        _line(f"{denied.path}:{denied.line}: {denied.message}" if denied.line else f"{denied.path}: {denied.message}")
    if found.unknown:
        grid = _grid("column", "value in no set", "rows", "looks like")
        for one in found.unknown:
            grid.add_row(f"{one.table}.{one.column}", repr(one.value), f"{one.rows:,}", one.looks_like or "")
        _out.print(grid)
        _line("Ask the owner of each value which side it is, add it to the facts, check again.")
    if found.holds:
        _line(f"All values of {found.columns} columns in the data are declared.")
    return 0 if found.holds else _INCOMPLETE


def _tell(reported: Reported) -> int:
    """What was found, on one screen; the status."""
    findings = reported.findings
    so_far = progress(findings)
    _out.print(
        f"[bold]{escape(findings.project.name)}[/]: {so_far.all} models: {so_far.done} done, "
        f"{so_far.waiting} waiting, {so_far.refused} refused"
    )
    grid = _grid("class", "models", "of them unused", "for example")
    for label, count in findings.project.counts().items():
        of_class = [m for m in findings.project.models if m.label == label]
        unused = sum(m.unused for m in of_class)
        grid.add_row(label, str(count), str(unused), ", ".join(m.name for m in of_class[:3]))
    _out.print(grid)
    _listed("Left to a person", [_left(m) for m in findings.project.models if findings.state(m) is State.by_hand])
    literals = [
        f"{m.path}:{u.line}: {u.column} is compared with {u.literal!r}, which is not declared"
        + (f" (looks like {u.looks_like!r})" if u.looks_like else "")
        for m in findings.project.models
        for u in m.unknown_literals
    ]
    _listed("Unknown literals", literals)
    unread = [f"{p.path}{f':{p.line}' if p.line else ''}: {p.message}" for p in reported.unfinished]
    _listed("Not understood; the rest was", unread)
    _line(f"Outside the models: {len(findings.project.mentions)} mentions in seeds, YAML, macros and tests")
    _line(f"Page: {reported.page}")
    return _INCOMPLETE if reported.unfinished else 0


def _tell_workbooks(found: WorkbooksRead) -> int:
    """What was found in workbooks, on one screen; the status."""
    report = found.report
    states = ", ".join(f"{count} {state}" for state, count in report.states().items()) or "nothing to judge"
    sources = sum(len(w.sources) for w in report.workbooks)
    _out.print(
        f"[bold]{_counted(len(report.workbooks), 'document')}[/], {_counted(sources, 'data source')}, "
        f"{_counted(len(report.items), 'item')}: {states}",
        soft_wrap=True,
    )
    grid = _grid("class", "items", "of them unused", "for example")
    for kind, count in report.counts().items():
        of_kind = [item for item in report.items if item.kind.value == kind]
        unused = sum(item.unused for item in of_kind)
        grid.add_row(kind, str(count), str(unused), ", ".join(escape(i.name) for i in of_kind[:3]))
    _out.print(grid)
    placed = [(workbook.path, item) for workbook in report.workbooks for item in workbook.items]
    changed = [f"{path}:{i.line}: {i.what} {i.name!r}" for path, i in placed if i.new is not None]
    _listed("Changed" if found.page is not None else "Would be changed", changed)
    for state, title in ((ItemState.goes, "To be removed"), (ItemState.by_hand, "Left to a person")):
        of_state = [(path, i) for path, i in placed if i.state is state and not i.broken and not i.only_tables]
        lines = [f"{path}:{i.line}: {i.what} {i.name!r}{f': {i.left[0]}' if i.left else ''}" for path, i in of_state]
        _listed(title, lines)
    literals = [
        f"{path}:{item.line}: {u.column} is compared with {u.literal!r}, which is not declared"
        + (f" (looks like {u.looks_like!r})" if u.looks_like else "")
        for path, item in placed
        for u in item.literals
    ]
    _listed("Unknown literals", literals)
    unclear = unclear_tables(report)
    _listed("Tables not known", [f"{why} ({_counted(len(paths), 'document')})" for why, paths in unclear.items()])
    if waiting := sum(item.only_tables for item in report.items):
        _line(f"{_counted(waiting, 'item')} of these tables may hold Enterprise logic that cannot be seen yet")
    unread = [f"{p.path}{f':{p.line}' if p.line else ''}: {p.message}" for p in report.problems]
    _listed("Not understood; the rest was", unread)
    words = sum(len(workbook.words) for workbook in report.workbooks)
    _line(f"Outside these items: {_counted(words, 'place')} that name Enterprise, in titles, captions and the like")
    if found.page is not None:
        _line(f"{_counted(len(found.copies), 'changed copy', 'changed copies')} in {found.page.parent / COPIES}")
        _line(f"Page: {found.page}")
    return _INCOMPLETE if report.problems else 0


def _counted(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def _tell_leaks(found: Sequence[Leak]) -> None:
    """Places by file or column, with the words that they have."""
    words: dict[str, dict[str, None]] = {}
    counts: Counter[str] = Counter()
    for leak in found:
        place = leak.place.rpartition(":")[0] or leak.place
        words.setdefault(place, {})[leak.word] = None
        counts[place] += leak.count
    lines = [f"{place}: {', '.join(words[place])} ({count} times)" for place, count in counts.most_common()]
    _listed("Enterprise is still named in", lines)
    if not found:
        _line("Enterprise is named nowhere.")


def _left(model: ModelReport) -> str:
    said = [(left.line, left.reason) for left in model.left] + [(e.line, e.text) for e in model.evidence]
    line, reason = said[0] if said else (0, model.label)
    return f"{model.path}{f':{line}' if line else ''}: {reason}"


def _listed(title: str, lines: list[str]) -> None:
    if not lines:
        return
    _out.print(f"[bold]{title}[/]: {len(lines)}")
    for line in lines[:_MOST]:
        _line(f"  {line}")
    if len(lines) > _MOST:
        _line(f"  and {len(lines) - _MOST} more on the page")


def _line(text: str) -> None:
    _out.print(text, markup=False, soft_wrap=True)


def _grid(*names: str) -> Table:
    grid = Table(box=SIMPLE, pad_edge=False)
    for name in names:
        grid.add_column(
            name, overflow="fold", justify="right" if name in ("models", "items", "rows", "of them unused") else "left"
        )
    return grid


def _end(status: int) -> None:
    if status:
        sys.exit(status)
