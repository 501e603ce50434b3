"""One batch from the org to the lake: its rows, and what vanished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connectors.batch import BatchRequest, Manifest, Part
from connectors.errors import MgdwError, RetryableError
from connectors.http import HttpSession
from connectors.lake import Lake
from connectors.salesforce.classify import is_refused_field
from connectors.salesforce.deletes import DeleteLog
from connectors.salesforce.describe import Describer, ObjectSchema
from connectors.salesforce.quota import Quota
from connectors.salesforce.reading import Reader
from connectors.salesforce.result import QueryResult, Sink
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.soql import Query, keys_of, rows_of, since
from connectors.salesforce.unfinished import Notes, Progress, Unfinished
from connectors.window import Window

_FRESH = timedelta(hours=36)
"""Age up to which a reading that an earlier run began is worth completing: until the run of the next day."""


@dataclass(frozen=True)
class _Plan:
    """The queries of a batch in the order of reading. `deletes` is the window whose deletions belong to it."""

    queries: tuple[Query, ...]
    deletes: Window | None


class Fetcher:
    """Fetches batches of one org. Safe for concurrent use.

    Args:
        session: logged in.
        data_url: `/services/data/vXX.X`.
    """

    def __init__(
        self,
        session: HttpSession,
        settings: SalesforceSettings,
        describer: Describer,
        quota: Quota,
        data_url: str,
    ) -> None:
        self._settings = settings
        self._session = session
        self._describer = describer
        self._quota = quota
        self._overlap = timedelta(seconds=settings.overlap_seconds)
        self._reader = Reader(session, settings, quota, data_url)
        self._deletes = DeleteLog(session, data_url, self._overlap)
        self._notes = Notes()

    async def prepare(self, requests: Sequence[BatchRequest]) -> None:
        """Learn what is cheaper to ask for all requests at once."""
        whole = [r for r in requests if r.window.is_snapshot or r.scope == "keys"]
        await self._reader.learn_sizes(r.table.object for r in whole)

    async def fetch(self, request: BatchRequest, lake: Lake) -> Manifest:
        """Read one batch. A field that is refused although it was described is left out, if rows are complete
        without it: one beyond the contract, or one that was withdrawn meanwhile."""
        schema = await self._describer.schema(request.table)
        while True:
            fields = self._fields(request)
            if request.scope == "rows":
                schema.require(request.table, fields)
            try:
                return await self._attempt(request, fields, schema, lake)
            except MgdwError as error:
                if not is_refused_field(error) or request.scope == "keys":
                    raise
                schema = await self._describer.again(request.table)
                request = _without_refused(request, schema, error)

    def _fields(self, request: BatchRequest) -> tuple[str, ...]:
        return request.fields if self._settings.keep_new_fields else replace(request, extra=()).fields

    async def _attempt(
        self, request: BatchRequest, fields: tuple[str, ...], schema: ObjectSchema, lake: Lake
    ) -> Manifest:
        table = request.table
        progress = await self._progress(request, self._query(request, request.window, fields, schema), lake)
        try:
            plan = await self._plan(request, progress, fields, schema)
            sink = Sink(table, lake, request.prefix, request.scope)
            sink.say("waiting")
            results: list[QueryResult] = []
            for number, query in enumerate(plan.queries):
                # What changed since an earlier run began is a query of today.
                results += await self._reader.read(query, schema, sink, progress, resumable=number == 0)
            found, details = await self._vanished(request, plan, schema, lake, progress)
            parts = [*(part for result in results for part in result.parts), *found]
            manifest = await lake.commit(self._manifest(request, results, parts, details))
        except RetryableError:
            raise  # the jobs stay for the next run
        except Exception:
            await self._end(progress)
            raise
        await self._end(progress)
        return manifest

    async def _end(self, progress: Progress) -> None:
        await progress.ended()
        await self._reader.bulk.remove(progress.made)

    def _query(self, request: BatchRequest, window: Window, fields: tuple[str, ...], schema: ObjectSchema) -> Query:
        """The one query for the request, if it ended where `window` ends."""
        cut_by = _cut_by(request, schema)
        if request.scope == "keys":
            return keys_of(request.table, _bin_flag(schema), cut_by)
        return rows_of(replace(request, window=window), fields, self._overlap, cut_by)

    async def _progress(self, request: BatchRequest, query: Query, lake: Lake) -> Progress:
        """Where an earlier run stopped, or a fresh start. Its jobs that are of no use are left to be deleted."""
        url = (await self._session.base_url()) + f" v{self._settings.api_version}"
        fresh = Progress(self._notes, lake, request, Unfinished(request.window.hi, query.soql, url))
        found = await self._notes.find(lake, request)
        if found is None or found.where != url:
            return fresh
        earlier = Window(request.window.lo, found.hi) if _may_follow(request, found.hi) else request.window
        same = replace(query, span=replace(query.span, hi=found.hi)) if query.span else query
        if earlier.hi != found.hi or same.soql != found.soql:
            return replace(fresh, made=list(found.jobs.values()))
        there = {soql: job for soql, job in found.jobs.items() if await self._reader.bulk.is_there(job)}
        if not there and found.hi != request.window.hi:
            return fresh
        return replace(fresh, state=replace(found, jobs=there), left=dict(there))

    async def _plan(
        self, request: BatchRequest, progress: Progress, fields: tuple[str, ...], schema: ObjectSchema
    ) -> _Plan:
        """What to read: the window, or what an earlier run had begun and then everything that changed since."""
        window, begun = request.window, progress.state.hi
        query = self._query(request, Window(window.lo, begun), fields, schema)
        if begun == window.hi:
            return _Plan((query,), None if window.is_snapshot else window)
        rest = since(query, begun - self._overlap, None if window.is_snapshot else window.hi)
        return _Plan((query, rest), Window(begun, window.hi) if window.is_snapshot else window)

    async def _vanished(
        self, request: BatchRequest, plan: _Plan, schema: ObjectSchema, lake: Lake, progress: Progress
    ) -> tuple[list[Part], dict[str, Any]]:
        """Deletions of the window by the org's log; by the keys of all living rows where the log does not know."""
        table, window = request.table, plan.deletes
        if request.scope == "keys" or window is None:
            return [], {}
        details: dict[str, Any] = {}
        parts: list[Part] = []
        if not schema.replicates:
            return [], details  # the reconciliation by keys finds what vanished
        deletes = await self._deletes.copy(table, window, await self._quota.clock(), lake, request.prefix)
        parts += [deletes.part] if deletes.part else []
        # A second reading of an old window needs no keys: what vanished since is known from the windows after it.
        if deletes.reach(window) or not deletes.kept or request.label:
            return parts, details
        details["deletes_known_since"] = deletes.known_since.isoformat() if deletes.known_since else None
        keys = keys_of(table, _bin_flag(schema), _cut_by(request, schema))
        sink = Sink(table, lake, request.prefix, "keys")
        await self._reader.learn_sizes([table.object])
        found = await self._reader.read(keys, schema, sink, progress, resumable=False)
        return [*parts, *(part for result in found for part in result.parts)], details

    def _manifest(
        self, request: BatchRequest, results: Sequence[QueryResult], parts: Sequence[Part], details: dict[str, Any]
    ) -> Manifest:
        origins = [
            {"by": result.origin[0], "soql": result.origin[1], "parts": [part.name for part in result.parts]}
            for result in results
        ]
        return Manifest.of(
            request,
            parts=parts,
            source_rows=sum(result.rows for result in results),
            details={"queries": origins, "api_version": self._settings.api_version, **details},
        )


