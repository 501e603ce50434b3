"""The result pages of a complete bulk job, copied into the lake as sent: side by side where the API names them all.

Facts: "Bulk API 2.0 and Bulk API Developer Guide" (query_get_job_results, query_get_parallel_job_results).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from connectors.batch import Part
from connectors.errors import UnreadableFile
from connectors.http import HttpSession
from connectors.salesforce.classify import is_web_page, web_page
from connectors.salesforce.page import PageCheck
from connectors.salesforce.result import Sink, in_our_spelling
from connectors.salesforce.settings import SalesforceSettings

_PARALLEL_SINCE = 58.0
"""First API version with `resultPages`."""


@dataclass(frozen=True)
class Page:
    """One page in the lake; `part` is None for an empty one."""

    part: Part | None
    rows: int
    locator: str | None


class PageCopy:
    """Copies one job's pages, each try of a page into a part of its own.

    Args:
        job: address of the job.
        fields: what was asked for.
        sink: where the pages go.
    """

    def __init__(
        self, session: HttpSession, settings: SalesforceSettings, job: str, fields: Sequence[str], sink: Sink
    ) -> None:
        self._session = session
        self._settings = settings
        self._job = job
        self._fields = fields
        self._sink = sink

    async def all(self) -> Sequence[Page]:
        """Copy every page. Raises UnreadableFile, TruncatedBody, SourceUnavailable."""
        # A page size can only be asked of single pages.
        if self._settings.page_rows is None and float(self._settings.api_version) >= _PARALLEL_SINCE:
            return await self._side_by_side(await self._urls())
        pages = [await self._page(self._url(None), 0)]
        while (locator := pages[-1].locator) is not None:
            pages.append(await self._page(self._url(locator), len(pages)))
        return pages

    async def _urls(self) -> list[str]:
        urls: list[str] = []
        path: str | None = f"{self._job}/resultPages"
        while path:
            body = (await self._session.request("GET", path)).json()
            urls += [page["resultUrl"] for page in body.get("resultPages", [])]
            # The guide's table and its example spell the field differently.
            following = body.get("nextRecordsUrl") or body.get("nextRecordUrl")
            path = None if body.get("done", not following) else following
        return urls

    def _url(self, locator: str | None) -> str:
        query = httpx.QueryParams()
        if locator is not None:
            query = query.set("locator", locator)
        if self._settings.page_rows is not None:
            query = query.set("maxRecords", self._settings.page_rows)
        return f"{self._job}/results" + (f"?{query}" if query else "")

    async def _side_by_side(self, urls: Sequence[str]) -> Sequence[Page]:
        turn = asyncio.Semaphore(self._settings.pages_at_once)

        async def one(index: int, url: str) -> Page:
            async with turn:
                return await self._page(url, index)

        tasks = [asyncio.create_task(one(index, url)) for index, url in enumerate(urls)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _page(self, url: str, index: int) -> Page:
        page = await self._session.retrying(lambda: self._try(url, index))
        self._sink.add(page.rows, page.part.bytes if page.part else 0)
        return page

    async def _try(self, url: str, index: int) -> Page:
        sink = self._sink
        async with self._session.stream("GET", url, headers={"Accept": "text/csv"}) as answer:
            if is_web_page(answer):
                raise web_page(answer)
            rows, locator = _facts(answer.headers, url)
            check = PageCheck(answer.headers)
            name = f"{sink.kind}-{index:05d}.csv{'.gz' if check.gzipped else ''}"
            async with sink.lake.new_part(sink.prefix, name, kind=sink.kind, format="csv") as part:
                async for chunk in answer.aiter_raw():
                    check.feed(chunk)
                    await part.write(chunk)
                header = check.end()
                if rows:
                    part.finish(header=in_our_spelling(sink.table, header, self._fields), rows=rows)
        return Page(part.part if rows else None, rows, locator)


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
