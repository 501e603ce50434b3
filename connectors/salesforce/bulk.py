"""Bulk API 2.0 query jobs: create, wait, copy the result, delete.

Facts: "Bulk API 2.0 and Bulk API Developer Guide" (queries). Rows come unordered: the service chunks by primary key.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from connectors.errors import CountMismatch, MgdwError, WorkFailed
from connectors.http import HttpSession
from connectors.salesforce.classify import is_gone, is_timeout, too_much
from connectors.salesforce.pages import PageCopy
from connectors.salesforce.quota import Quota
from connectors.salesforce.result import QueryResult, Sink
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.soql import Query

_RUNNING = {"UploadComplete", "InProgress"}
_CLEANUP_SECONDS = 10.0


class BulkQuery:
    """Runs query jobs. Safe for concurrent use. A job stays until `remove`: another process may come back to it."""

    def __init__(self, session: HttpSession, settings: SalesforceSettings, quota: Quota) -> None:
        self._session = session
        self._settings = settings
        self._quota = quota
        self._jobs = f"/services/data/v{settings.api_version}/jobs/query"

    async def create(self, query: Query) -> str:
        """Start a `queryAll` job and return its id. Raises RateLimited before the org's quota is gone."""
        order = {
            "operation": "queryAll",
            "query": query.soql,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        await self._quota.take_job()
        answer = await self._session.request("POST", self._jobs, json=order)
        return answer.json()["id"]

    async def is_there(self, job_id: str) -> bool:
        """Whether a job of an earlier run still works or holds its result (Salesforce keeps it for seven days)."""
        try:
            job = (await self._session.request("GET", f"{self._jobs}/{job_id}")).json()
        except MgdwError as error:
            if is_gone(error):
                return False
            raise
        return job["state"] in {*_RUNNING, "JobComplete"}

    async def result(self, job_id: str, query: Query, sink: Sink) -> QueryResult:
        """Wait for a job and copy its result.

        Raises:
            WorkFailed: the job failed, was aborted, or took longer than the deadline (`is_too_much` tells).
            CountMismatch: the pages hold other rows than the job counted.
            UnreadableFile: a page is not the CSV it should be.
        """
        job = await self._wait(job_id)
        counted = job.get("numberRecordsProcessed")
        if isinstance(counted, int):
            sink.expect(counted)
        copy = PageCopy(self._session, self._settings, f"{self._jobs}/{job_id}", query.fields, sink)
        pages = await copy.all()
        rows = sum(page.rows for page in pages)
        if rows != counted:
            raise CountMismatch(
                f"{query.table.name}: the result pages of job {job_id} hold {rows} rows, the job counted {counted}",
                job_id=job_id, pages=rows, job=counted,
            )  # fmt: skip
        return QueryResult(tuple(page.part for page in pages if page.part), rows, (f"bulk {job_id}", query.soql))

    async def remove(self, job_ids: Iterable[str]) -> None:
        """Delete jobs, so that their results no longer count; Salesforce itself drops them after seven days."""
        for job_id in job_ids:
            path = f"{self._jobs}/{job_id}"
            with contextlib.suppress(MgdwError, TimeoutError):
                async with asyncio.timeout(_CLEANUP_SECONDS):
                    try:
                        await self._session.request("DELETE", path)
                    except MgdwError:
                        # A running job must be stopped first.
                        await self._session.request("PATCH", path, json={"state": "Aborted"})
                        await self._session.request("DELETE", path)

    async def _wait(self, job_id: str) -> dict[str, Any]:
        settings, waited, pause = self._settings, 0.0, self._settings.first_poll_seconds
        while True:
            job = (await self._session.request("GET", f"{self._jobs}/{job_id}")).json()
            state, reason = job["state"], job.get("errorMessage") or "no reason given"
            if state == "JobComplete":
                return job
            if state not in _RUNNING:
                cause = f"Salesforce job {job_id} ended as {state}: {reason}"
                facts = {"job_id": job_id, "state": state, "error_message": reason}
                if state == "Failed" and is_timeout(reason):
                    raise too_much(cause, **facts)
                raise WorkFailed(cause, remedy="Read the reason above, then run again.", **facts)
            if waited >= settings.job_deadline_seconds:
                raise too_much(
                    f"Salesforce job {job_id} was still {state} after {waited:.0f} s (the limit is "
                    f"{settings.variable('job_deadline_seconds')})",
                    job_id=job_id, state=state,
                )  # fmt: skip
            await self._session.retry.sleep(pause)
            waited += pause
            pause = min(2 * pause, settings.longest_poll_seconds)