def _may_follow(request: BatchRequest, begun: datetime) -> bool:
    """Whether a reading that an earlier run began can be completed by what changed since."""
    hi = request.window.hi
    if begun == hi:
        return True
    if request.scope == "keys" or request.table.cursor is None or begun > hi:
        return False
    return hi - begun < _FRESH


def _without_refused(request: BatchRequest, schema: ObjectSchema, refusal: MgdwError) -> BatchRequest:
    """The request without the fields that are gone; if none is, without all beyond the contract. Raises the refusal
    when nothing can be left out, or when it would be what identifies rows."""
    table = request.table
    gone = tuple(field for field in request.fields if not schema.has(field))
    vital = {table.column(name).field for name in (*table.primary_key, table.cursor, table.deleted_flag) if name}
    if vital & set(gone) or not (gone or request.extra):
        raise refusal
    if not gone:
        return replace(request, extra=())
    extra = tuple(field for field in request.extra if field not in gone)
    return replace(request, absent=(*request.absent, *gone), extra=extra)


def _cut_by(request: BatchRequest, schema: ObjectSchema) -> str | None:
    created = schema.field("CreatedDate")
    if created is not None:
        return created.name
    return request.table.cursor_field if request.table.cursor else None


def _bin_flag(schema: ObjectSchema) -> str | None:
    flag = schema.field("IsDeleted")
    return flag.name if flag else None
