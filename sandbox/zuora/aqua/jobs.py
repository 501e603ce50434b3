"""AQuA jobs: submitted, executing, completed, or ended badly."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sandbox.zuora.aqua.request import JobRequest, QueryRequest
from sandbox.zuora.aqua.results import Results, ResultWriter, packed
from sandbox.zuora.errors import AquaError, QueryError
from sandbox.zuora.options import ZuoraOptions
from sandbox.zuora.schema import Schema, World
from sandbox.zuora.zoql import Dialect, Plan, Query, parse, translate

Status = Literal["submitted", "executing", "completed", "error", "failed", "cancelled"]
_QUOTED = 700
_ENDED = ("completed", "error", "failed", "cancelled")


@dataclass
class Batch:
    """One query of a job and what became of it."""

    request: QueryRequest
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: str = "submitted"
    files: tuple[str, ...] = ()
    rows: int | None = None
    message: str | None = None

    def answer(self) -> dict[str, Any]:
        """The batch as the job's answer shows it; `segments` in place of `fileId` when there are several files."""
        body: dict[str, Any] = {
            "full": True,
            "name": self.request.name,
            "query": self.request.query,
            "status": self.status,
            "batchId": self.id,
            "batchType": self.request.type,
            "apiVersion": self.request.api_version,
            "recordCount": self.rows,
            "message": self.message,
        }
        if self.request.deleted:
            body["deleted"] = {"column": self.request.deleted.column, "format": self.request.deleted.format}
        if len(self.files) > 1:
            body["segments"] = list(self.files)
        elif self.files:
            body["fileId"] = self.files[0]
        return {name: value for name, value in body.items() if value is not None}


@dataclass
class Job:
    """One job."""

    request: JobRequest
    batches: list[Batch]
    started: str
    polls_left: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: Status = "submitted"
    error: AquaError | None = None
    change: Callable[[str, bytes], bytes] | None = None

    @property
    def is_under_way(self) -> bool:
        """True while it counts among the jobs that may run at once."""
        return self.status not in _ENDED or (self.polls_left > 0 and self.status != "cancelled")

    def answer(self, *, hold: bool = False) -> dict[str, Any]:
        """The job as GET shows it. `hold` shows an ended job as one that still runs."""
        batches = [batch.answer() for batch in self.batches]
        if hold:
            kept = ("full", "name", "query", "batchId", "batchType", "apiVersion", "deleted")
            batches = [{name: b[name] for name in kept if name in b} | {"status": "executing"} for b in batches]
        body: dict[str, Any] = {
            "id": self.id,
            "name": self.request.name,
            "version": self.request.version,
            "format": self.request.format,
            "encrypted": "none",
            "status": "executing" if hold else self.status,
            "batches": batches,
            "startTime": self.started,
            "offset": 0,
            "sourceData": "LIVE",
            "useLastCompletedJobQueries": False,
        }
        if self.error and not hold:
            body |= {"errorCode": str(self.error.code), "message": self.error.message}
        return body


