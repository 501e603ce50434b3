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
        updated: keys whose content changed, or that are live again after a deletion. Of files also those that get an
            older file's row (besides `read`), because the file that had them last has them no more.
        deleted: keys that became tombstones, also those that arrive deleted and were never seen alive.
        unchanged: keys whose stored version already equals the batch's.
        stale: rows older than what the table (or the same batch) already has.
        quarantined: rows that did not fit the contract.
        missing: keys that a keys part has and STG lacks, or has in an older version, though their time was covered:
            rows that were lost. Rows in quarantine are not among them.
        skipped: True when the ledger had the batch already and nothing was done.
        bytes_billed, slot_ms: what BigQuery billed for all jobs of the load; 0 on DuckDB.
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
    missing: int = 0
    skipped: bool = False
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    bytes_billed: int = 0
    slot_ms: int = 0

    @property
    def changed(self) -> int:
        """Rows that differ from before."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True)
class QuarantineGroup:
    """Rows of one batch that are in quarantine for one reason.

    Attributes:
        column: the column concerned; None for a rule over several.
        first, last: when the oldest of them was put aside first, and the newest last (UTC).
        example: raw text of one of them, as received.
    """

    table: str
    batch_id: str
    reason: str
    column: str | None
    rows: int
    first: datetime
    last: datetime
    example: str | None


@dataclass(frozen=True)
class QuarantinedRow:
    """One row in quarantine.

    Attributes:
        part: the file or part it lies in.
        raw_text: text of the column concerned, as received.
        row: the contract's fields of the row, as received, as JSON.
        first, last: when it was put aside first and last (UTC).
    """

    table: str
    batch_id: str
    part: str
    reason: str
    column: str | None
    raw_text: str | None
    row: str
    first: datetime
    last: datetime


class Warehouse(Protocol):
    """One warehouse. Use as `async with`; loads of several tables may run at once."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def ensure(self, contract: Contract) -> list[str]:
        """Create what is missing (datasets, tables, columns, ledger, quarantine). Returns the statements run."""
        ...

    async def state(self, table: Table, origin: str | None = None) -> TableState:
        """What the ledger holds for the table. With `origin` (`Source.origin`) only windows read from there."""
        ...

    async def remember(self, changes: Sequence[SchemaChange]) -> None:
        """Keep what was seen of the source's schema, so that the next run can tell what is new."""
        ...

    async def load(
        self, table: Table, manifest: Manifest, lake: Lake, *, run_id: str, again: bool = False
    ) -> LoadResult:
        """Load one batch: typed rows, tombstones, quarantine and the ledger row in one transaction.

        Repeating it changes nothing (`skipped`). With `again` a batch that the ledger has is conformed and merged
        once more (a replay): what it says counts as seen when it was read, so it never beats what a later batch
        said, but a column that came into the contract meanwhile gets its values. A batch that the ledger does not
        have is loaded as usual.

        Raises CountMismatch when the rows parsed differ from the source's count, UnreadableFile when a part cannot
        be parsed, TooManyMisfits and MassDeletion when a limit is passed, StorageFull, and WarehouseBusy.
        """
        ...

    async def quarantined(self, table: str | None = None) -> list[QuarantineGroup]:
        """What is in quarantine, of one table or of all, the largest group first.

        A row is in quarantine once, however often it was read, and leaves it when it arrives in good shape or is
        outdated: what is there is missing from STG.
        """
        ...

    async def quarantined_rows(self, table: str, limit: int = 20) -> list[QuarantinedRow]:
        """Rows of one table in quarantine, the newest first."""
        ...

    async def drop_quarantined(self, table: str, batch_id: str | None = None, reason: str | None = None) -> int:
        """Take rows out of quarantine for good; returns how many. The ledger keeps their number and the time."""
        ...

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """The result of a small read-only query, in the warehouse's own SQL. Instants are naive and UTC."""
        ...

    async def export_parquet(self, relation: str, path: Path) -> int:
        """Write `schema.table` to one Parquet file; returns its rows."""
        ...


def now_utc() -> datetime:
    """The warehouse client's clock; stamps only `_loaded_at` and ledger rows, never a window."""
    from datetime import UTC

    return datetime.now(UTC)


__all__ = ["LoadResult", "QuarantineGroup", "QuarantinedRow", "Warehouse", "now_utc"]
