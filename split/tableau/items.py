"""What is found in workbooks, as plain data: what the command prints, the page shows and the JSON file holds."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Literal

from split.report_model import CutReport, Problem, Record, UnknownLiteral
from split.sql.engine import Kind

What = Literal["calculation", "custom SQL", "filter", "set", "group", "parameter", "alias"]


class ItemState(Enum):
    """Where an item stands."""

    nothing = "nothing to do"
    changed = "changed"
    goes = "to be removed"
    owner = "to be decided"
    by_hand = "left to a person"


class Item(Record):
    """One thing in a data source or on a sheet that facts may bear on.

    Attributes:
        name: as people see it.
        internal: as the file has it, where that is another name.
        line: 1-based, of the XML.
        sheets: names of the sheets that use it.
        unused: nothing in the workbook uses it.
        old, new: its text before and after; `new` is None where nothing is changed.
        proposed: a text that was not written, for the first reason in `left`.
        left: what is left to a person, and why the kind is unknown.
        broken: the line of its own text where it could not be read (0: it could).
        only_tables: it is unknown for no other reason than that tables are not known.
    """

    what: What
    name: str
    datasource: str
    line: int
    kind: Kind
    internal: str = ""
    sheets: tuple[str, ...] = ()
    unused: bool = False
    old: str = ""
    new: str | None = None
    proposed: str | None = None
    cuts: tuple[CutReport, ...] = ()
    left: tuple[str, ...] = ()
    literals: tuple[UnknownLiteral, ...] = ()
    broken: int = 0
    only_tables: bool = False

    @property
    def state(self) -> ItemState:
        """Where it stands."""
        if self.new is not None:
            return ItemState.changed
        if self.kind in (Kind.enterprise_only, Kind.dead):
            return ItemState.goes
        if self.kind is Kind.commercial_only:
            return ItemState.owner if self.left else ItemState.nothing
        if self.kind in (Kind.unknown, Kind.mixed) or self.left:
            return ItemState.by_hand
        return ItemState.nothing


class TableRead(Record):
    """A table that a data source reads; `unclear` says why nothing is known of it."""

    name: str
    touched: bool
    unclear: str = ""


class SourceReport(Record):
    """A data source: what it reads, how many fields it has."""

    name: str
    line: int
    connections: tuple[str, ...]
    tables: tuple[TableRead, ...]
    fields: int
    calculations: int


class WordPlace(Record):
    """A place outside the items that names the Enterprise side: a title, a caption, a colour."""

    element: str
    line: int
    word: str
    text: str
    count: int


class WorkbookReport(Record):
    """One document: a workbook or a data source, perhaps inside an archive.

    Attributes:
        path: the file as it was given; after a `!`, the member of the archive.
    """

    path: str
    build: str
    sheets: int
    sources: tuple[SourceReport, ...]
    items: tuple[Item, ...]
    words: tuple[WordPlace, ...] = ()

    @property
    def changes(self) -> int:
        """Items that are changed."""
        return sum(item.new is not None for item in self.items)


class WorkbooksReport(Record):
    """All that was read.

    Attributes:
        problems: files that were not read, and texts in files that were.
        words: the Enterprise words that were searched for.
        project: the dbt project whose tables are known, where one was given.
    """

    workbooks: tuple[WorkbookReport, ...]
    problems: tuple[Problem, ...] = ()
    words: tuple[str, ...] = ()
    project: str | None = None

    @property
    def items(self) -> tuple[Item, ...]:
        """The items of all workbooks."""
        return tuple(item for workbook in self.workbooks for item in workbook.items)

    def counts(self) -> dict[str, int]:
        """Items by kind, the commonest first."""
        return dict(Counter(item.kind.value for item in self.items).most_common())

    def states(self) -> dict[str, int]:
        """Items by state."""
        counted = Counter(item.state for item in self.items)
        return {state.value: counted[state] for state in ItemState if counted[state]}
