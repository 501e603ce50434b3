"""NetSuite as a source."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx

from connectors.batch import BatchRequest, Manifest, Part
from connectors.contract import Column, Table
from connectors.errors import DataError, MgdwError, RetryableError, UnknownField
from connectors.http import RetryPolicy
from connectors.lake import Lake
from connectors.netsuite.catalog import fits, time_types
from connectors.netsuite.client import SUITEQL_PATH, NetSuiteClient
from connectors.netsuite.clock import ClockReading, check_zone
from connectors.netsuite.deletes import Deletions
from connectors.netsuite.reader import Reader, Reading
from connectors.netsuite.schema import Schemas
from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.suiteql import Selection, keys_selection, rows_selection
from connectors.netsuite.zone import Zone, zone_named
from connectors.progress import ProgressEvent, Stage, emit
from connectors.source import SchemaDrift, Source, about, as_finished


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
        self._client = NetSuiteClient(settings, transport, retry)
        self._schemas = Schemas(self._client)
        self._now = datetime.now(UTC)

    async def __aenter__(self) -> Self:
        """Log in and compare the account's clock with the settings.

        Raises:
            CredentialsRefused, SourceUnavailable: no login.
            ConfigurationError: stamps do not come in the time zone the settings name.
        """
        try:
            await self._client.log_in()
            self._now = (await self._clock()).now
        except BaseException:
            await self._client.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._schemas.close()
        await self._client.aclose()

    @property
    def origin(self) -> str:
        """The account."""
        return self._settings.account.lower()

    @property
    def calls(self) -> int:
        """API calls made so far."""
        return self._client.calls

    async def horizon(self, table: Table) -> datetime:
        """The account's clock less the lag; NetSuite itself says nothing about open transactions.

        Raises:
            ConfigurationError: the clock's zone is not the one the settings name any more.
        """
        return (await self._clock()).now - timedelta(seconds=self._settings.lag_seconds)

    async def drift(self, table: Table) -> SchemaDrift:
        """Compare the record with the contract. Raises UnknownObject."""
        try:
            return await self._schemas.drift(table)
        except MgdwError as error:
            raise about(error, table) from error.__cause__

    def fits(self, source_type: str, column: Column) -> bool:
        """Whether every value of the catalog's type fits the column."""
        return fits(source_type, column)

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
            raise await self._with_all_fields(error, request) from None
        except MgdwError as error:
            raise about(error, table) from error.__cause__
        _tell(table, "extracted", manifest.rows, manifest.bytes)
        return manifest

    async def _fetch(self, request: BatchRequest, lake: Lake) -> Manifest:
        table = request.table
        _tell(table, "extracting")
        zone = self._zone(request.window.hi)
        reader = Reader(
            self._client,
            lake,
            request.prefix,
            self._settings.part_rows,
            self._settings.concurrency,
            lambda rows, size, of_rows: _tell(table, "extracting", rows, size, of_rows),
        )
        details: dict[str, Any] = {}
        parts: list[Part] = []
        if request.scope == "keys":
            selection = keys_selection(table, request.window.hi, zone)
            reading = await reader.read(selection, "keys")
        else:
            selection, reading, left_out = await self._rows(request, zone, reader)
            quiet = Reader(self._client, lake, request.prefix, self._settings.part_rows, self._settings.concurrency)
            deleted = await Deletions(self._client, self._settings, zone, self._now).find(request, quiet)
            parts += deleted.parts
            details |= deleted.details | ({"fields_left_out": left_out} if left_out else {})
        details |= {"query": selection.page(), "time_zone": self._settings.time_zone, "ranges": reading.ranges}
        return Manifest.of(
            request,
            parts=(*reading.parts, *parts),
            source_rows=reading.rows,
            details=details | ({"pages_asked_again": reading.doubts} if reading.doubts else {}),
        )

    async def _rows(
        self, request: BatchRequest, zone: Zone, reader: Reader
    ) -> tuple[Selection, Reading, tuple[str, ...]]:
        """Read the window's rows: the query, what it brought, and the extra fields it could not ask for."""
        extra = request.extra if self._settings.keep_new_fields else ()
        selection = await self._selection(request, extra, zone)
        try:
            return selection, await reader.read(selection, "rows"), ()
        except (RetryableError, DataError):
            raise
        except MgdwError:
            if not extra:
                raise
        # No extra field may stop the table: those that are gone are left out, or all of them.
        readable = await self._schemas.readable(request.table, extra)
        kept = () if readable == extra else readable
        selection = await self._selection(request, kept, zone)
        return selection, await reader.read(selection, "rows"), tuple(name for name in extra if name not in kept)

    async def _selection(self, request: BatchRequest, extra: tuple[str, ...], zone: Zone) -> Selection:
        fields = [name for name in request.table.fields if name not in request.absent]
        types = time_types(extra, await self._schemas.catalog(request.table)) if extra else {}
        return rows_selection(request, (*fields, *extra), types, self._overlap, zone)

    def _zone(self, until: datetime) -> Zone:
        return zone_named(self._settings.time_zone, until.year + 1)

    async def _clock(self) -> ClockReading:
        reading = await self._client.clock()
        check_zone(self._zone(reading.now), self._settings.time_zone, reading)
        return reading

    async def _with_all_fields(self, error: UnknownField, request: BatchRequest) -> UnknownField:
        table = request.table
        missing = await self._schemas.missing(table, [n for n in table.fields if n not in request.absent])
        if not missing:
            return about(error, table)
        return UnknownField(
            f"{table.name}: netsuite record {table.object} lacks or hides from this role: {', '.join(missing)}",
            table=table.name,
            fields=missing,
        )


def _tell(table: Table, stage: Stage, rows: int = 0, size: int = 0, of_rows: int = 0) -> None:
    emit(ProgressEvent(table.source, table.name, stage, rows=rows, bytes=size, of_rows=of_rows))


__all__ = ["SUITEQL_PATH", "NetSuiteSource"]
