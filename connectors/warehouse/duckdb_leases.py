"""Leases beside a DuckDB warehouse, in a small file of their own.

The warehouse's file belongs to one process at a time, for as long as a load takes: a lease in it could not be renewed
by a run that waits for that load. This file is open for the moment of one transaction only.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import duckdb
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from connectors.warehouse import lease as leases
from connectors.warehouse.casting import DUCKDB_TYPES
from connectors.warehouse.ddl import SCHEMA
from connectors.warehouse.duckdb_errors import busy, explained, is_locked
from connectors.warehouse.lease import Clock, Lease
from connectors.warehouse.sql import name as quoted
from connectors.warehouse.sql import number, text

ResultT = TypeVar("ResultT")

_NOW = "CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP)"
CLOCK = Clock(_NOW, lambda milliseconds: f"{_NOW} + INTERVAL {milliseconds} MILLISECOND")

_one_at_a_time: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""Two threads of a process share one open file, and would conflict where two processes wait for each other."""


class DuckDBLeases:
    """Leases of the warehouse at `path`, in `<its name>-leases.duckdb` beside it.

    Args:
        lock_wait: seconds to wait while another process has the file open.
    """

    def __init__(self, path: Path | str, *, lock_wait: float = 60.0) -> None:
        warehouse = Path(path).absolute()
        self.path = warehouse.with_name(f"{warehouse.stem}-leases.duckdb")
        self._lock_wait = lock_wait

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def take(self, name: str, holder: str, about: str, seconds: float) -> Lease:
        """See `LeaseStore.take`. Raises WarehouseBusy, StorageFull."""

        def run(connection: duckdb.DuckDBPyConnection) -> Lease:
            for statement in leases.take(name, holder, about, seconds, CLOCK):
                connection.execute(statement)
            row = connection.execute(leases.select(name, CLOCK)).fetchall()[0]
            of, by, told, token, *times = row
            return Lease(of, by, told, token, *(at.replace(tzinfo=UTC) for at in times))

        return await asyncio.to_thread(self._transaction, run)

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """See `LeaseStore.renew`. Raises WarehouseBusy, StorageFull."""
        statement = leases.renew(lease, seconds, CLOCK)
        return bool(await asyncio.to_thread(self._transaction, lambda connection: _changed(connection, statement)))

    async def give_back(self, lease: Lease) -> None:
        """See `LeaseStore.give_back`. Raises WarehouseBusy, StorageFull."""
        statement = leases.give_back(lease)
        await asyncio.to_thread(self._transaction, lambda connection: _changed(connection, statement))

    def _transaction(self, work: Callable[[duckdb.DuckDBPyConnection], ResultT]) -> ResultT:
        with explained(self.path), _one_at_a_time[str(self.path)], self._open() as connection:
            connection.execute("BEGIN")
            _ensure(connection)
            result = work(connection)
            connection.execute("COMMIT")
            return result

    def _open(self) -> duckdb.DuckDBPyConnection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        patience = Retrying(
            stop=stop_after_delay(self._lock_wait), wait=wait_random(0.01, 0.1), retry=retry_if_exception(is_locked),
            reraise=True,
        )  # fmt: skip
        try:
            return patience(duckdb.connect, str(self.path))
        except duckdb.Error as error:
            if is_locked(error):
                raise busy(self.path, error, self._lock_wait) from error
            raise


def _changed(connection: duckdb.DuckDBPyConnection, statement: str) -> Any:
    return connection.execute(statement).fetchall()[0][0]


def _ensure(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table and its first row. Costs nothing where they are."""
    schema, table = text(SCHEMA), text(leases.TABLE)
    if connection.execute(
        f"SELECT 1 FROM duckdb_tables() WHERE schema_name = {schema} AND table_name = {table}"  # noqa: S608 - quoted
    ).fetchall():
        return
    columns = ", ".join(f"{quoted(column)} {DUCKDB_TYPES[of]}" for column, (of, _) in leases.COLUMNS.items())
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(SCHEMA)}")
    connection.execute(f"CREATE TABLE {leases.LEASES} ({columns})")
    connection.execute(f"COMMENT ON TABLE {leases.LEASES} IS {text(leases.ABOUT)}")
    for column, (_, about) in leases.COLUMNS.items():
        connection.execute(f"COMMENT ON COLUMN {leases.LEASES}.{quoted(column)} IS {text(about)}")
    connection.execute(
        f"INSERT INTO {leases.LEASES} (name, token) VALUES ({text(leases.TOKENS)}, {number(0)})"  # noqa: S608 - quoted
    )
