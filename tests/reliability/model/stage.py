"""Where examples run: one event loop, one warehouse, one folder for lakes, for all examples of a source."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from connectors.contract import Contract, Table
from connectors.source import TableState
from tests.reliability.model.effects import Crash, Effects, WatchedLake, WatchedWarehouse

ResultT = TypeVar("ResultT")


class Inline(ThreadPoolExecutor):
    """Runs what it is given at once: thousands of short runs would mostly wait for threads to wake up."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - what the future's owner gets
            future.set_exception(error)
        return future


class Ear(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))


class Stage:
    """Opened once; `reset` makes it empty for the next example.

    Attributes:
        effects: of what runs now.
        said: texts that people may read: logs, errors.
    """

    def __init__(self, table: Table) -> None:
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(prefix="mgdw-model-", dir=memory if memory.is_dir() else None))
        self.table = table
        self.effects = Effects()
        self.ear = Ear()
        self._runner = asyncio.Runner()
        self._runner.get_loop().set_default_executor(Inline())
        self.warehouse = WatchedWarehouse(
            self.folder / "warehouse.duckdb", threads=1, loads_at_once=1,
            on_statement=lambda _: self._statement(),
        )  # fmt: skip
        self.warehouse.effects = lambda: self.effects
        self.run(self.warehouse.__aenter__())
        self.warehouse._pool = Inline()
        self.run(self.warehouse.ensure(Contract((table,))))
        self._looking = duckdb.connect(str(self.warehouse.path))
        self._looking.execute("SET TimeZone = 'UTC'")
        self._state: TableState | None = None
        self._lakes = 0
        self.reset()

    @property
    def said(self) -> list[str]:
        """Everything logged since the reset."""
        return self.ear.heard

    def reset(self) -> None:
        """Empty tables, a new lake."""
        self.effects = Effects()
        self.ear.heard.clear()
        self._lakes += 1
        self.lake = WatchedLake(self.folder / f"lake-{self._lakes}", lambda: self.effects)
        self._state = None
        for name in self.tables():
            self._looking.execute(f'DELETE FROM "STG"."{name}"')

    def clear(self) -> None:
        """Remove the lake of this example."""
        shutil.rmtree(self.lake.root, ignore_errors=True)

    def close(self) -> None:
        """Give everything back."""
        self.effects = Effects()
        self._looking.close()
        self.run(self.warehouse.__aexit__(None, None, None))
        self._runner.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run to the end; a crash leaves nothing running."""

        async def alone() -> ResultT:
            try:
                return await work
            finally:
                left = asyncio.all_tasks() - {asyncio.current_task()}
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)

        self._state = None
        logger = logging.getLogger()
        level, others = logger.level, logger.handlers[:]
        # Alone: what else listens keeps every record of thousands of examples.
        logger.handlers[:] = [self.ear]
        logger.setLevel(logging.DEBUG)
        try:
            return self._runner.run(alone())
        finally:
            logger.handlers[:] = others
            logger.setLevel(level)

    def read(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query, on a connection that stays open."""
        found = self._looking.execute(sql)
        columns = [column[0] for column in found.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    def tables(self) -> list[str]:
        """The tables of STG."""
        found = self.read("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'STG'")
        return [row["table_name"] for row in found]

    def batches(self) -> list[str]:
        """The ledger's batches."""
        return [row["batch_id"] for row in self.read('SELECT batch_id FROM "STG"."_ledger"')]

    def state(self) -> TableState:
        """What the warehouse knows of the table; asked once after each run."""
        if self._state is None:
            self._state = self.run(self.warehouse.state(self.table))
        return self._state

    def stored(self) -> dict[Any, dict[str, Any]]:
        """STG's rows by key. Raises AssertionError when a key is there twice."""
        rows = self.read(f'SELECT * FROM "STG"."{self.table.name}"')
        key = self.table.primary_key[0]
        found = {row[key]: row for row in rows}
        assert len(found) == len(rows), f"a key is stored twice: {rows}"
        return found

    def _statement(self) -> None:
        self.effects.before()


__all__ = ["Crash", "Stage"]
