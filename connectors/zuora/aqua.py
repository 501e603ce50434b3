"""AQuA jobs: many queries in one read-only transaction, results as files (Zuora docs, "AQuA API").

Jobs are stateless: no partner and project are named, Zuora remembers nothing, our windows are our own. The API finds a
job again by its id, or (stateful only) by partner and project: a job whose process died, or whose id was lost with the
answer, runs to its end unseen and holds one of the 50 places until then. The next run asks for other windows anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from connectors.errors import MgdwError, PermissionMissing, UnknownField, UnknownObject, UnreadableFile, WorkFailed
from connectors.http import HttpSession
from connectors.zuora.classify import DeletesUnsupported, aqua_problem, too_many_jobs
from connectors.zuora.settings import ZuoraSettings
from connectors.zuora.waiting import Patience

MOST_QUERIES = 50
DELETED_COLUMN = "MgdwDeleted"
"""What the column of the deletion flag shall be called: like no field."""
_ENDED = {"completed", "error", "failed", "cancelled", "canceled", "aborted"}
_LAST_WORD = 10.0
"""Seconds for cancelling a job when we leave."""


@dataclass(frozen=True)
class Query:
    """One query of a job.

    Attributes:
        name: unique in the job.
        object: what it reads, for error texts.
        text: ZOQL, or SQL for Data Query.
        deleted: also rows deleted in the last 30 days, with a column that says so.
    """

    name: str
    object: str
    text: str
    deleted: bool = False


@dataclass(frozen=True)
class QueryResult:
    """What one query left: files (paths or whole addresses) in order, and how many rows Zuora says they hold."""

    job_id: str
    files: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class JobResult:
    """What became of queries that ran together: what each gave, or why it gave nothing.

    Attributes:
        null_text: what stands for NULL in the files, besides the empty field.
    """

    null_text: str | None
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

    async def run(self, queries: Sequence[Query]) -> JobResult:
        """Run up to 50 queries in one job and wait for it. The job is cancelled if we give up or are cancelled.

        Raises:
            DeletesUnsupported: the tenant, or an object, does not show deleted rows in such a job.
            UnknownField, UnknownObject: Zuora cannot read one of the queries.
            PermissionMissing, RateLimited, SourceUnavailable: the job was not taken.
            WorkFailed: it was not taken for another reason, or took too long.
        """
        patience = Patience(self._session.retry, self._settings)
        # Made anew for each job, so that no value can be equal to it.
        null_text = f"null-{secrets.token_hex(4)}"
        job_id = await self._submit(job_payload(queries, null_text), patience)
        try:
            job = await self._finished(job_id, patience)
        except BaseException:
            with contextlib.suppress(MgdwError, TimeoutError):
                await asyncio.shield(asyncio.wait_for(self.cancel(job_id), _LAST_WORD))
            raise
        return _judged(job_id, job, queries, null_text)

    async def cancel(self, job_id: str) -> None:
        """Stop a job, so that it does not count against the 50 that may run."""
        await self._session.request("DELETE", f"/v1/batch-query/jobs/{job_id}")

    async def _submit(self, payload: dict[str, Any], patience: Patience) -> str:
        """The job's id. Waits while too many other jobs run."""
        while True:
            answer = _object((await self._session.request("POST", "/v1/batch-query/", json=payload)).json())
            problem = aqua_problem(answer, "the job was not taken")
            if problem is None:
                break
            if not too_many_jobs(problem) or patience.is_over:
                raise problem
            await patience.wait()
        if not answer.get("id"):
            raise UnreadableFile("zuora: the answer to a new job has no id")
        return str(answer["id"])

    async def _finished(self, job_id: str, patience: Patience) -> dict[str, Any]:
        while True:
            job = _object((await self._session.request("GET", f"/v1/batch-query/jobs/{job_id}")).json())
            if job.get("status") in _ENDED or job.get("errorCode"):
                return job
            await patience.wait_for(job_id, job.get("status"))


def job_payload(queries: Sequence[Query], null_text: str) -> dict[str, Any]:
    """The body that submits a stateless job."""
    return {
        "format": "gzip",
        "version": "1.1",
        "name": "mg-dw",
        "encrypted": "none",
        "useQueryLabels": "true",
        "dateTimeUtc": "true",
        "nullReplacement": null_text,
        "queries": [_payload(query) for query in queries],
    }


def _payload(query: Query) -> dict[str, Any]:
    deleted = {"deleted": {"column": DELETED_COLUMN, "format": "Boolean"}} if query.deleted else {}
    return {"name": query.name, "type": "zoqlexport", "query": query.text, **deleted}


def _judged(job_id: str, job: dict[str, Any], queries: Sequence[Query], null_text: str) -> JobResult:
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
                f"zuora ignored the query {query.name} on {query.object} without a word",
                remedy=f"Zuora leaves out queries on objects the API user may not see: grant it {query.object}.",
                job=job_id,
                object=query.object,
            )
        elif batch.get("status") == "completed":
            try:
                results[query.name] = _result(query.name, batch, job_id)
            except UnreadableFile as error:
                failures[query.name] = error
        else:
            failures[query.name] = _batch_problem(query, batch, job_id)
    return JobResult(null_text, results, failures)


def _result(name: str, batch: dict[str, Any], job_id: str) -> QueryResult:
    files = batch.get("segments") or ([batch["fileId"]] if batch.get("fileId") else [])
    try:
        rows = int(batch["recordCount"])
    except (KeyError, TypeError, ValueError):
        raise UnreadableFile(f"zuora: the query {name} is complete but its rows are not counted") from None
    if not files and rows:
        raise UnreadableFile(f"zuora: the query {name} has {rows} rows and no file")
    return QueryResult(job_id, tuple(f"/v1/file/{file}" for file in files), rows)


def _batch_problem(query: Query, batch: dict[str, Any], job_id: str) -> MgdwError:
    status, message = str(batch.get("status")), " ".join(str(batch.get("message") or "").split())
    cause = f"zuora: the query {query.name} on {query.object} is {status}{f': {message}' if message else ''}"
    lower = message.lower()
    if status == "deleted_notallowed":
        return DeletesUnsupported(cause, job=job_id)
    if "no object named" in lower:
        return UnknownObject(cause, job=job_id)
    if "no field named" in lower or "syntax" in lower:
        return UnknownField(cause, job=job_id)
    if "permission" in lower or "not authorized" in lower:
        return PermissionMissing(cause, job=job_id)
    return WorkFailed(cause, remedy="Run again; if it happens again, try the query in Zuora itself.", job=job_id)


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise UnreadableFile("zuora: the answer about a job is no JSON object")
    return cast("dict[str, Any]", answer)
