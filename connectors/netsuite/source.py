"""NetSuite as a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx

from connectors.batch import BatchRequest, Manifest, Part
from connectors.contract import Table
from connectors.errors import CountMismatch, MgdwError, PermissionMissing, UnknownField, UnknownObject, UnreadableFile
from connectors.http import HttpSession, RetryPolicy
from connectors.json_lines import Page, cut
from connectors.lake import Lake
from connectors.netsuite.auth import CertificateAuth
from connectors.netsuite.classify import classify
from connectors.netsuite.clock import CLOCK_QUERY, ClockReading, FixedZone, check_zone, fixed_zone, read_clock
from connectors.netsuite.fields import missing_fields
from connectors.netsuite.pages import KeysetPages, write_parts
from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.suiteql import (
    DELETE_FIELDS,
    count_query,
    deletes_query,
    key_column,
    probe_query,
    rows_query,
    sample_query,
)
from connectors.progress import ProgressEvent, Stage, emit
from connectors.source import SchemaDrift, Source, about, as_finished

SUITEQL_PATH = "/services/rest/query/v1/suiteql"
_TIMEOUT = 900.0
"""NetSuite cuts a request after 15 minutes (Oracle help, subsection 1559222360)."""


class NetSuiteSource(Source):
    """One account, read through SuiteQL. Use as `async with`; several extracts may run at once.

    Args:
        settings: with secrets resolved.
        transport: replaces the wire in tests.
        retry: how patiently to retry.
    """

    name: ClassVar[str] = "netsuite"

    def __init__(
        self,
        settings: NetSuiteSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._settings = settings
        self._overlap = timedelta(seconds=settings.overlap_seconds)
        self._lag = timedelta(seconds=settings.lag_seconds)
        self._turns = asyncio.Semaphore(settings.concurrency)
        self._zone = FixedZone()
        self._session = HttpSession(
            settings.base_url or "",
            name=self.name,
            auth=CertificateAuth(settings),
            classify=classify,
            retry=retry,
            timeout=_TIMEOUT,
            connections=settings.concurrency,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        """Log in and compare the account's clock with the settings.

        Raises:
            CredentialsRefused, SourceUnavailable: no login.
            ConfigurationError: stamps do not come in the time zone the settings name.
        """
        try:
            await self._session.token()
            reading = await self._clock()
            self._zone = fixed_zone(self._settings.time_zone, reading.now)
            check_zone(self._zone, self._settings.time_zone, reading)
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
        """The account's clock less the lag; NetSuite itself says nothing about open transactions.

        Raises:
            ConfigurationError: the clock's zone is not the one the settings name any more.
        """
        reading = await self._clock()
        check_zone(self._zone, self._settings.time_zone, reading)
        return reading.now - self._lag

    async def drift(self, table: Table) -> SchemaDrift:
        """Compare the record with the contract; `added` are the fields filled in one row. Raises UnknownObject."""
        try:
            sample = await self._query(sample_query(table))
            missing = await missing_fields(table.fields, lambda fields: self._query(probe_query(table, fields)))
        except MgdwError as error:
            raise about(error, table) from error.__cause__
        known = {field.lower() for field in table.fields}
        added = sorted(name for name in sample.last or {} if name != "links" and name not in known)
        return SchemaDrift(table.name, missing, tuple(added))

    async def extract(self, requests: Sequence[BatchRequest], lake: Lake) -> AsyncIterator[Manifest]:
        """Fetch the batches side by side and write them to the lake; see `Source.extract`."""
        errors: list[Exception] = []
        async with aclosing(as_finished((self._batch(request, lake) for request in requests), errors)) as manifests:
            async for manifest in manifests:
                yield manifest
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(requests)} NetSuite batches failed", errors)

    async def _batch(self, request: BatchRequest, lake: Lake) -> Manifest:
        table = request.table
        try:
            found = await lake.manifest(request.prefix)
            manifest = found or await lake.commit(await self._fetch(request, lake))
        except UnknownField as error:
            raise await self._with_all_fields(error, table) from None
        except MgdwError as error:
            raise about(error, table) from error.__cause__
        _tell(table, "extracted", manifest.rows, manifest.bytes)
        return manifest

    async def _fetch(self, request: BatchRequest, lake: Lake) -> Manifest:
        table, window = request.table, request.window
        _tell(table, "extracting")
        query = partial(rows_query, table, window, self._overlap, self._zone)
        pages = KeysetPages(self._query, query, key_column(table).field)
        parts = await write_parts(
            aiter(pages),
            lake,
            request.prefix,
            kind="rows",
            header=table.fields,
            part_rows=self._settings.part_rows,
            told=lambda rows, size: _tell(table, "extracting", rows, size),
        )
        details: dict[str, Any] = {"query": query(None), "utc_offset_seconds": self._zone.offset.total_seconds()}
        details |= await self._reconcile(request, pages)
        if not window.is_snapshot:
            parts += await self._deletes(request, lake)
        return Manifest(
            batch_id=request.batch_id,
            source=table.source,
            table=table.name,
            window=window,
            prefix=request.prefix,
            parts=tuple(parts),
            source_rows=pages.rows,
            extracted_at=datetime.now(UTC),
            details=details,
        )

    async def _reconcile(self, request: BatchRequest, pages: KeysetPages) -> dict[str, int]:
        """Compare rows received with the source's count.

        A row edited while we read leaves the window (the next one has it), so the counts before and after may differ,
        and what we received lies between them. Raises CountMismatch otherwise.
        """
        if pages.rows == pages.total:
            return {}
        page = await self._query(count_query(request.table, request.window, self._overlap, self._zone))
        after = int((page.last or {})["rowcount"])
        if not min(pages.total, after) <= pages.rows <= max(pages.total, after):
            raise CountMismatch(
                f"{request.table.name}: netsuite counted {pages.total} rows (and {after} afterwards), "
                f"{pages.rows} were received",
                expected=pages.total,
                received=pages.rows,
            )
        return {"counted_before": pages.total, "counted_after": after}

    async def _deletes(self, request: BatchRequest, lake: Lake) -> list[Part]:
        """The keys deleted in the window. A snapshot needs none: absent keys are deleted keys."""
        query = partial(deletes_query, request.table, request.window, self._overlap, self._zone)
        try:
            return await write_parts(
                aiter(KeysetPages(self._query, query, "id")),
                lake,
                request.prefix,
                kind="deletes",
                header=DELETE_FIELDS,
                part_rows=self._settings.part_rows,
                told=lambda _rows, _size: None,
            )
        except (UnknownObject, UnknownField, PermissionMissing) as error:
            raise PermissionMissing(
                f"{request.table.name}: netsuite does not show deleted records: {error.cause}",
                remedy="Grant the integration's role the permission Lists > Deleted Records (view).",
            ) from error

    async def _query(self, suiteql: str) -> Page:
        """The first page of a query."""
        async with self._turns:
            response = await self._session.request(
                "POST",
                SUITEQL_PATH,
                params={"limit": self._settings.page_rows, "offset": 0},
                json={"q": suiteql},
                headers={"Prefer": "transient"},
            )
        try:
            return cut(response.content, records="items", opening='{"links":')
        except ValueError as error:
            raise UnreadableFile(
                f"netsuite: {SUITEQL_PATH} answered 200 with something else than a page of rows: {error}",
                remedy="Run again; if it stays, look at what stands between here and NetSuite (a proxy?).",
            ) from None

    async def _clock(self) -> ClockReading:
        return read_clock((await self._query(CLOCK_QUERY)).last or {})

    async def _with_all_fields(self, error: UnknownField, table: Table) -> UnknownField:
        missing = await missing_fields(table.fields, lambda fields: self._query(probe_query(table, fields)))
        if not missing:
            return about(error, table)
        return UnknownField(
            f"{table.name}: netsuite record {table.object} lacks or hides from this role: {', '.join(missing)}",
            table=table.name,
            fields=missing,
        )


def _tell(table: Table, stage: Stage, rows: int = 0, size: int = 0) -> None:
    emit(ProgressEvent(table.source, table.name, stage, rows=rows, bytes=size))
