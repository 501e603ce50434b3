"""Salesforce as a source."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx

from connectors.answers import server_clock
from connectors.batch import BatchRequest, Manifest
from connectors.contract import Table
from connectors.errors import MgdwError
from connectors.http import CallBudget, HttpSession, RetryPolicy
from connectors.lake import Lake
from connectors.progress import ProgressEvent, Stage, emit
from connectors.salesforce.auth import SalesforceAuth
from connectors.salesforce.bulk import BulkQuery
from connectors.salesforce.classify import classify
from connectors.salesforce.deletes import DeleteLog
from connectors.salesforce.describe import Describer
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.soql import literal, parse, select
from connectors.source import SchemaDrift, Source, about, as_finished

_LOOKBACK = timedelta(hours=1)
"""How far `/updated` is asked to look; a transaction open for longer is found by the overlap alone."""


class SalesforceSource(Source):
    """One org. Use as `async with`; several extracts may run at once.

    Args:
        settings: with secrets resolved.
        transport: replaces the wire in tests (not that of describe).
        retry: how patiently to retry and to wait for jobs.
    """

    name: ClassVar[str] = "salesforce"

    def __init__(
        self,
        settings: SalesforceSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._settings = settings
        self._overlap = timedelta(seconds=settings.overlap_seconds)
        self._lag = timedelta(seconds=settings.lag_seconds)
        self._data = f"/services/data/v{settings.api_version}"
        self._session = HttpSession(
            settings.login_url,
            name=self.name,
            auth=SalesforceAuth(settings),
            classify=classify,
            retry=retry,
            budget=CallBudget(share=settings.quota_share, read_usage=api_usage),
            transport=transport,
        )
        self._describer = Describer(self._session, settings.api_version)
        self._bulk = BulkQuery(self._session, settings)
        self._deletes = DeleteLog(self._session, self._data, self._overlap)

    async def __aenter__(self) -> Self:
        """Log in. Raises CredentialsRefused, SourceUnavailable, SettingMissing."""
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
        """Salesforce's own clock, or the start of the oldest open transaction if that is earlier, less the lag.

        Whole seconds, as SystemModstamp has. `/updated` answers with `latestDateCovered` ("SOAP API Developer
        Guide", GetUpdatedResult); objects it does not serve have only the clock, and the overlap.
        """
        clock = await self._clock()
        schema = await self._describer.schema(table)
        if schema.replicates:
            answer = await self._session.request(
                "GET",
                f"{self._data}/sobjects/{table.object}/updated/",
                params={"start": literal(clock - _LOOKBACK), "end": literal(clock)},
            )
            covered = answer.json().get("latestDateCovered")
            clock = min(clock, parse(covered)) if covered else clock
        return clock.replace(microsecond=0) - self._lag

    async def drift(self, table: Table) -> SchemaDrift:
        """Compare the object with the contract. Raises UnknownObject."""
        return (await self._describer.schema(table)).drift(table)

    async def extract(self, requests: Sequence[BatchRequest], lake: Lake) -> AsyncIterator[Manifest]:
        """Fetch the batches side by side and write them to the lake; see `Source.extract`."""
        turn = asyncio.Semaphore(self._settings.tables_at_once)

        async def one(request: BatchRequest) -> Manifest:
            async with turn:
                return await self._batch(request, lake)

        errors: list[Exception] = []
        async with contextlib.aclosing(as_finished((one(request) for request in requests), errors)) as manifests:
            async for manifest in manifests:
                yield manifest
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(requests)} Salesforce batches failed", errors)

    async def _batch(self, request: BatchRequest, lake: Lake) -> Manifest:
        table = request.table
        try:
            found = await lake.manifest(request.prefix)
            manifest = found or await lake.commit(await self._fetch(request, lake))
        except MgdwError as error:
            raise about(error, table) from error.__cause__
        _tell(table, "extracted", manifest.rows, manifest.bytes)
        return manifest

    async def _fetch(self, request: BatchRequest, lake: Lake) -> Manifest:
        table, window = request.table, request.window
        schema = await self._describer.schema(table)
        schema.require(table)
        soql = select(table, window, self._overlap)
        _tell(table, "waiting")
        result = await self._bulk.run(
            table, soql, lake, request.prefix, lambda rows, size: _tell(table, "extracting", rows, size)
        )
        details: dict[str, Any] = {"job": result.job_id, "soql": soql, "api_version": self._settings.api_version}
        parts = list(result.parts)
        if schema.replicates:
            deletes = await self._deletes.copy(table, window, lake, request.prefix)
            parts += [deletes.part] if deletes.part else []
            if deletes.known_since and window.lo and deletes.known_since > window.lo:
                details["deletes_known_since"] = deletes.known_since.isoformat()
        return Manifest(
            batch_id=request.batch_id,
            source=table.source,
            table=table.name,
            window=window,
            prefix=request.prefix,
            parts=tuple(parts),
            source_rows=result.rows,
            extracted_at=datetime.now(UTC),
            details=details,
        )

    async def _clock(self) -> datetime:
        """Salesforce's clock, by the `Date` of an answer; ours if it sends none."""
        answer = await self._session.request("GET", f"{self._data}/limits/")
        return server_clock(answer) or datetime.now(UTC)


def api_usage(headers: httpx.Headers) -> tuple[int, int] | None:
    """(used, allowed) API calls of the last 24 hours, by `Sforce-Limit-Info: api-usage=18/5000`."""
    found = re.search(r"(?<!app-)api-usage=(\d+)/(\d+)", headers.get("Sforce-Limit-Info", ""))
    return (int(found[1]), int(found[2])) if found else None


def _tell(table: Table, stage: Stage, rows: int = 0, size: int = 0) -> None:
    emit(ProgressEvent(table.source, table.name, stage, rows=rows, bytes=size))
