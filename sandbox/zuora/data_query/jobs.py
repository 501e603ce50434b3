"""Data query jobs: accepted, in progress, completed with a file, or failed with a message."""

from __future__ import annotations

import gzip
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.zuora.data_query.translate import translate
from sandbox.zuora.errors import ApiError, QueryError
from sandbox.zuora.options import ZuoraOptions
from sandbox.zuora.schema import Schema, World
from sandbox.zuora.zoql.literals import quoted

_ENDED = ("completed", "failed", "cancelled")


@dataclass
class DataQueryJob:
    """One job. `key` is the last part of its file's address, `signature` proves the right to fetch it."""

    query: str
    compression: str
    polls_left: int
    only_deleted: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    signature: str = field(default_factory=lambda: secrets.token_hex(32))
    status: str = "accepted"
    path: Path | None = None
    rows: int = 0
    error: str | None = None

    def answer(self, files_url: str) -> dict[str, Any]:
        """The job as POST and GET show it."""
        body: dict[str, Any] = {
            "id": self.id,
            "query": self.query,
            "queryStatus": self.status,
            "remainingRetries": 3,
            "retries": 3,
            "useIndexJoin": False,
            "sourceData": "LIVE",
        }
        if self.status == "completed":
            query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Signature={self.signature}"
            body |= {"dataFile": f"{files_url}/{self.key}?{query}", "outputRows": self.rows, "processingTime": 1}
        if self.error:
            body["errorMessage"] = self.error
        return {"data": body}


class DataQueryJobs:
    """The tenant's data queries. A query runs when its job is taken; safe to use from any thread."""

    def __init__(self, world: World, options: ZuoraOptions, folder: Path, schema: Callable[[], Schema]) -> None:
        self._world = world
        self._options = options
        self._folder = folder
        self._schema = schema
        self._jobs: dict[str, DataQueryJob] = {}
        self._lock = threading.Lock()

    def submit(self, body: Mapping[str, Any]) -> DataQueryJob:
        """Take a job. Raises ApiError: the user may not, too many run, or the body is not right."""
        if not self._options.data_query_allowed:
            raise ApiError(403, 60000010, "You do not have permission to use Data Query.")
        form, compression = body.get("outputFormat", "JSON"), str(body.get("compression", "NONE"))
        if form != "CSV" or compression not in ("NONE", "GZIP") or not isinstance(body.get("query"), str):
            raise ApiError(400, 60000020, "This tenant serves outputFormat CSV with compression NONE or GZIP.")
        job = DataQueryJob(
            body["query"], compression, self._options.polls_until_done, only_deleted=bool(body.get("readDeleted"))
        )
        with self._lock:
            if sum(known.status not in _ENDED for known in self._jobs.values()) >= self._options.data_queries_at_once:
                raise ApiError(429, 60000070, "Too many data queries are in progress.", {"Retry-After": "1"})
            self._jobs[job.id] = job
        return job

    def show(self, job_id: str) -> DataQueryJob:
        """The job, run when it is due. Raises ApiError for an unknown id."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                raise ApiError(404, 60000040, "The query job does not exist.")
            if job.status in _ENDED:
                return job
            job.status, job.polls_left = "in_progress", job.polls_left - 1
            if job.polls_left < 0:
                self._run(job)
            return job

    def cancel(self, job_id: str) -> DataQueryJob:
        """Stop a job that has not ended. Raises ApiError for an unknown id."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                raise ApiError(404, 60000040, "The query job does not exist.")
            if job.status not in _ENDED:
                job.status = "cancelled"
            return job

    def file(self, key: str, signature: str) -> Path | None:
        """The file at a presigned address, or None when the signature is not right or the address has expired."""
        with self._lock:
            return next((j.path for j in self._jobs.values() if j.key == key and j.signature == signature), None)

    def forget_files(self) -> None:
        """Let every presigned address expire."""
        with self._lock:
            for job in self._jobs.values():
                job.path = None

    def _run(self, job: DataQueryJob) -> None:
        plain = self._folder / f"{job.key}.csv"
        try:
            with self._world.lock:
                zone = self._options.time_zone
                select = translate(job.query, self._schema(), self._world, zone, only_deleted=job.only_deleted)
                copied = self._world.sql(f"COPY ({select}) TO {quoted(str(plain))} (FORMAT csv, HEADER true)")
                job.rows = int(copied.fetchall()[0][0])
        except QueryError as error:
            job.status, job.error = "failed", str(error)
            return
        job.path = plain
        if job.compression == "GZIP":
            job.path = plain.with_suffix(".csv.gz")
            job.path.write_bytes(gzip.compress(plain.read_bytes(), 1))
        job.status = "completed"
