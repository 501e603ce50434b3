"""The warehouse in BigQuery: a dataset of STG tables, loaded by jobs that run once."""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py and googlesql.py
from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from google.cloud import bigquery

from connectors.batch import Manifest
from connectors.contract import Contract, Table
from connectors.drift import KnownField, SchemaChange
from connectors.errors import InternalError
from connectors.google import GoogleAccess
from connectors.lake import Lake
from connectors.source import TableState
from connectors.warehouse import LoadResult, QuarantinedRow, QuarantineGroup, ledger, now_utc, quarantine
from connectors.warehouse.bigquery.errors import explained
from connectors.warehouse.bigquery.export import Export
from connectors.warehouse.bigquery.googlesql import spoken
from connectors.warehouse.bigquery.jobs import Jobs, Stopped
from connectors.warehouse.bigquery.load import Engine, Load
from connectors.warehouse.bigquery.schema import Schema
from connectors.warehouse.bigquery.work import Work
from connectors.warehouse.ddl import SCHEMA
from connectors.warehouse.limits import Limits
from connectors.warehouse.sql import text
from connectors.window import Window

ResultT = TypeVar("ResultT")
_log = logging.getLogger(__name__)


class BigQueryWarehouse:
    """STG in one dataset of a project; ODS and EDW are datasets beside it, which dbt makes.

    Args:
        google: project, location of datasets and jobs, credentials.
        dataset: in the place of STG.
        bucket, prefix: of the lake in Cloud Storage, through which files go to and from BigQuery (`work/…`); with None
            they are sent with the requests.
        limits: when a batch is too bad to be believed.
        engine: the DuckDB that reads batches before they are loaded.
        maximum_bytes_billed: cap of every query, in bytes; BigQuery refuses what would bill more.
        patience: seconds that a request is repeated while Google gives no answer.
        loads_at_once: tables loaded side by side.
        on_statement: called with each statement before it is sent; what it raises ends the work.
    """

    def __init__(
        self,
        google: GoogleAccess,
        *,
        dataset: str = SCHEMA,
        bucket: str | None = None,
        prefix: str = "",
        limits: Limits = Limits(),  # noqa: B008 - frozen
        engine: Engine = Engine(),  # noqa: B008 - frozen
        maximum_bytes_billed: int = 1 << 40,
        patience: float = 120.0,
        loads_at_once: int = 4,
        on_statement: Callable[[str], None] | None = None,
    ) -> None:
        self.dataset = dataset
        self._google = google
        self._work = Work(google, bucket, prefix)
        self._limits = limits
        self._engine = engine
        self._maximum_bytes_billed = maximum_bytes_billed
        self._patience = patience
        self._loads_at_once = loads_at_once
        self._on_statement = on_statement
        self._jobs: Jobs | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._costs: dict[str, tuple[int, int]] = {}
        self._created: int | None = None

    async def __aenter__(self) -> Self:
        """Make the client; nothing is asked yet. Raises ConfigurationError without credentials."""

        def open_client() -> Jobs:
            with explained(f"the project {self._google.project}"):
                return Jobs(
                    self._google, maximum_bytes_billed=self._maximum_bytes_billed, patience=self._patience,
                    on_statement=self._on_statement,
                )  # fmt: skip

        self._jobs = await asyncio.to_thread(open_client)
        self._pool = ThreadPoolExecutor(self._loads_at_once, thread_name_prefix="warehouse")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._pool is not None
        assert self._jobs is not None
        if error is None:
            await self._write_costs()
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self._jobs.client.close)
        self._jobs = self._pool = None

    async def ensure(self, contract: Contract) -> list[str]:
        """Create what is missing; see `Warehouse.ensure`. Raises TypeChanged, ConfigurationError."""
        return await self._in_thread(self._what(), lambda jobs, _: Schema(jobs, self.dataset).ensure(contract))

    async def state(self, table: Table, origin: str | None = None) -> TableState:
        """What the ledger holds for the table; see `Warehouse.state`. One query."""
        windows, files = ledger.select_windows(table, origin), ledger.select_files(table)
        fields = ledger.select_fields(table)
        arrays = {
            "windows": f"window_lo, window_hi FROM ({windows})",
            "files": f"bucket, key, version FROM ({files})",
            "fields": f"field, source_type, gone FROM ({fields})",
        }
        sql = self._say("SELECT " + ", ".join(f"ARRAY(SELECT AS STRUCT {of}) AS {n}" for n, of in arrays.items()))

        def read(jobs: Jobs, _: threading.Event) -> TableState:
            found = jobs.select(sql, {"table": table.name, "step": "state"})[0]
            windows = [Window(w["window_lo"], w["window_hi"]) for w in found["windows"]]
            windows.sort(key=lambda w: (w.hi, w.lo is not None, w.lo))
            return TableState(
                tuple(windows),
                frozenset((f["bucket"], f["key"], f["version"]) for f in found["files"]),
                {f["field"]: KnownField(f["source_type"], f["gone"]) for f in found["fields"]},
            )

        return await self._in_thread(self._what(table.name), read)

    async def remember(self, changes: Sequence[SchemaChange]) -> None:
        """Keep what was seen of the source's schema; see `Warehouse.remember`."""
        at = now_utc()
        statements = [s for change in changes for s in ledger.remember_fields(change.table, change.fields, at=at)]
        if statements:
            await self._in_thread(self._what(), lambda jobs, _: self._transaction(jobs, statements))

    async def load(
        self, table: Table, manifest: Manifest, lake: Lake, *, run_id: str, again: bool = False
    ) -> LoadResult:
        """Load one batch in one transaction; see `Warehouse.load`."""

        def run(jobs: Jobs, stop: threading.Event) -> LoadResult:
            return Load(
                table, manifest, lake, run_id, jobs, self.dataset, self._ledger_created(jobs), self._work,
                self._limits, self._engine, again, stop,
            ).execute()  # fmt: skip

        result = await self._in_thread(self._what(table.name), run)
        if not result.skipped:
            billed, slot_ms = self._costs.get(manifest.batch_id, (0, 0))
            self._costs[manifest.batch_id] = (billed + result.bytes_billed, slot_ms + result.slot_ms)
        return result

    async def quarantined(self, table: str | None = None) -> list[QuarantineGroup]:
        """What is in quarantine; see `Warehouse.quarantined`."""
        rows = await self._select(quarantine.select_groups(table), "quarantine")
        return [QuarantineGroup(*row.values()) for row in rows]

    async def quarantined_rows(self, table: str, limit: int = 20) -> list[QuarantinedRow]:
        """Rows of one table in quarantine; see `Warehouse.quarantined_rows`."""
        rows = await self._select(quarantine.select_rows(table, limit), "quarantine")
        return [QuarantinedRow(*row.values()) for row in rows]

    async def drop_quarantined(self, table: str, batch_id: str | None = None, reason: str | None = None) -> int:
        """Take rows out of quarantine for good; see `Warehouse.drop_quarantined`."""
        statements = quarantine.drop(table, batch_id, reason, at=now_utc())
        return await self._in_thread(self._what(table), lambda jobs, _: self._transaction(jobs, statements))

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """The result of a small read-only query, in GoogleSQL."""

        def read(jobs: Jobs, _: threading.Event) -> list[dict[str, Any]]:
            return [{k: _plain(v) for k, v in row.items()} for row in jobs.select(sql, {"step": "rows"})]

        return await self._in_thread("a query", read)

    async def export_parquet(self, relation: str, path: Path) -> int:
        """Write `schema.table` to one Parquet file, which appears whole; returns its rows."""
        dataset, table = relation.split(".")
        source = f"{self.dataset if dataset == SCHEMA else dataset}.{table}"
        return await self._in_thread(
            relation, lambda jobs, stop: Export(jobs, self._work, self._engine, stop).write(source, path)
        )

    async def _select(self, sql: str, step: str) -> list[bigquery.Row]:
        return await self._in_thread(self._what(), lambda jobs, _: jobs.select(self._say(sql), {"step": step}))

    def _transaction(self, jobs: Jobs, statements: Sequence[str]) -> int:
        """Run the statements, all or none; returns how many rows the last one changed."""
        said = [self._say(statement) for statement in statements]
        script = ";\n".join(
            ["DECLARE changed INT64", "BEGIN TRANSACTION", *said, "SET changed = @@row_count", "COMMIT TRANSACTION",
             "SELECT changed"]
        )  # fmt: skip
        return jobs.transaction(script, {"step": "ledger"})[0]["changed"]

    async def _write_costs(self) -> None:
        """What the loads of this session cost, into the ledger: known only when their transactions have ended."""
        costs, self._costs = self._costs, {}
        if not costs:
            return
        values = " UNION ALL ".join(
            f"SELECT {text(batch)} AS batch_id, {billed} AS billed, {slot_ms} AS slot_ms"
            for batch, (billed, slot_ms) in costs.items()
        )
        update = (
            f"UPDATE {ledger.LEDGER} AS b SET bytes_billed = coalesce(b.bytes_billed, 0) + c.billed, "
            f"slot_ms = coalesce(b.slot_ms, 0) + c.slot_ms FROM ({values}) c WHERE b.batch_id = c.batch_id"
        )
        try:
            await self._in_thread(self._what(), lambda jobs, _: self._transaction(jobs, [update]))
        except Exception as error:  # noqa: BLE001 - rows are loaded; what they cost is not worth a failure
            _log.warning("the cost of %d loads was not written to the ledger: %s", len(costs), error)

    def _ledger_created(self, jobs: Jobs) -> int:
        if self._created is None:
            ledger_table = jobs.client.get_table(f"{self._google.project}.{self.dataset}._ledger", **jobs.options)
            self._created = int(ledger_table.created.timestamp() * 1000) if ledger_table.created else 0
        return self._created

    async def _in_thread(self, what: str, work: Callable[[Jobs, threading.Event], ResultT]) -> ResultT:
        """Run in a thread. When the caller is cancelled the job is cancelled too, and its transaction rolled back,
        before this returns."""
        if self._jobs is None or self._pool is None:
            raise InternalError("the warehouse is not open: use it as `async with`")
        jobs, stop = self._jobs, threading.Event()

        def run() -> ResultT:
            with explained(what):
                return work(jobs, stop)

        future = asyncio.get_running_loop().run_in_executor(self._pool, run)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            stop.set()
            with contextlib.suppress(Stopped, Exception):
                await asyncio.wait([future])
            if not future.cancelled():
                future.exception()  # the caller asked to stop: how the work ended is of no interest
            raise

    def _what(self, table: str | None = None) -> str:
        return f"{self.dataset}.{table}" if table else f"the dataset {self.dataset}"

    def _say(self, sql: str) -> str:
        return spoken(sql, dataset=self.dataset)


def _plain(value: Any) -> Any:
    """Instants as DuckDB gives them: naive, UTC."""
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


__all__ = ["BigQueryWarehouse", "Engine"]
