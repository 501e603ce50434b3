"""Bulk API 2.0 query jobs: what is refused, and how a job goes from UploadComplete to its end.

Bulk API 2.0 and Bulk API Developer Guide, "Query Jobs"; refusals as clients in production have met them.
"""

from __future__ import annotations

import re
import secrets
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sandbox.salesforce.bulk.results import ResultSet, materialise
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.options import SalesforceOptions
from sandbox.salesforce.schema import Schema, World
from sandbox.salesforce.soql.parser import parse
from sandbox.salesforce.soql.plan import Plan, plan
from sandbox.salesforce.soql.syntax import SubQueryItem, TypeOfItem

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
_LONGEST_QUERY = 100_000


class JobState(StrEnum):
    """States of a query job."""

    UPLOAD_COMPLETE = "UploadComplete"
    IN_PROGRESS = "InProgress"
    JOB_COMPLETE = "JobComplete"
    FAILED = "Failed"
    ABORTED = "Aborted"


_ENDED = (JobState.JOB_COMPLETE, JobState.FAILED, JobState.ABORTED)


@dataclass
class Job:
    """One query job. `polls` is how often it still answers InProgress although it is done."""

    id: str
    operation: str
    plan: Plan
    api_version: float
    column_delimiter: str
    line_ending: str
    created_by: str
    created: datetime
    state: JobState = JobState.UPLOAD_COMPLETE
    error: str | None = None
    result: ResultSet | None = None
    milliseconds: int = 0
    polls: int = 0
    fail: str | None = None

    def describe(self) -> dict[str, Any]:
        """The answer to its creation."""
        stamp = self.created.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        return {
            "id": self.id,
            "operation": self.operation,
            "object": self.plan.object.name,
            "createdById": self.created_by,
            "createdDate": stamp,
            "systemModstamp": stamp,
            "state": str(self.state),
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": self.api_version,
            "lineEnding": self.line_ending,
            "columnDelimiter": self.column_delimiter,
        }

    def status(self) -> dict[str, Any]:
        """The answer to a status request."""
        progress = {
            "jobType": "V2Query",
            "numberRecordsProcessed": self.result.rows if self.result and self.state is JobState.JOB_COMPLETE else 0,
            "retries": 0,
            "totalProcessingTime": self.milliseconds,
            "isPkChunkingSupported": True,
        }
        return {**self.describe(), **progress, **({"errorMessage": self.error} if self.error else {})}


@dataclass(frozen=True)
class _Armed:
    match: re.Pattern[str]
    polls: int
    fail: str | None


