"""Zuora as a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Table
from connectors.errors import CredentialsRefused, MgdwError, RetryableError
from connectors.http import HttpSession, RetryPolicy
from connectors.lake import Lake
from connectors.progress import ProgressEvent, Stage, emit
from connectors.source import SchemaDrift, Source, about, as_finished
from connectors.zuora.aqua import MOST_QUERIES, NULL_TEXT, Aqua, JobResult, Query
from connectors.zuora.auth import ClientCredentials
from connectors.zuora.classify import DeletesUnsupported, classify
from connectors.zuora.describe import ObjectSchema, describe
from connectors.zuora.download import TOMBSTONE_FIELD, Download
from connectors.zuora.settings import ZuoraSettings
from connectors.zuora.zoql import select


@dataclass(frozen=True)
class _Ask:
    """One batch with its query in a job."""

    request: BatchRequest
    query: Query
    expressions: dict[str, str]


class ZuoraSource(Source):
    """One tenant, read through AQuA: all batches of an extract in one job, which sees one state of all objects.

    Args:
        settings: with secrets resolved.
        transport: replaces the wire in tests.
        retry: how patiently to retry and to wait for jobs.
    """

    name: ClassVar[str] = "zuora"

    def __init__(
        self,
        settings: ZuoraSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._overlap = timedelta(seconds=settings.overlap_seconds)
        self._lag = timedelta(seconds=settings.lag_seconds)
        self._midnight_zone = settings.system_time_zone
        self._turns = asyncio.Semaphore(settings.downloads_at_once)
        self._session = HttpSession(
            settings.base_url,
            name=self.name,
            auth=ClientCredentials(settings),
            classify=classify,
            retry=retry,
            connections=settings.downloads_at_once + 2,
            transport=transport,
        )
        self._aqua = Aqua(self._session, settings)
        self._no_deletes: str | None = None
        self._schemas: dict[str, ObjectSchema] = {}

    async def __aenter__(self) -> Self:
        """Log in. Raises CredentialsRefused, SourceUnavailable."""
        try:
            await self._session.token()
        except BaseException:
            await self._session.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.aclose()

    @property
    def calls(self) -> int:
        """API calls made so far."""
        return self._session.calls

    async def horizon(self, table: Table) -> datetime:
        """Zuora's clock (the `Date` of an answer) less the lag; Zuora says nothing about open transactions."""
        return (await self._describe(table)).clock - self._lag

    async def drift(self, table: Table) -> SchemaDrift:
        """Compare the object's exportable fields with the contract. Raises UnknownObject."""
        return (await self._describe(table)).drift(table)

    async def extract(self, requests: Sequence[BatchRequest], lake: Lake) -> AsyncIterator[Manifest]:
        """Fetch the batches in one job (one for every 50) and write them to the lake; see `Source.extract`."""
        errors: list[Exception] = []
        asks: list[_Ask] = []
        for request, outcome in zip(
            requests, await asyncio.gather(*(self._prepare(r, i, lake) for i, r in enumerate(requests))), strict=True
        ):
            match outcome:
                case Manifest():
                    _tell(request.table, "extracted", outcome.rows, outcome.bytes)
                    yield outcome
                case _Ask():
                    asks.append(outcome)
                case Exception():
                    errors.append(outcome)
        groups = [asks[start : start + MOST_QUERIES] for start in range(0, len(asks), MOST_QUERIES)]
        while groups:
            group = groups.pop(0)
            try:
                job = await self._run(group)
            except MgdwError as error:
                if len(group) > 1 and not _concerns_all(error):
                    groups += [[ask] for ask in group]
                else:
                    errors += [about(error, ask.request.table) for ask in group]
                continue
            if len(group) > 1 and not job.results:
                # The job died as a whole: one query may have done it, so each goes alone.
                groups += [[ask] for ask in group]
                continue
            errors += [
                about(job.failures[a.query.name], a.request.table) for a in group if a.query.name in job.failures
            ]
            work = (self._batch(ask, job, lake) for ask in group if ask.query.name in job.results)
            async with aclosing(as_finished(work, errors)) as manifests:
                async for manifest in manifests:
                    yield manifest
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(requests)} Zuora batches failed", errors)

    async def _prepare(self, request: BatchRequest, index: int, lake: Lake) -> Manifest | _Ask | Exception:
        """The batch's manifest if it is in the lake, else its query, else why there is none."""
        table = request.table
        try:
            found = await lake.manifest(request.prefix)
            if found is not None:
                return found
            # The horizon has just asked for the same description.
            schema = self._schemas.get(table.object) or await self._describe(table)
            expressions = schema.expressions(table)
        except Exception as error:  # noqa: BLE001 - whatever stops one table must not stop the others
            return about(error, table) if isinstance(error, MgdwError) else error
        _tell(table, "waiting")
        zoql = select(table, request.window, self._overlap, expressions)
        return _Ask(request, Query(f"{index:02d}-{table.name}", zoql), expressions)

    async def _describe(self, table: Table) -> ObjectSchema:
        self._schemas[table.object] = await describe(self._session, table)
        return self._schemas[table.object]

    async def _run(self, group: Sequence[_Ask]) -> JobResult:
        queries = [ask.query for ask in group]
        try:
            return await self._aqua.run(queries, with_deletes=self._no_deletes is None)
        except DeletesUnsupported as error:
            if self._no_deletes is not None:
                raise
            # Tenants differ here, and Zuora's own pages contradict each other: ask without, and say so.
            self._no_deletes = error.cause
            return await self._aqua.run(queries, with_deletes=False)

    async def _batch(self, ask: _Ask, job: JobResult, lake: Lake) -> Manifest:
        request, result = ask.request, job.results[ask.query.name]
        table = request.table
        received = 0

        def told(size: int) -> None:
            nonlocal received
            received += size
            _tell(table, "extracting", 0, received)

        try:
            async with self._turns:
                parts = await Download(self._session, lake, request.prefix, table, ask.expressions, told).parts(result)
            details: dict[str, Any] = {"job": job.job_id, "zoql": ask.query.zoql, "files": list(result.files)}
            if self._no_deletes is not None:
                details["warning"] = f"deleted rows are not shown: {self._no_deletes}"
            elif any(TOMBSTONE_FIELD not in part.header for part in parts):
                details["warning"] = "deleted rows are not shown: the file has no such column"
            manifest = await lake.commit(
                Manifest(
                    batch_id=request.batch_id,
                    source=table.source,
                    table=table.name,
                    window=request.window,
                    prefix=request.prefix,
                    parts=tuple(parts),
                    source_rows=result.rows,
                    extracted_at=datetime.now(UTC),
                    null_text=NULL_TEXT,
                    midnight_zone=self._midnight_zone,
                    details=details,
                )
            )
        except MgdwError as error:
            raise about(error, table) from error.__cause__
        _tell(table, "extracted", manifest.rows, manifest.bytes)
        return manifest


def _concerns_all(error: MgdwError) -> bool:
    """True when asking again with fewer queries would end the same way."""
    return (
        isinstance(error, (RetryableError, CredentialsRefused))
        or error.facts.get("code") == "90009"
        or "deadline" in error.facts
    )


def _tell(table: Table, stage: Stage, rows: int = 0, size: int = 0) -> None:
    emit(ProgressEvent(table.source, table.name, stage, rows=rows, bytes=size))
