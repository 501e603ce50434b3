"""AQuA jobs: many queries in one read-only transaction, results as files (Zuora docs, "AQuA API").

Jobs are stateless: no partner and project are named, Zuora remembers nothing, our windows are our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from connectors.errors import MgdwError, PermissionMissing, UnknownField, UnreadableFile, WorkFailed
from connectors.http import HttpSession
from connectors.zuora.classify import aqua_problem
from connectors.zuora.settings import ZuoraSettings

MOST_QUERIES = 50
NULL_TEXT = "\\N"
DELETED_COLUMN = "Deleted"
_RUNNING = {"submitted", "executing", "pending"}


@dataclass(frozen=True)
class Query:
    """One query of a job; `name` is unique in it."""

    name: str
    zoql: str


@dataclass(frozen=True)
class QueryResult:
    """What one query left: files in order, and how many rows Zuora says they hold together."""

    files: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class JobResult:
    """One finished job: what each query gave, or why it gave nothing."""

    job_id: str
    results: dict[str, QueryResult]
    failures: dict[str, MgdwError]


class Aqua:
    """Runs jobs.

    Args:
        session: logged in.
        settings: for the polling.
    """

    def __init__(self, session: HttpSession, settings: ZuoraSettings) -> None:
        self._session = session
        self._settings = settings

    async def run(self, queries: Sequence[Query], *, with_deletes: bool) -> JobResult:
        """Run up to 50 queries in one job and wait for it. The job is cancelled if we are.

        Raises:
            DeletesUnsupported: the tenant does not show deleted rows in such a job.
            UnknownField: Zuora cannot read one of the queries, and does not say which.
            PermissionMissing, RateLimited, SourceUnavailable: the job was not taken.
            WorkFailed: it was not taken for another reason, or took too long.
        """
        job_id = await self._submit(queries, with_deletes=with_deletes)
        try:
            job = await self._finished(job_id)
        except BaseException:
            with contextlib.suppress(MgdwError):
                await asyncio.shield(self.cancel(job_id))
            raise
        return _judged(job_id, job, queries)

    async def cancel(self, job_id: str) -> None:
        """Stop a job, so that it does not count against the 50 that may run."""
        await self._session.request("DELETE", f"/v1/batch-query/jobs/{job_id}")

    async def _submit(self, queries: Sequence[Query], *, with_deletes: bool) -> str:
        payload = job_payload(queries, with_deletes=with_deletes)
        answer = _object((await self._session.request("POST", "/v1/batch-query/", json=payload)).json())
        problem = aqua_problem(answer, "the job was not taken")
        if problem is not None:
            raise problem
        if not answer.get("id"):
            raise UnreadableFile("zuora: the answer to a new job has no id")
        return str(answer["id"])

    async def _finished(self, job_id: str) -> dict[str, Any]:
        pause = self._settings.first_poll_seconds
        deadline = time.monotonic() + self._settings.job_deadline_seconds
        while True:
            job = _object((await self._session.request("GET", f"/v1/batch-query/jobs/{job_id}")).json())
            if job.get("status") not in _RUNNING:
                return job
            if time.monotonic() > deadline:
                raise WorkFailed(
                    f"zuora: job {job_id} is {job.get('status')} after {self._settings.job_deadline_seconds:.0f} s",
                    remedy="Run again when the tenant is less busy, or raise MGDW_ZUORA_JOB_DEADLINE_SECONDS.",
                    job=job_id,
                    deadline=self._settings.job_deadline_seconds,
                )
            await self._session.retry.sleep(pause)
            pause = min(pause * 2, self._settings.longest_poll_seconds)


def job_payload(queries: Sequence[Query], *, with_deletes: bool) -> dict[str, Any]:
    """The body that submits a stateless job."""
    deleted = {"deleted": {"column": DELETED_COLUMN, "format": "Boolean"}} if with_deletes else {}
    return {
        "format": "gzip",
        "version": "1.1",
        "name": "mg-dw",
        "encrypted": "none",
        "useQueryLabels": "true",
        "dateTimeUtc": "true",
        "nullReplacement": NULL_TEXT,
        "queries": [{"name": q.name, "type": "zoqlexport", "query": q.zoql, **deleted} for q in queries],
    }


def _judged(job_id: str, job: dict[str, Any], queries: Sequence[Query]) -> JobResult:
    problem = aqua_problem(job, f"job {job_id} is {job.get('status')}")
    shown: list[dict[str, Any]] = job.get("batches") or []
    batches = {str(batch.get("name")): batch for batch in shown}
    if problem is not None and not batches:
        raise problem
    results: dict[str, QueryResult] = {}
    failures: dict[str, MgdwError] = {}
    for query in queries:
        batch = batches.get(query.name)
        if batch is None:
            failures[query.name] = PermissionMissing(
                f"zuora ignored the query {query.name} without a word",
                remedy="Zuora leaves out queries on objects the API user may not see: grant it the object.",
                job=job_id,
            )
        elif batch.get("status") == "completed":
            results[query.name] = _result(query.name, batch)
        else:
            failures[query.name] = _batch_problem(query.name, batch, job_id)
    return JobResult(job_id, results, failures)


def _result(name: str, batch: dict[str, Any]) -> QueryResult:
    files = batch.get("segments") or ([batch["fileId"]] if batch.get("fileId") else [])
    try:
        rows = int(batch["recordCount"])
    except (KeyError, TypeError, ValueError):
        raise UnreadableFile(f"zuora: the query {name} is complete but its rows are not counted") from None
    if not files and rows:
        raise UnreadableFile(f"zuora: the query {name} has {rows} rows and no file")
    return QueryResult(tuple(str(file) for file in files), rows)


def _batch_problem(name: str, batch: dict[str, Any], job_id: str) -> MgdwError:
    status, message = str(batch.get("status")), " ".join(str(batch.get("message") or "").split())
    cause = f"zuora: the query {name} is {status}{f': {message}' if message else ''}"
    lower = message.lower()
    if "no field named" in lower or "syntax" in lower:
        return UnknownField(cause, job=job_id)
    if status == "deleted_notallowed" or "permission" in lower or "not authorized" in lower:
        return PermissionMissing(cause, job=job_id)
    return WorkFailed(cause, remedy="Run again; if it happens again, try the query in Zuora itself.", job=job_id)


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise UnreadableFile("zuora: the answer about a job is no JSON object")
    return cast("dict[str, Any]", answer)
