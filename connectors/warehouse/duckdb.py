"""The warehouse as one DuckDB file."""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import duckdb
from tenacity import (
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
    wait_random_exponential,
)

from connectors.batch import Manifest
from connectors.contract import Contract, DataType, Table
from connectors.drift import KnownField, SchemaChange
from connectors.errors import ConfigurationError, InternalError
from connectors.lake import Lake
from connectors.source import TableState
from connectors.warehouse import LoadResult, QuarantinedRow, QuarantineGroup, ledger, now_utc, quarantine
from connectors.warehouse.casting import DUCKDB_TYPES
from connectors.warehouse.ddl import (
    SCHEMA,
    WarehouseColumn,
    WarehouseTable,
    changes,
    desired,
    desired_shadow,
    has_files,
)
from connectors.warehouse.duckdb_errors import busy, explained, is_locked
from connectors.warehouse.duckdb_load import Load
from connectors.warehouse.duckdb_session import Session
from connectors.warehouse.limits import Limits
from connectors.warehouse.sql import name, text
from connectors.window import Window

ResultT = TypeVar("ResultT")

_WIDER = {(DUCKDB_TYPES[DataType.INT64], DUCKDB_TYPES[DataType.NUMERIC])}
"""Changes of type that are made in place."""

_TAKEN = frozenset({"stg", "ods", "edw", "dev", "main", "temp", "system"})
"""Names of schemas: a database is named after its file, and `STG.x` would mean a table of the database STG."""

_one_at_a_time: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
"""Two batches of one table cannot be merged at once, also not by two warehouses of this process."""


