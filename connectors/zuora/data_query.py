"""Data Query: one SQL query a job, for users that may not use AQuA (Zuora docs, "Data Query").

Zuora recommends it for small results only: a query ends after an hour, and each sees a state of its own. Its result
lies at a presigned address of another host, where our token must not go.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, cast

from connectors.errors import MgdwError, PermissionMissing, UnknownField, UnknownObject, UnreadableFile, WorkFailed
from connectors.http import HttpSession
from connectors.zuora.aqua import JobResult, Query, QueryResult
from connectors.zuora.classify import DeletesUnsupported, refused_field
from connectors.zuora.settings import ZuoraSettings
from connectors.zuora.waiting import Patience

_ENDED = {"completed", "failed", "cancelled", "canceled", "aborted"}
_LAST_WORD = 10.0
"""Seconds for cancelling a query when we leave."""


class DataQuery:
    """Runs SQL queries, a few at a time.

    Args:
        session: logged in.
    """

    def __init__(self, session: HttpSession, settings: ZuoraSettings) -> None:
        self._session = session
        self._settings = settings
        self._turns = asyncio.Semaphore(settings.data_queries_at_once)

    async def run(self, queries: Sequence[Query]) -> JobResult:
        """Run queries and wait for all of them. Those under way are cancelled if we are."""
        outcomes = await asyncio.gather(*(self._outcome(query) for query in queries))
        results = {q.name: o for q, o in zip(queries, outcomes, strict=True) if isinstance(o, QueryResult)}
        failures = {q.name: o for q, o in zip(queries, outcomes, strict=True) if isinstance(o, MgdwError)}
        return JobResult(None, results, failures)

    async def _outcome(self, query: Query) -> QueryResult | MgdwError:
        async with self._turns:
            try:
                return await self._run(query)
            except MgdwError as error:
                return error

    async def _run(self, query: Query) -> QueryResult:
        patience = Patience(self._session.retry, self._settings)
        payload = {"query": query.text, "outputFormat": "CSV", "compression": "GZIP", "output": {"target": "S3"}}
        job = _data((await self._session.request("POST", "/query/jobs", json=payload)).json())
        job_id = str(job["id"])
        try:
            while job.get("queryStatus") not in _ENDED:
                await patience.wait_for(job_id, job.get("queryStatus"))
                job = _data((await self._session.request("GET", f"/query/jobs/{job_id}")).json())
        except BaseException:
            with contextlib.suppress(MgdwError, TimeoutError):
                await asyncio.shield(asyncio.wait_for(self._cancel(job_id), _LAST_WORD))
            raise
        if job["queryStatus"] != "completed":
            raise _problem(query, job)
        try:
            return QueryResult(job_id, (str(job["dataFile"]),), int(job["outputRows"]))
        except (KeyError, TypeError, ValueError):
            raise UnreadableFile(f"zuora: the query {query.name} is complete but has no file or no count") from None

    async def _cancel(self, job_id: str) -> None:
        await self._session.request("DELETE", f"/query/jobs/{job_id}")


def _problem(query: Query, job: dict[str, Any]) -> MgdwError:
    message = " ".join(str(job.get("errorMessage") or "").split())[:400]
    cause = f"zuora: the query {query.name} on {query.object} is {job['queryStatus']}: {message}"
    lower = message.lower()
    if refused_field(message):
        kind = DeletesUnsupported if query.deleted and refused_field(message) == "deleted" else UnknownField
        return kind(cause, job=job["id"])
    if "does not exist" in lower:
        return UnknownObject(cause, job=job["id"])
    if "access denied" in lower or "permission" in lower:
        return PermissionMissing(cause, job=job["id"])
    return WorkFailed(cause, remedy="Run again; if it happens again, try the query in Zuora itself.", job=job["id"])


def _data(answer: Any) -> dict[str, Any]:
    data: Any = cast("dict[str, Any]", answer).get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict) or "id" not in data:
        raise UnreadableFile("zuora: the answer about a data query has no id")
    return cast("dict[str, Any]", data)
