"""The stage of workbooks: from files to a report, and to changed copies of those that facts bear on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import ConfigurationError
from split.report_model import Problem
from split.report_workbooks import write_workbooks_report
from split.stages import OTHER_FOLDER, Inputs, claim, read_facts, read_project
from split.tableau.items import WorkbookReport, WorkbooksReport
from split.tableau.package import Part, Unreadable, found, read, write
from split.tableau.tables import Table, Tables
from split.tableau.workbook import Workbook, read_workbook

COPIES = "workbooks"
"""Below the output folder: the changed copies."""


@dataclass(frozen=True)
class WorkbooksRead:
    """What was found, where the page is, and the changed copies; None where no output was asked for."""

    report: WorkbooksReport
    page: Path | None = None
    copies: tuple[Path, ...] = ()


def workbooks_read(
    paths: Sequence[Path],
    facts: Path,
    *,
    project: Path | None = None,
    schema: Path | None = None,
    compiled: Path | None = None,
    dialect: str | None = None,
    output: Path | None = None,
) -> WorkbooksRead:
    """Read workbooks and data sources under the facts. Nothing is written but below `output`.

    Args:
        paths: files, and folders that are searched for .twb, .twbx, .tds and .tdsx.
        project: dbt project that makes tables which they read.
        schema, compiled: of the project, as for `classified`.
        dialect: of custom SQL; that of each connection otherwise.
        output: folder for the report and the changed copies.

    Raises:
        ConfigurationError: a path, the facts or the project cannot be read, or the output is in use.
    """
    try:
        files = list(found(paths))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{error}: there is no such file or folder", remedy="Correct the path.") from None
    if output is not None:
        _claim(output, paths, files)
    known = read_facts(facts)
    tables = Tables(known, read_project(Inputs(project, facts, schema, compiled)) if project is not None else None)
    reading = _Reading(tables, dialect, output / COPIES if output is not None else None, files)
    for file in sorted(files, key=lambda f: (f.suffix.lower() not in (".tds", ".tdsx"), str(f))):
        reading.file(file)
    report = WorkbooksReport(
        workbooks=tuple(sorted(reading.reports, key=lambda w: w.path)),
        problems=tuple(reading.problems),
        words=tuple(sorted(known.enterprise_literals())),
        project=str(project) if project is not None else None,
    )
    page = write_workbooks_report(report, output) if output is not None else None
    return WorkbooksRead(report, page, tuple(reading.copies))


class _Reading:
    """File by file, data sources before the workbooks that may read them from a server."""

    def __init__(self, tables: Tables, dialect: str | None, output: Path | None, files: Sequence[Path]) -> None:
        self._tables = tables
        self._dialect = dialect
        self._output = output
        self._root = Path(os.path.commonpath([file.resolve().parent for file in files])) if files else Path()
        self._published: dict[str, Table] = {}
        self.reports: list[WorkbookReport] = []
        self.problems: list[Problem] = []
        self.copies: list[Path] = []

    def file(self, file: Path) -> None:
        """Judge a file. One that cannot be read, whatever the reason, is told of, and the others are read."""
        try:
            self._judge(file, read(file))
        except Unreadable as error:
            self.problems.append(Problem(path=error.path, line=error.line, message=str(error)))
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - nobody foresaw it
            what = f"reading it fails with {type(error).__name__}: {error}"
            message = f"{what}. If Tableau opens it, please report this with the file"
            self.problems.append(Problem(path=str(file), line=0, message=message))

    def _judge(self, file: Path, parts: Sequence[Part]) -> None:
        """All of the file or nothing is in the report."""
        books: list[Workbook] = []
        published = dict(self._published)
        changed: dict[str | None, bytes] = {}
        for part in sorted(parts, key=lambda p: p.is_workbook):
            place = str(file) if part.member is None else f"{file}!{part.member}"
            book = read_workbook(part.document, place, self._tables, published, dialect=self._dialect)
            books.append(book)
            published.update(book.published)
            if book.patches:
                changed[part.member] = part.document.patched(book.patches)
        if changed and self._output is not None:
            target = self._output / file.resolve().relative_to(self._root)
            try:
                write(file, target, changed)
            except OSError as error:
                raise ConfigurationError(
                    f"{target}: cannot be written: {error.strerror or error}", remedy="Make room there, then run again."
                ) from error
            self.copies.append(target)
        self._published = published
        self.reports += [book.report for book in books]
        self.problems += [problem for book in books for problem in book.problems]


def _claim(output: Path, paths: Sequence[Path], files: Sequence[Path]) -> None:
    """Mark the output as ours, apart from everything that is read; copies of an earlier run go."""
    for folder in (path for path in paths if path.is_dir()):
        claim(output, apart_from=folder)
    for file in files:
        if output.resolve() in file.resolve().parents:
            raise ConfigurationError(f"{output}: holds {file}, which is to be read", remedy=OTHER_FOLDER)
    claim(output)
    shutil.rmtree(output / COPIES, ignore_errors=True)
