"""The warehouse: STG tables from the contract, typed loads, ledger. One interface, one module per engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from connectors.batch import Manifest
from connectors.contract import Contract, Table
from connectors.drift import SchemaChange
from connectors.lake import Lake
from connectors.source import TableState
from connectors.window import Window


@dataclass(frozen=True)
class LoadResult:
    """What one batch did to its table. `read` = inserted + updated + unchanged + stale + quarantined (+ deleted rows
    that came as rows); keys that came from a deletes part or are missing from a snapshot count in `deleted` only.

    Attributes:
        read: rows parsed from the batch.
        inserted: live keys the table did not have.
        updated: keys whose content changed, or that are live again after a deletion.
        deleted: keys that became tombstones, also those that arrive deleted and were never seen alive.
        unchanged: keys whose stored version already equals the batch's.
        stale: rows older than what the table (or the same batch) already has.
        quarantined: rows that did not fit the contract.
        skipped: True when the ledger had the batch already and nothing was done.
    """

    table: str
    batch_id: str
    window: Window
    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    stale: int = 0
    quarantined: int = 0
    skipped: bool = False
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @property
    def changed(self) -> int:
        """Rows that differ from before."""
        return self.inserted + self.updated + self.deleted


class Warehouse(Protocol):
    """One warehouse. Use as `async with`; loads of several tables may run at once."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def ensure(self, contract: Contract) -> list[str]:
        """Create what is missing (datasets, tables, columns, ledger, quarantine). Returns the statements run."""
        ...

    async def state(self, table: Table) -> TableState:
        """What the ledger holds for the table."""
        ...

    async def remember(self, changes: Sequence[SchemaChange]) -> None:
        """Keep what was seen of the source's schema, so that the next run can tell what is new."""
        ...

    async def load(self, table: Table, manifest: Manifest, lake: Lake, *, run_id: str) -> LoadResult:
        """Load one batch: typed rows, tombstones, quarantine and the ledger row in one transaction.

        Repeating it changes nothing (`skipped`). Raises CountMismatch when the rows parsed differ from the
        source's count, UnreadableFile when a part cannot be parsed, StorageFull, and WarehouseBusy.
        """
        ...

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """The result of a small read-only query."""
        ...

    async def export_parquet(self, relation: str, path: Path) -> int:
        """Write `schema.table` to one Parquet file; returns its rows."""
        ...


def now_utc() -> datetime:
    """The warehouse client's clock; stamps only `_loaded_at` and ledger rows, never a window."""
    from datetime import UTC

    return datetime.now(UTC)


__all__ = ["LoadResult", "Warehouse", "now_utc"]
