"""How a query is read: by which API, and in how many pieces."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from connectors.contract import DataType
from connectors.errors import MgdwError, RateLimited, RetryableError
from connectors.http import HttpSession
from connectors.salesforce.bulk import BulkQuery
from connectors.salesforce.classify import is_gone, is_refused_by_bulk, is_refused_field, is_too_much
from connectors.salesforce.describe import ObjectSchema
from connectors.salesforce.quota import Quota
from connectors.salesforce.rest import RestQuery
from connectors.salesforce.result import QueryResult, Sink
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.soql import Query, Span, parse
from connectors.salesforce.types import PRINTED_ALIKE
from connectors.salesforce.unfinished import Progress


class Reader:
    """Reads queries of one org. Safe for concurrent use.

    A bulk job costs five calls and some seconds, a REST page one call. So the rows of a window are asked for by REST:
    the first page says how many there are, and they stay if they are few. Of a whole object Salesforce says the size
    (`/limits/recordCount`), of all objects of a run in one call.
    """

    def __init__(self, session: HttpSession, settings: SalesforceSettings, quota: Quota, data_url: str) -> None:
        self._session = session
        self._few = settings.rest_below_rows
        self._data_url = data_url
        self.bulk = BulkQuery(session, settings, quota)
        self._rest = RestQuery(session, data_url)
        self._rest_only: set[str] = set()
        self._sizes: dict[str, int] = {}

    async def learn_sizes(self, objects: Iterable[str]) -> None:
        """Ask once how many records the objects have, roughly and without those in the recycle bin."""
        unknown = sorted(set(objects) - set(self._sizes))
        if not unknown or not self._few:
            return
        try:
            answer = await self._session.request(
                "GET", f"{self._data_url}/limits/recordCount", params={"sObjects": ",".join(unknown)}
            )
        except RateLimited:
            raise
        except MgdwError:
            return  # not knowing costs a bulk job where REST would do
        self._sizes |= {entry["name"]: int(entry["count"]) for entry in answer.json().get("sObjects", [])}

    async def read(
        self, query: Query, schema: ObjectSchema, sink: Sink, progress: Progress, *, resumable: bool = True
    ) -> list[QueryResult]:
        """Read every row of the query, in pieces if the whole is too much, the oldest first.

        Args:
            sink: where the parts go.
            progress: told of every job; with `resumable` a later run may take them up.

        Raises:
            WorkFailed: even the smallest piece is too much.
        """
        soql = query.soql
        middle = progress.state.cuts.get(soql) if resumable else None
        if middle is None:
            try:
                return [await self._whole(query, schema, sink, progress, resumable=resumable)]
            except MgdwError as error:
                middle = await self._middle(query, progress) if is_too_much(error) else None
                if middle is None:
                    raise
            if resumable:
                await progress.cut(soql, middle)
        earlier, later = query.halves(middle)
        first = await self.read(earlier, schema, sink, progress, resumable=resumable)
        return [*first, *await self.read(later, schema, sink, progress, resumable=resumable)]

    async def _whole(
        self, query: Query, schema: ObjectSchema, sink: Sink, progress: Progress, *, resumable: bool
    ) -> QueryResult:
        thing = query.table.object
        if thing not in self._rest_only:
            job = progress.take_up(query.soql) if resumable else None
            if job is None:
                found = await self._by_rest_if_small(query, schema, sink)
                if found is not None:
                    progress.read_anew()
                    return found
            try:
                if job is not None:
                    try:
                        return await self._finished(job, query, sink)
                    except MgdwError as error:
                        if not is_gone(error):
                            raise
                return await self._by_new_job(query, sink, progress, resumable=resumable)
            except MgdwError as error:
                beyond = set(query.fields) - set(query.table.fields)
                if not is_refused_by_bulk(error) or (is_refused_field(error) and beyond):
                    raise
                self._rest_only.add(thing)
        progress.read_anew()
        found = await self._rest.result(query, sink)
        assert found is not None
        return found

    async def _by_new_job(self, query: Query, sink: Sink, progress: Progress, *, resumable: bool) -> QueryResult:
        job = await self.bulk.create(query)
        if resumable:
            await progress.started(query.soql, job)
        else:
            progress.made.append(job)
        return await self._finished(job, query, sink)

    async def _finished(self, job: str, query: Query, sink: Sink) -> QueryResult:
        try:
            return await self.bulk.result(job, query, sink)
        except MgdwError as error:
            if is_too_much(error):
                await self.bulk.remove([job])  # it may still run
            raise

    async def _by_rest_if_small(self, query: Query, schema: ObjectSchema, sink: Sink) -> QueryResult | None:
        if query.span is None and self._sizes.get(query.table.object, self._few) >= self._few:
            return None
        if not self._few or self._rest.address(query) is None or not _prints_alike(query, schema):
            return None
        try:
            return await self._rest.result(query, sink, self._few)
        except MgdwError as error:
            # Too long for an address, too much for two minutes, refused here only: all of them are for a job.
            if isinstance(error, RetryableError) or error.facts.get("code") == "INVALID_FIELD":
                raise
            return None

    async def _middle(self, query: Query, progress: Progress) -> datetime | None:
        earliest = await self._earliest(query)
        return query.cut(earliest, progress.request.window.hi) if earliest else None

    async def _earliest(self, query: Query) -> datetime | None:
        """Where the rows of the query begin: one indexed look by REST where the query itself does not say."""
        span = query.span or (Span(query.cut_by) if query.cut_by else None)
        if span is None or span.lo is not None:
            return span.lo if span else None
        text = f"SELECT {span.field} FROM {query.table.object} ORDER BY {span.field} LIMIT 1"  # noqa: S608 - checked
        answer = await self._session.request("GET", f"{self._data_url}/queryAll/", params={"q": text})
        records = answer.json()["records"]
        stamp = next((value for name, value in records[0].items() if name != "attributes"), None) if records else None
        return parse(stamp) if stamp else None


def _prints_alike(query: Query, schema: ObjectSchema) -> bool:
    """Whether both APIs' answers become the same values: not so where a text column takes a time or a decimal."""
    kinds = {c.field: found.type for c in query.table.columns if (found := schema.field(c.field))}
    texts = {c.field for c in query.table.columns if c.type is DataType.STRING}
    return all(kinds.get(name, "string") in PRINTED_ALIKE for name in query.fields if name in texts)
