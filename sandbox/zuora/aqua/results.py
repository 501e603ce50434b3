"""Result files: a query's rows as CSV written by DuckDB, then packed as the job wants it."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sandbox.zuora.aqua.request import DeletedColumn, JobRequest
from sandbox.zuora.options import ZuoraOptions
from sandbox.zuora.schema import Field, Kind, World
from sandbox.zuora.zoql import Plan
from sandbox.zuora.zoql.literals import local_time, offset_text, quoted
from sandbox.zuora.zoql.syntax import Name

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Results:
    """One query's files and how many rows they hold together."""

    paths: tuple[Path, ...]
    rows: int


@dataclass(frozen=True)
class ResultWriter:
    """Writes the result files of one job, as plain CSV."""

    world: World
    job: JobRequest
    options: ZuoraOptions

    def write(self, plan: Plan, deleted: DeletedColumn | None, target: Path) -> Results:
        """Write the rows of `plan` to files whose names start with `target`."""
        columns = [
            f"{self._text(field)} AS {_identifier(self._header(name, field, plan))}"
            for name, field in zip(plan.names, plan.fields, strict=True)
        ]
        if deleted:
            yes, no = ("'1'", "'0'") if deleted.format == "Numeric" else ("'true'", "'false'")
            columns.append(f"CASE WHEN _is_deleted THEN {yes} ELSE {no} END AS {_identifier(deleted.column)}")
        select = f"SELECT {', '.join(columns)} FROM {plan.rows}"
        size = self.options.segment_rows
        total = int(self.world.sql(f"SELECT count(*) FROM {plan.rows}").fetchall()[0][0]) if size else 0
        if not size or total <= size:
            path, rows = self._copy(select, target)
            return Results((path,), rows)
        parts = [
            self._copy(f"{select} LIMIT {size} OFFSET {start}", target.with_name(f"{target.name}-{start // size}"))
            for start in range(0, total, size)
        ]
        return Results(tuple(path for path, _ in parts), sum(rows for _, rows in parts))

    def _copy(self, select: str, target: Path) -> tuple[Path, int]:
        path = target.with_suffix(".csv")
        options = f"FORMAT csv, HEADER true, NULLSTR {quoted(self.job.null_replacement)}"
        rows = int(self.world.sql(f"COPY ({select}) TO {quoted(str(path))} ({options})").fetchall()[0][0])
        return path, rows

    def _header(self, name: Name, field: Field, plan: Plan) -> str:
        foreign = name.prefix is not None and name.prefix.lower() != plan.object.name.lower()
        if not self.job.use_query_labels:
            return f"{name.prefix}: ID" if foreign else f"{plan.object.name}: {field.label}"
        if foreign:
            return f"{name.prefix}.Id"
        return f"{plan.object.name}.{field.name}" if self.options.header_style == "prefixed" else field.name

    def _text(self, field: Field) -> str:
        column = f'"{field.name}"'
        if field.kind is not Kind.DATETIME:
            return f"CAST({column} AS VARCHAR)"
        if self.job.date_time_utc:
            shown = f"strftime({column}, '%Y-%m-%dT%H:%M:%S+0000')"
        else:
            local = local_time(column, self.options.time_zone)
            shown = f"strftime({local}, '%Y-%m-%dT%H:%M:%S') || {offset_text(column, local)}"
        if not self.options.bare_midnights:
            return shown
        own = local_time(column, self.options.system_zone)
        # Zones differ from UTC by quarters of an hour: most stamps need no look at the zone.
        midnight = f"epoch({column}) % 900 = 0 AND CAST({own} AS TIME) = TIME '00:00'"
        return f"CASE WHEN {midnight} THEN strftime({own}, '%Y-%m-%d') ELSE {shown} END"


def packed(path: Path, form: Literal["csv", "gzip", "zip"]) -> Path:
    """The CSV file in the job's format; takes the place of the plain file."""
    if form == "csv":
        return path
    if form == "zip":
        target = path.with_suffix(".zip")
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.write(path, path.name)
    else:
        target = path.with_suffix(".csv.gz")
        with path.open("rb") as source, gzip.open(target, "wb", compresslevel=1) as out:
            shutil.copyfileobj(source, out, _CHUNK)
    path.unlink()
    return target


def _identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
