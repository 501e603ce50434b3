"""One batch into one BigQuery table: read by DuckDB, loaded as Parquet, merged by one script.

A batch costs two jobs (one, when it holds nothing at all): the load job into a batch table, and the script. Before
them one query reads the ledger, so that what is loaded already is skipped without reading it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from google.api_core import exceptions as google
from google.cloud import bigquery

from connectors.batch import Manifest
from connectors.contract import Table
from connectors.errors import UnreadableFile, WarehouseBusy
from connectors.lake import Lake
from connectors.warehouse import LoadResult, ledger, now_utc
from connectors.warehouse.bigquery import staged as staging
from connectors.warehouse.bigquery.errors import reasons
from connectors.warehouse.bigquery.googlesql import spoken
from connectors.warehouse.bigquery.jobs import Jobs, Ran, Stopped, label
from connectors.warehouse.bigquery.script import GONE_BY, LEDGER_CHANGED, MASS_DELETION, Script
from connectors.warehouse.bigquery.staged import Staged
from connectors.warehouse.bigquery.work import Work
from connectors.warehouse.ledger import observed_at
from connectors.warehouse.limits import Limits, mass_deletion
from connectors.warehouse.merge import Merge
from connectors.warehouse.reading import Reading
from connectors.warehouse.sql import text

BATCH_TABLE_LIFE = timedelta(hours=24)
"""After that BigQuery removes the table of a batch whose load was never finished."""
_LEDGER_READS = 5


@dataclass(frozen=True)
class Engine:
    """The DuckDB that reads batches: memory as DuckDB writes it (`400MB`), threads (None: one per core)."""

    memory_limit: str = "400MB"
    threads: int | None = None


@dataclass
class Load:
    """One load.

    Args:
        created: when the ledger was made (epoch milliseconds): a dataset that was dropped and made anew is another
            target, in which nothing was loaded.
        stop: set when the caller is cancelled.
    """

    table: Table
    manifest: Manifest
    lake: Lake
    run_id: str
    jobs: Jobs
    dataset: str
    created: int
    work: Work
    limits: Limits
    engine: Engine
    again: bool
    stop: threading.Event
    owner: str = field(default_factory=lambda: secrets.token_hex(8))

    def execute(self) -> LoadResult:
        """Load the batch, or find that the ledger has it.

        Raises CountMismatch, UnreadableFile, TooManyMisfits, MassDeletion, WarehouseBusy, Stopped, and what Google's
        clients raise.
        """
        manifest = self.manifest
        empty = LoadResult(
            self.table.name, manifest.batch_id, manifest.window, files=len(manifest.files), bytes=manifest.bytes
        )
        started = time.monotonic()
        for _ in range(_LEDGER_READS):
            loads = self._loads()
            if loads and not self.again:
                return replace(empty, skipped=True)
            with self._staged(loads) as (path, staged, merge):
                result = self._merge(empty, path, staged, merge, loads)
            if result is not None:
                return replace(result, seconds=time.monotonic() - started)
        raise WarehouseBusy(
            f"{self.table.name}: another program loads the same batch again and again",
            remedy="Run again when the other run has ended.", table=self.table.name,
        )  # fmt: skip

    def _loads(self) -> int:
        """How often the batch was loaded: 0, or 1 and its replays."""
        batch = f"batch_id = {text(self.manifest.batch_id)}"
        sql = f"SELECT coalesce(max(1 + coalesce(replays, 0)), 0) AS loads FROM {ledger.LEDGER} WHERE {batch}"  # noqa: S608 - quoted
        return self.jobs.select(spoken(sql, dataset=self.dataset), self._labels("ledger"))[0]["loads"]

    @contextlib.contextmanager
    def _staged(self, loads: int) -> Generator[tuple[Path, Staged, Merge]]:
        """The batch as one Parquet file, for the time of the block."""
        manifest, at = self.manifest, now_utc()
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mgdw-batch-")))
            paths = stack.enter_context(self.lake.local(manifest, manifest.parts))
            engine = stack.enter_context(self._engine(folder))

            def run(sql: str) -> list[tuple[object, ...]]:
                if self.stop.is_set():
                    raise Stopped
                return engine.execute(sql).fetchall()

            reading = Reading(self.table, manifest, paths, run, self.limits, loads > 0)
            path = folder / "batch.parquet"
            staged = staging.stage(reading, path, observed=observed_at(manifest), at=at)
            engine.close()
            merge = Merge(
                self.table, manifest, staged.columns, staged.lacks, kept={}, gone_by=GONE_BY, loaded_at=at
            )  # fmt: skip
            yield path, staged, merge

    @contextlib.contextmanager
    def _engine(self, folder: Path) -> Generator[duckdb.DuckDBPyConnection]:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self.engine.memory_limit, "temp_directory": str(folder / "spilled"),
        }  # fmt: skip
        if self.engine.threads:
            config["threads"] = self.engine.threads
        with duckdb.connect(config=config) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
            yield connection

    def _merge(self, result: LoadResult, path: Path, staged: Staged, merge: Merge, loads: int) -> LoadResult | None:
        """Load the file and run the script; None when the ledger is not as it was read."""
        identity = self._identity(staged, loads)
        loaded = self._load_job(path, identity) if staged.lines else None
        source = f"{self.dataset}.{self._batch_table(identity)}" if loaded else None
        result = replace(result, read=staged.read, quarantined=staged.misfits)
        script = Script(
            merge, staged, self.dataset, source, self.limits, bool(loads), self.run_id, result
        ).text()  # fmt: skip
        try:
            ran = self._script_job(script, identity, loads)
        except google.GoogleAPICallError as error:
            if LEDGER_CHANGED in str(error):
                return None
            if found := MASS_DELETION.search(str(error)):
                raise mass_deletion(self.manifest, int(found["buried"]), int(found["living"])) from error
            raise
        if source:
            self._drop(source)
        if not ran.is_own and not loads:
            return replace(result, read=0, quarantined=0, skipped=True)
        counts = dict(self.jobs.rows(ran.job)[0].items())
        jobs = [ran.job, *([loaded] if loaded else [])]
        return replace(
            result, inserted=counts["inserted"], updated=counts["updated"], unchanged=counts["unchanged"],
            stale=counts["stale"] + staged.outdone, deleted=counts["deleted"] + counts["buried"],
            missing=counts["missing"],
            bytes_billed=sum(getattr(job, "total_bytes_billed", None) or 0 for job in jobs),
            slot_ms=sum(getattr(job, "slot_millis", None) or 0 for job in jobs),
        )  # fmt: skip

    def _identity(self, staged: Staged, loads: int) -> str:
        """What is loaded where, how often it was loaded, and what is in it; never an attempt."""
        target = f"{self.jobs.client.project}.{self.dataset}.{self.table.name}@{self.created}"
        columns = [f"{c.name} {c.type} {c.field}" for c in self.table.columns]
        facts = [self.manifest.to_json(), target, str(loads), staged.content, str(self.limits), *columns]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]

    def _batch_table(self, identity: str) -> str:
        return f"_batch_{identity}"

    def _load_job(self, path: Path, identity: str) -> bigquery.LoadJob:
        """The file in the batch table."""
        target = bigquery.Table(
            f"{self.jobs.client.project}.{self.dataset}.{self._batch_table(identity)}",
            schema=[bigquery.SchemaField(c, str(of)) for c, of in staging.schema(self.table).items()],
        )
        target.expires = datetime.now(UTC) + BATCH_TABLE_LIFE
        target.labels = {"app": "mgdw", "table": label(self.table.name)}
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET, schema=target.schema,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER, labels=self._labels("stage"),
        )  # fmt: skip

        def begin(job_id: str) -> bigquery.LoadJob:
            self.jobs.client.create_table(target, exists_ok=True, **self.jobs.options)
            return self.work.load(
                self.jobs, path=path, target=target.reference, job_id=job_id, config=config,
                name=f"{self.manifest.batch_id}/{target.table_id}.parquet",
            )  # fmt: skip

        def is_done(job: bigquery.LoadJob) -> bool:
            """The table may have expired, or been dropped by the load that used it."""
            try:
                found = self.jobs.client.get_table(target.reference, **self.jobs.options)
            except google.NotFound:
                return False
            return found.num_rows == job.output_rows

        identity = f"mgdw-stage-{self.table.name}-{identity}"
        try:
            return self.jobs.settle(identity, begin, is_done=is_done, owner=self.owner, stop=self.stop).job
        except google.BadRequest as error:
            if "invalid" not in reasons(error):
                raise
            first = re.sub(r"\s+", " ", error.message or "")[:500]
            raise UnreadableFile(
                f"{self.table.name}: BigQuery refused the rows of the batch: {first}",
                remedy="Nothing was loaded. A value is out of what BigQuery can store: correct the column's type in "
                f"the contract, or look at the batch in the lake ({self.manifest.prefix}).",
                table=self.table.name, part=self.manifest.prefix,
            ) from error  # fmt: skip

    def _script_job(self, script: str, identity: str, loads: int) -> Ran[bigquery.QueryJob]:
        config = self.jobs.config(self._labels("merge"))

        def begin(job_id: str) -> bigquery.QueryJob:
            self.jobs.watch(script)
            return self.jobs.client.query(
                script, job_id=job_id, job_config=config, location=self.jobs.location, job_retry=None,
                **self.jobs.options,
            )  # fmt: skip

        identity = f"mgdw-merge-{self.table.name}-{identity}"
        return self.jobs.settle(
            identity, begin, is_done=lambda _: self._loads() > loads, owner=self.owner, stop=self.stop
        )

    def _drop(self, table: str) -> None:
        """Nobody needs the batch table any more; when this fails it expires."""
        with contextlib.suppress(google.GoogleAPIError, OSError):
            self.jobs.client.delete_table(table, not_found_ok=True, **self.jobs.options)

    def _labels(self, step: str) -> dict[str, str]:
        found = {"app": "mgdw", "step": step, "table": self.table.name, "run": self.run_id, "owner": self.owner}
        return {k: label(v) for k, v in found.items() if v}
