"""What a query brought, and who is told while it comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from connectors.batch import Part, PartKind
from connectors.contract import Table
from connectors.errors import UnreadableFile
from connectors.lake import Lake
from connectors.progress import ProgressEvent, Stage, emit


@dataclass(frozen=True)
class QueryResult:
    """The parts of one query. `rows` is Salesforce's own count and equals the sum of the parts' counts.

    Attributes:
        origin: `bulk 750…` or `rest`, with the query's text: for the manifest.
    """

    parts: tuple[Part, ...]
    rows: int
    origin: tuple[str, str]


@dataclass
class Sink:
    """Where the parts of one batch go, of one kind, and what was written so far."""

    table: Table
    lake: Lake
    prefix: str
    kind: PartKind = "rows"
    rows: int = 0
    bytes: int = 0
    of_rows: int = 0

    def say(self, stage: Stage) -> None:
        """Tell who listens how far the batch is."""
        emit(
            ProgressEvent(
                self.table.source, self.table.name, stage, rows=self.rows, bytes=self.bytes, of_rows=self.of_rows
            )
        )

    def expect(self, rows: int) -> None:
        """Rows that a job has found and that will be added."""
        self.of_rows = self.rows + rows

    def add(self, rows: int, size: int) -> None:
        """Count a page and tell of it."""
        self.rows += rows
        self.bytes += size
        self.say("extracting")


def in_our_spelling(table: Table, header: Iterable[str], fields: Iterable[str]) -> tuple[str, ...]:
    """A page's column names as they were asked for. Raises UnreadableFile when they are other columns."""
    found, spelling = tuple(header), {field.lower(): field for field in fields}
    if sorted(name.lower() for name in found) != sorted(spelling):
        raise UnreadableFile(
            f"{table.name}: a result page has the columns {', '.join(found) or '(none)'} "
            f"where {', '.join(spelling.values())} were asked for",
            header=found,
        )
    return tuple(spelling[name.lower()] for name in found)