class DuckDBWarehouse:
    """STG, ODS and EDW in one file. The file is free for another process (dbt) when the context ends.

    Args:
        path: the database file; it is made if it does not exist.
        memory_limit: what the engine may keep in memory, as DuckDB writes it (`400MB`); the rest spills to disk.
        threads: threads of the engine; None for one per core.
        lock_wait: seconds to wait while another process holds the file.
        loads_at_once: tables loaded side by side.
        limits: when a batch is too bad to be believed.
        on_statement: called with each statement of a load before it runs; what it raises rolls the load back.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        memory_limit: str = "400MB",
        threads: int | None = None,
        lock_wait: float = 60.0,
        loads_at_once: int = 2,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        on_statement: Callable[[str], None] | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        self._memory_limit = memory_limit
        self._threads = threads
        self._lock_wait = lock_wait
        self._loads_at_once = loads_at_once
        self._limits = limits
        self._on_statement = on_statement
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._pool: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        """Open the file. Raises WarehouseBusy, StorageFull, ConfigurationError."""
        self._pool = ThreadPoolExecutor(self._loads_at_once, thread_name_prefix="warehouse")
        try:
            self._connection = await asyncio.get_running_loop().run_in_executor(self._pool, self._open)
        except BaseException:
            self._pool.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._pool is not None
        await asyncio.to_thread(self._pool.shutdown)
        if self._connection is not None:
            await asyncio.to_thread(self._connection.close)
        self._connection = self._pool = None

    async def ensure(self, contract: Contract) -> list[str]:
        """Create what is missing; see `Warehouse.ensure`. Raises TypeChanged."""
        return await self._in_thread(lambda session: self._ensure(session, contract))

    async def state(self, table: Table, origin: str | None = None) -> TableState:
        """What the ledger holds for the table; see `Warehouse.state`."""

        def read(session: Session) -> TableState:
            windows = [
                Window(_utc(lo), _known(_utc(hi))) for lo, hi in session.rows(ledger.select_windows(table, origin))
            ]
            files = frozenset((b, k, v) for b, k, v in session.rows(ledger.select_files(table)))
            fields = {f: KnownField(of, gone) for f, of, gone in session.rows(ledger.select_fields(table))}
            return TableState(tuple(windows), files, fields)

        return await self._in_thread(read)

    async def remember(self, changes: Sequence[SchemaChange]) -> None:
        """Keep what was seen of the source's schema; see `Warehouse.remember`."""
        at = now_utc()
        statements = [s for change in changes for s in ledger.remember_fields(change.table, change.fields, at=at)]

        def write(session: Session) -> None:
            with _one_at_a_time[str(self.path), ""]:
                _in_transaction(session, statements)

        if statements:
            await self._in_thread(write, watch=self._on_statement)

    async def quarantined(self, table: str | None = None) -> list[QuarantineGroup]:
        """What is in quarantine; see `Warehouse.quarantined`."""

        def read(session: Session) -> list[QuarantineGroup]:
            return [
                QuarantineGroup(of, batch, reason, column, n, _known(_utc(first)), _known(_utc(last)), example)
                for of, batch, reason, column, n, first, last, example in session.rows(quarantine.select_groups(table))
            ]

        return await self._in_thread(read)

    async def quarantined_rows(self, table: str, limit: int = 20) -> list[QuarantinedRow]:
        """Rows of one table in quarantine; see `Warehouse.quarantined_rows`."""

        def read(session: Session) -> list[QuarantinedRow]:
            return [
                QuarantinedRow(*facts, first=_known(_utc(first)), last=_known(_utc(last)))
                for *facts, first, last in session.rows(quarantine.select_rows(table, limit))
            ]

        return await self._in_thread(read)

    async def drop_quarantined(self, table: str, batch_id: str | None = None, reason: str | None = None) -> int:
        """Take rows out of quarantine for good; see `Warehouse.drop_quarantined`."""
        statements = quarantine.drop(table, batch_id, reason, at=now_utc())

        def write(session: Session) -> int:
            with _one_at_a_time[str(self.path), table]:
                return _in_transaction(session, statements)[-1][0][0]

        return await self._in_thread(write, watch=self._on_statement)

    async def load(
        self, table: Table, manifest: Manifest, lake: Lake, *, run_id: str, again: bool = False
    ) -> LoadResult:
        """Load one batch in one transaction; see `Warehouse.load`."""

        def run(session: Session) -> LoadResult:
            with _one_at_a_time[str(self.path), table.name]:
                return Load(table, manifest, lake, run_id, session.rows, self._limits, again).execute()

        return await self._in_thread(run, watch=self._on_statement)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """The result of a small read-only query."""

        def read(session: Session) -> list[dict[str, Any]]:
            found = session.rows(sql)
            columns = session.columns()
            return [dict(zip(columns, row, strict=True)) for row in found]

        return await self._in_thread(read)

    async def export_parquet(self, relation: str, path: Path) -> int:
        """Write `schema.table` to one Parquet file, which appears whole; returns its rows."""
        source = ".".join(name(part) for part in relation.split("."))
        hidden = path.with_name(f".{path.name}.partial")

        def write(session: Session) -> int:
            with explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    copy = f"COPY (SELECT * FROM {source}) TO {text(str(hidden))} (FORMAT parquet, COMPRESSION zstd)"
                    count = session.rows(copy)[0][0]
                    hidden.rename(path)
                finally:
                    hidden.unlink(missing_ok=True)
            return count

        return await self._in_thread(write)

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self.path.stem.lower() in _TAKEN:
            raise ConfigurationError(
                f"the warehouse cannot be called {self.path.name}: DuckDB would take {self.path.stem!r} for a schema",
                remedy="Give the file another name (MGDW_DUCKDB_PATH).",
            )
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            patience = Retrying(
                stop=stop_after_delay(self._lock_wait), wait=wait_fixed(0.2), retry=retry_if_exception(is_locked),
                reraise=True,
            )  # fmt: skip
            try:
                connection = patience(duckdb.connect, str(self.path))
            except duckdb.Error as error:
                if is_locked(error):
                    raise busy(self.path, error, self._lock_wait) from error
                raise
            connection.execute(f"SET memory_limit = {text(self._memory_limit)}")
            connection.execute(f"SET threads = {self._threads or len(os.sched_getaffinity(0))}")
        return connection

    async def _in_thread(
        self, work: Callable[[Session], ResultT], *, watch: Callable[[str], None] | None = None
    ) -> ResultT:
        """Run on a cursor of its own. A conflict with another transaction is tried again; when the caller is cancelled
        the work is stopped and its transaction rolled back before this returns, so that the file can be closed."""
        if self._connection is None or self._pool is None:
            raise InternalError("the warehouse is not open: use it as `async with`")
        session = Session(self._connection.cursor(), watch)

        def run() -> ResultT:
            with explained(self.path):
                session.start()
                patience = Retrying(
                    stop=stop_after_attempt(8), wait=wait_random_exponential(multiplier=0.02, max=1),
                    retry=retry_if_exception_type(duckdb.TransactionException), reraise=True,
                )  # fmt: skip
                return patience(work, session)

        future = asyncio.get_running_loop().run_in_executor(self._pool, run)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                session.stop()
                await asyncio.wait([future], timeout=0.1)
            future.exception()  # the caller asked to stop: how the work ended is of no interest
            raise
        finally:
            session.close()

    def _ensure(self, session: Session, contract: Contract) -> list[str]:
        wanted = [*ledger.ledger_tables(DUCKDB_TYPES), *(desired(t, DUCKDB_TYPES) for t in contract.tables)]
        wanted += [desired_shadow(t, DUCKDB_TYPES) for t in contract.tables if has_files(t)]
        with _one_at_a_time[str(self.path), ""]:
            existing = _existing(session)
            statements = [] if existing is not None else [f"CREATE SCHEMA {name(SCHEMA)}"]
            for table in wanted:
                statements += changes(table, (existing or {}).get(table.name), _WIDER)
            _in_transaction(session, statements)
        return statements


def _in_transaction(session: Session, statements: Sequence[str]) -> list[list[tuple[Any, ...]]]:
    """Run the statements, all or none; returns the rows of each."""
    session.rows("BEGIN")
    try:
        found = [session.rows(statement) for statement in statements]
        session.rows("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            session.rows("ROLLBACK")
        raise
    return found


def _existing(session: Session) -> dict[str, WarehouseTable] | None:
    """The tables of STG; None when there is no such schema."""
    ours = f"database_name = current_database() AND schema_name = {text(SCHEMA)}"
    if not session.rows(f"SELECT 1 FROM duckdb_schemas() WHERE {ours}"):
        return None
    columns: defaultdict[str, list[WarehouseColumn]] = defaultdict(list)
    for table, column, of, comment in session.rows(
        f"SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE {ours}"
    ):
        columns[table].append(WarehouseColumn(column, of, comment))
    tables = session.rows(f"SELECT table_name, comment FROM duckdb_tables() WHERE {ours}")
    return {table: WarehouseTable(table, comment, tuple(columns[table])) for table, comment in tables}


def _utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value else None


def _known(value: datetime | None) -> datetime:
    assert value is not None
    return value


__all__ = ["DuckDBWarehouse"]