class AquaJobs:
    """The tenant's jobs. Safe to use from any thread.

    Args:
        folder: where result files are kept.
        schema: the objects the user sees now.
    """

    def __init__(self, world: World, options: ZuoraOptions, folder: Path, schema: Callable[[], Schema]) -> None:
        self._world = world
        self._options = options
        self._folder = folder
        self._schema = schema
        self._jobs: dict[str, Job] = {}
        self._files: dict[str, Path] = {}
        self._failures: list[tuple[Status, int]] = []
        self._changes: list[Callable[[str, bytes], bytes]] = []
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="zuora-aqua")

    def fail_next(self, status: Literal["error", "failed"] = "error", code: int = 90007) -> None:
        """Make the next job end badly once it runs."""
        with self._lock:
            self._failures.append((status, code))

    def spoil_next(self, change: Callable[[str, bytes], bytes]) -> None:
        """Let `change` have its way with the CSV files of the next job, by the name of the query."""
        with self._lock:
            self._changes.append(change)

    def forget_files(self) -> None:
        """Let every result file expire, as Zuora does after some days."""
        with self._lock:
            for job in self._jobs.values():
                for batch in job.batches:
                    for file_id in batch.files:
                        self._files.pop(file_id).unlink(missing_ok=True)
                    batch.files = ()

    def submit(self, request: JobRequest) -> dict[str, Any]:
        """Take a job and start it; the answer shows it as submitted.

        Raises:
            AquaError: the user may not use AQuA, or a query is not acceptable.
        """
        if not self._options.aqua_allowed:
            raise AquaError(90009)
        with self._lock:
            if sum(job.is_under_way for job in self._jobs.values()) >= self._options.jobs_at_once:
                raise AquaError(90018)
        if not self._options.stateless_deletes and any(query.deleted for query in request.queries):
            raise AquaError(90012)
        schema = self._schema()
        batches: list[Batch] = []
        for query in request.queries:
            parsed = _parsed(query)
            if schema.is_hidden(parsed.object):
                continue
            if self._options.judged == "on submission":
                self._plan(parsed, query, schema)
                if query.deleted and parsed.object in self._options.undeletable:
                    raise AquaError(90017, parsed.object)
            batches.append(Batch(query))
        job = Job(request, batches, f"{self._world.now:%Y-%m-%dT%H:%M:%S+0000}", self._options.polls_until_done)
        answer = job.answer()
        with self._lock:
            self._jobs[job.id] = job
            failure = self._failures.pop(0) if self._failures else None
            job.change = self._changes.pop(0) if self._changes else None
        self._workers.submit(self._run, job, failure)
        return answer

    def show(self, job_id: str) -> dict[str, Any]:
        """The job as it is now. Raises AquaError for an unknown id."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                raise AquaError(90002)
            hold = job.polls_left > 0 and job.status in ("completed", "error", "failed")
            job.polls_left -= 1
            return job.answer(hold=hold)

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Stop a job that has not ended. Raises AquaError for an unknown id or an ended job."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or (job.status in _ENDED and job.polls_left <= 0):
                raise AquaError(90003)
            job.status = "cancelled"
            job.polls_left = 0
            for batch in job.batches:
                batch.status = "cancelled"
                self._forget_files(batch)
            return job.answer()

    def file(self, file_id: str) -> Path | None:
        """The result file of that id, or None."""
        with self._lock:
            return self._files.get(file_id)

    def close(self) -> None:
        """Wait for running jobs and stop."""
        self._workers.shutdown(cancel_futures=True)

    def _plan(self, parsed: Query, query: QueryRequest, schema: Schema) -> Plan:
        dialect = Dialect(schema, ZoneInfo(self._options.time_zone))
        try:
            return translate(parsed, dialect, self._world, with_deleted=query.deleted is not None)
        except QueryError as error:
            raise _unreadable(query, error) from None

    def _run(self, job: Job, failure: tuple[Status, int] | None) -> None:
        with self._lock:
            if job.status != "submitted":
                return
            job.status = "executing"
            for batch in job.batches:
                batch.status = "executing"
        try:
            if failure:
                raise AquaError(failure[1])
            # One lock for all queries: a job reads one consistent state of all objects.
            with self._world.lock:
                results = [(batch, self._execute(job, batch)) for batch in job.batches]
            for batch, result in results:
                if result:
                    self._finish(job, batch, result)
        except Exception as error:  # noqa: BLE001 - a job that does not end would be asked for for ever
            with self._lock:
                job.error = error if isinstance(error, AquaError) else AquaError(90010, type(error).__name__)
                job.status = failure[0] if failure else "error"
                for batch in job.batches:
                    batch.status, batch.message = "aborted", job.error.message
                    self._forget_files(batch)
            return
        with self._lock:
            if job.status == "executing":
                job.status = "completed" if all(b.status == "completed" for b in job.batches) else "error"
            else:
                for batch in job.batches:
                    self._forget_files(batch)

    def _execute(self, job: Job, batch: Batch) -> Results | None:
        """The results of one query; None if it cannot be run, which its status then says."""
        try:
            plan = self._plan(_parsed(batch.request), batch.request, self._schema())
        except AquaError as error:
            if self._options.judged == "on submission":
                raise
            batch.status, batch.message = "aborted", error.message
            return None
        if batch.request.deleted and plan.object.name in self._options.undeletable:
            batch.status = "deleted_notallowed"
            return None
        writer = ResultWriter(self._world, job.request, self._options)
        results = writer.write(plan, batch.request.deleted, self._folder / batch.id)
        if job.change:
            for path in results.paths:
                path.write_bytes(job.change(batch.request.name, path.read_bytes()))
        return results

    def _finish(self, job: Job, batch: Batch, results: Results) -> None:
        paths = [packed(path, job.request.format) for path in results.paths]
        ids = tuple(uuid.uuid4().hex for _ in paths)
        with self._lock:
            self._files.update(zip(ids, paths, strict=True))
            batch.files, batch.rows = ids, results.rows
            batch.status = "completed" if job.status == "executing" else job.status

    def _forget_files(self, batch: Batch) -> None:
        for file_id in batch.files:
            self._files.pop(file_id).unlink(missing_ok=True)
        batch.files, batch.rows = (), None


def _parsed(query: QueryRequest) -> Query:
    try:
        return parse(query.query)
    except QueryError as error:
        raise _unreadable(query, error) from None


def _unreadable(query: QueryRequest, error: QueryError) -> AquaError:
    """The message as seen in guardian/support-service-lambdas#1932; it breaks off in a long query."""
    return AquaError(90005, f"(Error = {str(error).rstrip('.')}, Query = {query.query[:_QUOTED]})")
