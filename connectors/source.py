"""What all sources share: the Source class and its two phases, plan and extract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import ClassVar, Self

from connectors.batch import BatchRequest, FileRef, Manifest
from connectors.contract import Table
from connectors.lake import Lake
from connectors.window import Window, next_window


@dataclass(frozen=True)
class TableState:
    """What the ledger knows about one table: the only state there is."""

    windows: tuple[Window, ...] = ()
    files: frozenset[tuple[str, str, str]] = frozenset()
    """(bucket, key, `FileRef.token`) of every file loaded."""


@dataclass(frozen=True)
class SchemaDrift:
    """How the source's schema differs from the contract for one table."""

    table: str
    missing: tuple[str, ...] = ()
    """Fields the contract asks for and the source lacks."""
    added: tuple[str, ...] = ()
    """Fields the source has and the contract does not name."""


class Source(ABC):
    """One outside system. Use as `async with`; safe to run several extracts at once.

    A subclass supplies `horizon`, `describe` and `extract`; the planning of windows is shared.
    """

    name: ClassVar[str]

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
        """Compare the source's schema with the contract. Raises UnknownObject."""

    @abstractmethod
    def extract(self, requests: Sequence[BatchRequest], lake: Lake) -> AsyncIterator[Manifest]:
        """Fetch the batches and write them to the lake, raw. Yields each manifest once it is committed.

        A batch whose manifest is in the lake already is not fetched again. Batches that share a snapshot at
        the source (Zuora) are fetched in one job. When one batch fails, the others are finished first and the
        errors are raised together as an ExceptionGroup at the end.
        """

    async def plan(self, table: Table, state: TableState, *, full: bool = False) -> list[BatchRequest]:
        """What has to be fetched for `table` now; empty when there is nothing new."""
        window = next_window(state.windows, await self.horizon(table), full=full)
        return [BatchRequest(table, window)] if window else []


__all__ = ["FileRef", "SchemaDrift", "Source", "TableState"]
