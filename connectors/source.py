"""What all sources share: the Source class and its two phases, plan and extract."""

from __future__ import annotations

import asyncio
import copy
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from connectors.batch import BatchRequest, FileRef, Manifest
from connectors.contract import Column, DataType, Table
from connectors.drift import KnownField, SchemaDrift
from connectors.errors import MgdwError
from connectors.lake import Lake
from connectors.window import Window, next_window

ErrorT = TypeVar("ErrorT", bound=MgdwError)


@dataclass(frozen=True)
class TableState:
    """What the ledger knows about one table: the only state there is."""

    windows: tuple[Window, ...] = ()
    files: frozenset[tuple[str, str, str]] = frozenset()
    """(bucket, key, `FileRef.token`) of every file loaded."""
    fields: Mapping[str, KnownField] = field(default_factory=dict[str, KnownField])
    """Source fields seen so far; empty before the first run."""


@dataclass(frozen=True)
class Finding:
    """One sentence about a table that was loaded. An alert is for people to act upon; the rest is for the log."""

    table: str
    text: str
    is_alert: bool


class Source(ABC):
    """One outside system. Use as `async with`; safe to run several extracts at once.

    A subclass supplies `horizon`, `describe` and `extract`; the planning of windows is shared.
    """

    name: ClassVar[str]

    @property
    def origin(self) -> str:
        """Which instance of the system this is, known once logged in: windows read from another one do not count, so
        that a move to another instance is followed by a full read. Empty where rows carry it themselves (files)."""
        return ""

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Open connections and log in. Raises CredentialsRefused, SourceUnavailable."""

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections and free what the source keeps for us."""

    @abstractmethod
    async def horizon(self, table: Table) -> datetime:
        """The newest instant (UTC) up to which the source promises to show every committed row."""

    @abstractmethod
    async def drift(self, table: Table) -> SchemaDrift:
        """Compare the source's schema with the contract, at the start of each run. Raises UnknownObject."""

    def fits(self, source_type: str, column: Column) -> bool:
        """Whether every value of the source's type fits the column: the rule by which a changed type is accepted."""
        return column.type is DataType.STRING

    @abstractmethod
    def extract(self, requests: Sequence[BatchRequest], lake: Lake) -> AsyncIterator[Manifest]:
        """Fetch the batches and write them to the lake, raw. Yields each manifest once it is committed.

        A batch whose manifest is in the lake already is not fetched again. Batches that share a snapshot at
        the source (Zuora) are fetched in one job. When one batch fails, the others are finished first and the
        errors are raised together as an ExceptionGroup at the end.
        """

    async def findings(self, table: Table, state: TableState) -> list[Finding]:
        """What people should know of a file table besides what was loaded. Asked after the load, with its state."""
        return []

    async def archive(self, table: Table, state: TableState) -> list[str]:
        """Move files that the ledger has out of the way, if the contract says so; returns their keys."""
        return []

    async def plan(self, table: Table, state: TableState, *, full: bool = False) -> list[BatchRequest]:
        """What has to be fetched for `table` now; empty when there is nothing new."""
        window = next_window(state.windows, await self.horizon(table), full=full)
        return [BatchRequest(table, window)] if window else []


async def as_finished(
    batches: Iterable[Coroutine[Any, Any, Manifest]], errors: list[Exception]
) -> AsyncGenerator[Manifest, None]:
    """Run batches side by side and yield each manifest as it comes.

    What fails is added to `errors` and does not stop the others. Close it (`contextlib.aclosing`) to cancel the rest.
    """
    tasks = [asyncio.create_task(batch) for batch in batches]
    try:
        for finished in asyncio.as_completed(tasks):
            try:
                manifest = await finished
            except Exception as error:  # noqa: BLE001 - whatever stops one table must not stop the others
                errors.append(error)
            else:
                yield manifest
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def about(error: ErrorT, table: Table | str) -> ErrorT:
    """The error with the table among its facts; a copy, because one refused login may concern several tables."""
    named = copy.copy(error)
    named.facts = {**error.facts, "table": table if isinstance(table, str) else table.name}
    return named


__all__ = ["FileRef", "Finding", "SchemaDrift", "Source", "TableState", "about", "as_finished"]
