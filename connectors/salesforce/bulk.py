"""Bulk API 2.0 query jobs: create, wait, copy the result pages into the lake as sent, delete.

Facts: "Bulk API 2.0 and Bulk API Developer Guide" (queries, query_get_job_results,
query_get_parallel_job_results). Rows come unordered: the service chunks by primary key.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from connectors.batch import Part
from connectors.contract import Table
from connectors.errors import CountMismatch, MgdwError, UnreadableFile, WorkFailed
from connectors.http import HttpSession
from connectors.lake import Lake
from connectors.salesforce.page import PageCheck
from connectors.salesforce.settings import SalesforceSettings

_PARALLEL_SINCE = 58.0
"""First API version with `resultPages`."""
_RUNNING = {"UploadComplete", "InProgress"}
_CLEANUP_SECONDS = 10.0

OnPage = Callable[[int, int], None]
"""Told (rows, bytes) of the whole result so far, after each page."""


@dataclass(frozen=True)
class QueryResult:
    """What a job brought. `rows` is the job's own count and equals the sum of the pages' counts."""

    job_id: str
    parts: tuple[Part, ...]
    rows: int


@dataclass(frozen=True)
class _Page:
    part: Part | None
    rows: int
    locator: str | None


class BulkQuery:
    """Runs query jobs. Safe for concurrent use."""

    def __init__(self, session: HttpSession, settings: SalesforceSettings) -> None:
        self._session = session
        self._settings = settings
        self._jobs = f"/services/data/v{settings.api_version}/jobs/query"

    async def run(self, table: Table, soql: str, lake: Lake, prefix: str, on_page: OnPage) -> QueryResult:
        """Run one `queryAll` job and copy its result below `prefix`.

        Raises:
            WorkFailed: the job failed, was aborted, or took longer than the deadline.
            CountMismatch: the pages hold other rows than the job counted.
            UnreadableFile: a page is not the CSV it should be.
        """
        job_id = await self._create(soql)
        try:
            job = await self._wait(job_id)
            pages = await _Copy(self._session, table, lake, prefix, on_page).all(self, job_id)
        finally:
            await self._remove(job_id)
        rows, counted = sum(page.rows for page in pages), job.get("numberRecordsProcessed")
        if rows != counted:
            raise CountMismatch(
                f"{table.name}: the result pages of job {job_id} hold {rows} rows, the job counted {counted}",
                job_id=job_id, pages=rows, job=counted,
            )  # fmt: skip
        return QueryResult(job_id, tuple(page.part for page in pages if page.part), rows)

    @property
    def in_parallel(self) -> bool:
        """True when the API names all pages beforehand. A page size can only be asked of single pages."""
        return self._settings.page_rows is None and float(self._settings.api_version) >= _PARALLEL_SINCE

    @property
    def pages_at_once(self) -> int:
        return self._settings.pages_at_once

    async def page_urls(self, job_id: str) -> list[str]:
        """The address of every result page."""
        urls: list[str] = []
        path: str | None = f"{self._jobs}/{job_id}/resultPages"
        while path:
            body = (await self._session.request("GET", path)).json()
            urls += [page["resultUrl"] for page in body.get("resultPages", [])]
            # The guide's table and its example spell the field differently.
            following = body.get("nextRecordsUrl") or body.get("nextRecordUrl")
            path = None if body.get("done", not following) else following
        return urls

    def page_url(self, job_id: str, locator: str | None) -> str:
        """The address of the page after `locator`; the first page without one."""
        query = httpx.QueryParams()
        if locator is not None:
            query = query.set("locator", locator)
        if self._settings.page_rows is not None:
            query = query.set("maxRecords", self._settings.page_rows)
        return f"{self._jobs}/{job_id}/results" + (f"?{query}" if query else "")

    async def _create(self, soql: str) -> str:
        order = {
            "operation": "queryAll",
            "query": soql,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        answer = await self._session.request("POST", self._jobs, json=order)
        return answer.json()["id"]

    async def _wait(self, job_id: str) -> dict[str, Any]:
        settings, waited, pause = self._settings, 0.0, self._settings.first_poll_seconds
        while True:
            job = (await self._session.request("GET", f"{self._jobs}/{job_id}")).json()
            if job["state"] == "JobComplete":
                return job
            if job["state"] not in _RUNNING:
                raise WorkFailed(
                    f"Salesforce job {job_id} ended as {job['state']}: {job.get('errorMessage') or 'no reason given'}",
                    remedy="Read the reason above; a timeout means that the window held too much: run again.",
                    job_id=job_id, state=job["state"], error_message=job.get("errorMessage"),
                )  # fmt: skip
            if waited >= settings.job_deadline_seconds:
                raise WorkFailed(
                    f"Salesforce job {job_id} was still {job['state']} after {waited:.0f} s",
                    remedy="Run again when the org is less busy, or raise MGDW_SALESFORCE_JOB_DEADLINE_SECONDS.",
                    job_id=job_id, state=job["state"],
                )  # fmt: skip
            await self._session.retry.sleep(pause)
            waited += pause
            pause = min(2 * pause, settings.longest_poll_seconds)

    async def _remove(self, job_id: str) -> None:
        """Delete the job, so that its result no longer counts; Salesforce itself drops it after seven days."""
        path = f"{self._jobs}/{job_id}"
        with contextlib.suppress(MgdwError, TimeoutError):
            async with asyncio.timeout(_CLEANUP_SECONDS):
                try:
                    await self._session.request("DELETE", path)
                except MgdwError:
                    # A running job must be stopped first.
                    await self._session.request("PATCH", path, json={"state": "Aborted"})
                    await self._session.request("DELETE", path)


class _Copy:
    """Copies one job's pages into the lake, each try of a page into a part of its own."""

    def __init__(self, session: HttpSession, table: Table, lake: Lake, prefix: str, on_page: OnPage) -> None:
        self._session = session
        self._table = table
        self._lake = lake
        self._prefix = prefix
        self._on_page = on_page
        self._rows = 0
        self._bytes = 0

    async def all(self, bulk: BulkQuery, job_id: str) -> Sequence[_Page]:
        if bulk.in_parallel:
            return await self._side_by_side(await bulk.page_urls(job_id), bulk.pages_at_once)
        pages = [await self._page(bulk.page_url(job_id, None), 0)]
        while (locator := pages[-1].locator) is not None:
            pages.append(await self._page(bulk.page_url(job_id, locator), len(pages)))
        return pages

    async def _side_by_side(self, urls: Sequence[str], at_once: int) -> Sequence[_Page]:
        turn = asyncio.Semaphore(at_once)

        async def one(index: int, url: str) -> _Page:
            async with turn:
                return await self._page(url, index)

        tasks = [asyncio.create_task(one(index, url)) for index, url in enumerate(urls)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _page(self, url: str, index: int) -> _Page:
        page = await self._session.retrying(lambda: self._try(url, index))
        self._rows += page.rows
        self._bytes += page.part.bytes if page.part else 0
        self._on_page(self._rows, self._bytes)
        return page

    async def _try(self, url: str, index: int) -> _Page:
        async with self._session.stream("GET", url, headers={"Accept": "text/csv"}) as answer:
            rows, locator = _facts(answer.headers, url)
            check = PageCheck(answer.headers)
            name = f"rows-{index:05d}.csv{'.gz' if check.gzipped else ''}"
            async with self._lake.new_part(self._prefix, name, kind="rows", format="csv") as part:
                async for chunk in answer.aiter_raw():
                    check.feed(chunk)
                    await part.write(chunk)
                header = check.end()
                if rows:
                    part.finish(header=self._in_contract_spelling(header), rows=rows)
        return _Page(part.part if rows else None, rows, locator)

    def _in_contract_spelling(self, header: tuple[str, ...]) -> tuple[str, ...]:
        spelling = {field.lower(): field for field in self._table.fields}
        if sorted(name.lower() for name in header) != sorted(spelling):
            raise UnreadableFile(
                f"{self._table.name}: a result page has the columns {', '.join(header) or '(none)'} "
                f"where {', '.join(self._table.fields)} were asked for",
                header=header,
            )
        return tuple(spelling[name.lower()] for name in header)


def _facts(headers: httpx.Headers, url: str) -> tuple[int, str | None]:
    """(rows of the page, locator of the next page). The last page's locator is the word `null`."""
    try:
        rows = int(headers["Sforce-NumberOfRecords"])
    except (KeyError, ValueError):
        raise UnreadableFile(
            f"Salesforce's result page {url.partition('?')[0]} does not say how many records it holds"
        ) from None
    locator = headers.get("Sforce-Locator", "null")
    return rows, None if locator in ("null", "") else locator
