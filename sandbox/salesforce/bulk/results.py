"""The CSV pages of a bulk query job: written once by DuckDB, then sent as files."""

from __future__ import annotations

import re
import shutil
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sandbox.salesforce.schema import World
from sandbox.salesforce.soql.plan import Output, Plan, quoted

_SHUFFLED_ROWS = 100_000
"""Up to here rows are shuffled one by one; beyond, whole pages come in another order."""

_QUOTED_OR_NEWLINE = re.compile(rb'("(?:[^"]|"")*")|\n')


@dataclass(eq=False)
class Page:
    """One page as a CSV file with its header line. `rows` counts records, not lines."""

    path: Path
    rows: int
    _starts: np.ndarray | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def gzipped(self) -> Path:
        """The page's gzip twin (one member), made at the first call."""
        twin = self.path.with_suffix(".csv.gz")
        with self._lock:
            if not twin.exists():
                unfinished = twin.with_suffix(".part")
                with self.path.open("rb") as plain, unfinished.open("wb") as packed:
                    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
                    while chunk := plain.read(1 << 20):
                        packed.write(squeeze.compress(chunk))
                    packed.write(squeeze.flush())
                unfinished.rename(twin)
        return twin

    def slice(self, first: int, count: int) -> bytes:
        """The header line and `count` records from record `first` on."""
        starts = self._record_starts()
        with self.path.open("rb") as file:
            header = file.read(int(starts[0]))
            file.seek(int(starts[first]))
            return header + file.read(int(starts[first + count] - starts[first]))

    def _record_starts(self) -> np.ndarray:
        """Where each record starts in the file (bytes), and where the last one ends."""
        with self._lock:
            if self._starts is None:
                data = np.fromfile(self.path, dtype=np.uint8)
                newlines = np.flatnonzero(data == ord("\n"))
                quotes = np.flatnonzero(data == ord('"'))
                # All values are quoted, so a newline ends a record when the quotes before it are even in number.
                self._starts = newlines[np.searchsorted(quotes, newlines) % 2 == 0] + 1
            return self._starts


@dataclass(frozen=True, eq=False)
class ResultSet:
    """All pages of a job, in the order in which they are served."""

    directory: Path
    pages: tuple[Page, ...]

    @property
    def rows(self) -> int:
        """Records in all pages."""
        return sum(page.rows for page in self.pages)

    @property
    def bytes(self) -> int:
        """Size of all pages, uncompressed."""
        return sum(page.path.stat().st_size for page in self.pages)

    def locate(self, row: int) -> tuple[Page, int] | None:
        """The page that holds the given record and its place in it; None beyond the end."""
        for page in self.pages:
            if row < page.rows or (row == 0 and page is self.pages[-1]):
                return page, row
            row -= page.rows
        return None

    def compress(self) -> None:
        """Make the gzip twins of all pages."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(Page.gzipped, self.pages))

    def remove(self) -> None:
        """Delete the files."""
        shutil.rmtree(self.directory, ignore_errors=True)


def materialise(
    world: World, plan: Plan, directory: Path, *, page_rows: int, delimiter: str, line_ending: str
) -> ResultSet:
    """Write the result of `plan` as pages of at most `page_rows` records, all of one state of the model.

    Rows come in no useful order unless the query asks for one, as from an org that chunks by primary key.
    """
    directory.mkdir(parents=True)
    pages: list[Page] = []
    with world.lock:
        for number, (sql, params, rows) in enumerate(_page_queries(world, plan, page_rows)):
            path = directory / f"page-{number:05d}.csv"
            options = f"FORMAT csv, HEADER true, FORCE_QUOTE *, DELIMITER '{delimiter}'"
            text = f"COPY ({sql}) TO '{path}' ({options})"
            written = int(world.sql(text, params).fetchall()[0][0])
            if written != rows:
                raise RuntimeError(f"the model changed while {plan.object.name} was read: {written} rows, not {rows}")
            pages.append(Page(path, rows))
    if line_ending == "CRLF":
        for page in pages:
            _end_records_with_crlf(page.path)
    if not plan.order_by:
        pages.reverse()
    return ResultSet(directory, tuple(pages))


def _page_queries(world: World, plan: Plan, page_rows: int) -> list[tuple[str, list[object], int]]:
    select = ", ".join(f"{_as_text(output)} AS {quoted(output.name)}" for output in plan.outputs)
    params = list(plan.params)
    if plan.order_by or plan.limit is not None:
        total = int(world.sql(plan.count_sql(), params).fetchall()[0][0])
        ordered = plan.sql(select, tie_break="rowid")
        starts = range(0, max(total, 1), page_rows)
        return [
            (f"SELECT * FROM ({ordered}) LIMIT {page_rows} OFFSET {start}", params, min(page_rows, total - start))
            for start in starts
        ]
    # Ranges of row ids: each page reads only its own part of the table.
    page = f"(row_number() OVER () - 1) // {page_rows}"
    numbered = f"SELECT rowid AS r, {page} AS page FROM {plan.source} WHERE {plan.where}"
    per_page = f"SELECT min(r), max(r), count(*) FROM ({numbered}) GROUP BY page ORDER BY page"
    ranges = world.sql(per_page, params).fetchall()
    total = sum(int(rows) for _, _, rows in ranges)
    shuffle = f" ORDER BY hash({quoted('Id')})" if total <= _SHUFFLED_ROWS else ""
    rows_of = f"SELECT {select} FROM {plan.source} WHERE {plan.where}"
    found = [
        (f"{rows_of} AND rowid BETWEEN {first} AND {last}{shuffle}", params, int(rows)) for first, last, rows in ranges
    ]
    return found or [(rows_of, params, 0)]


def _as_text(output: Output) -> str:
    """The value as the Bulk API prints it; null is the empty text."""
    kind = output.field.type if output.field else "string"
    if kind == "datetime":
        return f"coalesce(strftime({output.sql}, '%Y-%m-%dT%H:%M:%S.000Z'), '')"
    if kind in ("double", "currency", "percent"):
        return f"coalesce(CAST(CAST({output.sql} AS DOUBLE) AS VARCHAR), '')"
    return f"coalesce(CAST({output.sql} AS VARCHAR), '')"


def _end_records_with_crlf(path: Path) -> None:
    """Newlines inside values stay."""
    text = path.read_bytes()
    path.write_bytes(_QUOTED_OR_NEWLINE.sub(lambda found: found[1] or b"\r\n", text))