@dataclass
class BulkJobs:
    """All query jobs of an org, worked on by a few threads. Safe to use from any thread.

    Attributes:
        asked: the query of every job ever made, oldest first.
    """

    world: World
    schema: Schema
    options: SalesforceOptions
    user_id: str
    created: int = 0
    result_bytes: int = 0
    asked: list[str] = field(default_factory=list[str])
    _jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    _armed: list[_Armed] = field(default_factory=list[_Armed])
    _shared: dict[tuple[object, ...], ResultSet] = field(default_factory=dict[tuple[object, ...], ResultSet])

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="mgdw-sandbox-salesforce-", ignore_cleanup_errors=True)
        self._workers = ThreadPoolExecutor(self.options.bulk_workers, thread_name_prefix="salesforce-bulk")

    def arm(self, match: str, *, polls: int = 0, fail: str | None = None) -> None:
        """Change the life of the next job whose query matches.

        Args:
            match: regular expression searched in the SOQL text, without regard to case.
            polls: stay InProgress for so many status requests after the work is done.
            fail: end as Failed with this message.
        """
        with self._lock:
            self._armed.append(_Armed(re.compile(match, re.IGNORECASE), polls, fail))

    def create(self, body: Any, api_version: float) -> dict[str, Any]:
        """Check a request, start its job and return the answer. Raises ApiError 400 for what Bulk does not take."""
        if not isinstance(body, dict):
            raise ApiError(400, "JSON_PARSER_ERROR", "The HTTP entity body is required and must be a JSON object")
        operation, soql = body.get("operation"), body.get("query")
        if operation not in ("query", "queryAll") or not isinstance(soql, str):
            raise ApiError(400, "INVALIDJOB", "operation must be query or queryAll, and query is required")
        if body.get("contentType", "CSV") != "CSV":
            raise ApiError(400, "INVALIDJOB", f"Unsupported content type: {body['contentType']}")
        delimiter, line_ending = body.get("columnDelimiter", "COMMA"), body.get("lineEnding", "LF")
        if delimiter not in DELIMITERS or line_ending not in ("LF", "CRLF"):
            raise ApiError(400, "INVALIDJOB", "columnDelimiter or lineEnding has an unknown value")
        found = self._accepted(soql, operation == "queryAll")
        with self._lock:
            if self.created >= self.options.daily_bulk_query_jobs:
                most = self.options.daily_bulk_query_jobs
                raise ApiError(400, "LIMIT_EXCEEDED", f"Max bulk v2 query jobs ({most}) per 24 hrs has been exceeded")
            if self.result_bytes >= self.options.daily_bulk_query_megabytes * 1_000_000:
                message = "Max bulk v2 query result size stored (1000000000) kb per 24 hrs has been exceeded"
                raise ApiError(400, "LIMIT_EXCEEDED", message)
            self.created += 1
            self.asked.append(soql)
            job = Job(
                f"750{secrets.token_hex(6)}AAA", operation, found, api_version, delimiter, line_ending, self.user_id,
                self.world.now,
            )  # fmt: skip
            armed = next((one for one in self._armed if one.match.search(soql)), None)
            if armed is not None:
                self._armed.remove(armed)
                job.polls, job.fail = armed.polls, armed.fail
            self._jobs[job.id] = job
            answer = job.describe()
        self._workers.submit(self._work, job)
        return answer

    def job(self, job_id: str) -> Job:
        """The job of that id. Raises 404."""
        with self._lock:
            if job_id not in self._jobs:
                raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
            return self._jobs[job_id]

    def poll(self, job_id: str) -> Job:
        """The job of that id, as a status request sees it: an armed delay is counted down."""
        job = self.job(job_id)
        with self._lock:
            if job.state is JobState.IN_PROGRESS and job.result is not None:
                job.polls -= 1
                if job.polls < 0:
                    job.state = JobState.JOB_COMPLETE
        return job

    def all(self) -> list[Job]:
        """All jobs, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def abort(self, job_id: str) -> Job:
        """Abort a job that has not ended."""
        job = self.job(job_id)
        with self._lock:
            if job.state in _ENDED:
                raise ApiError(400, "INVALIDJOBSTATE", f"Aborting already {job.state} Job not allowed")
            job.state = JobState.ABORTED
        return job

    def delete(self, job_id: str) -> None:
        """Forget a job that has ended, and its results."""
        job = self.job(job_id)
        with self._lock:
            if job.state not in _ENDED:
                raise ApiError(400, "INVALIDJOBSTATE", f"Deleting {job.state} Job not allowed")
            del self._jobs[job_id]
            if job.result is not None and not any(job.result is shared for shared in self._shared.values()):
                job.result.remove()

    def close(self) -> None:
        """Finish the work under way and remove all files."""
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._folder.cleanup()

    def _accepted(self, soql: str, include_deleted: bool) -> Plan:
        if len(soql) > _LONGEST_QUERY:
            message = f"SOQL statements cannot be longer than {_LONGEST_QUERY} characters"
            raise ApiError(400, "QUERY_TOO_COMPLICATED", message)
        query = parse(soql)
        refusals = {
            "Aggregate Relationships": any(isinstance(item, SubQueryItem) for item in query.items),
            "TYPEOF": any(isinstance(item, TypeOfItem) for item in query.items),
            "Aggregate functions and GROUP BY": query.is_aggregate,
            "OFFSET": query.offset is not None,
        }
        for what, refused in refusals.items():
            if refused:
                raise ApiError(400, "API_ERROR", f"{what} not supported in Bulk V2 Query with CSV content type")
        found = plan(soql, self.schema, include_deleted=include_deleted)
        if found.object.name in self.options.unsupported_by_bulk:
            raise ApiError(400, "INVALIDENTITY", f"Entity '{found.object.name}' is not supported by the Bulk API.")
        if any(output.field and output.field.column is None for output in found.outputs):
            raise ApiError(400, "API_ERROR", "Selecting compound data not supported in Bulk Query")
        return found

    def _work(self, job: Job) -> None:
        started = time.monotonic()
        with self._lock:
            if job.state is not JobState.UPLOAD_COMPLETE:
                return
            job.state = JobState.IN_PROGRESS
        try:
            result = None if job.fail else self._result(job)
        except Exception as error:  # noqa: BLE001 - what the database objects to is what the job's owner has to read
            job.fail = f"InternalServerError : {error}"
            result = None
        with self._lock:
            job.milliseconds = int((time.monotonic() - started) * 1000)
            if job.state is JobState.ABORTED:
                return
            if result is None:
                job.state, job.error = JobState.FAILED, job.fail
                return
            self.result_bytes += result.bytes
            job.result = result
            if job.polls <= 0:
                job.state = JobState.JOB_COMPLETE

    def _rows(self, job: Job) -> int:
        with self.world.lock:
            return int(self.world.sql(job.plan.count_sql(), list(job.plan.params)).fetchall()[0][0])

    def _result(self, job: Job) -> ResultSet | None:
        most = self.options.most_rows_in_time
        if most is not None and self._rows(job) > most:
            job.fail = "InternalServerError : Query timed out; retried more than fifteen times"
            return None
        delimiter = DELIMITERS[job.column_delimiter]
        key = (job.plan.sql(), job.plan.params, delimiter, job.line_ending, self.world.now)
        with self._lock:
            if key in self._shared:
                return self._shared[key]
        result = materialise(
            self.world,
            job.plan,
            Path(self._folder.name) / job.id,
            page_rows=self.options.bulk_page_rows,
            delimiter=delimiter,
            line_ending=job.line_ending,
        )
        if self.options.gzip_ahead:
            result.compress()
        if self.options.share_results:
            with self._lock:
                self._shared[key] = result
        return result
