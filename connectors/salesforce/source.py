"""Salesforce as a source."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import ClassVar, Self

import httpx

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Column, Table
from connectors.errors import MgdwError
from connectors.http import CallBudget, HttpSession, RetryPolicy
from connectors.lake import Lake
from connectors.progress import ProgressEvent, emit
from connectors.salesforce.auth import SalesforceAuth
from connectors.salesforce.classify import classify
from connectors.salesforce.deletes import SHORTEST, TOO_MANY_IDS
from connectors.salesforce.describe import Describer
from connectors.salesforce.fetching import Fetcher
from connectors.salesforce.quota import Quota, api_usage
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.soql import literal, parse
from connectors.salesforce.types import fits
from connectors.source import SchemaDrift, Source, about, as_finished

_LOOKBACK = timedelta(hours=1)
"""How far `/updated` is asked to look; a transaction open for longer is found by the overlap alone."""
_BLIND_LAG = timedelta(minutes=5)
"""How far to stay behind an object of which `/updated` cannot tell up to when it is complete."""


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
        self._origin = ""
        self._quota = Quota(self._session, f"{self._data}/limits/", settings.quota_share)
        self._describer = Describer(self._session, settings.api_version)
        self._fetcher = Fetcher(self._session, settings, self._describer, self._quota, self._data)

    async def __aenter__(self) -> Self:
        """Log in. Raises CredentialsRefused, SourceUnavailable, SettingMissing."""
        try:
            token = await self._session.token()
            self._origin = token.origin if token else ""
        except BaseException:
            await self._session.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.aclose()

    @property
    def origin(self) -> str:
        """The organization's id: another org has other record ids, so what was read from it proves nothing here."""
        return self._origin

    @property
    def calls(self) -> int:
        """API calls made so far."""
        return self._session.calls

    async def horizon(self, table: Table) -> datetime:
        """Salesforce's own clock, or the start of the oldest open transaction if that is earlier, less the lag.

        Whole seconds, as SystemModstamp has. `/updated` answers with `latestDateCovered` ("SOAP API Developer
        Guide", GetUpdatedResult); objects it does not serve have only the clock, and the overlap.
        """
        clock = await self._quota.look()
        schema = await self._describer.schema(table)
        covered = await self._covered(table, clock) if schema.replicates else clock
        return min(clock, covered).replace(microsecond=0) - self._lag

    async def _covered(self, table: Table, clock: datetime, lookback: timedelta = _LOOKBACK) -> datetime:
        """Up to when every change is visible; a few minutes ago when the object changes too fast to be told."""
        try:
            answer = await self._session.request(
                "GET",
                f"{self._data}/sobjects/{table.object}/updated/",
                params={"start": literal(clock - lookback), "end": literal(clock)},
            )
        except MgdwError as error:
            if error.facts.get("code") != TOO_MANY_IDS:
                raise
            return await self._covered(table, clock, lookback / 2) if lookback / 2 >= SHORTEST else clock - _BLIND_LAG
        covered = answer.json().get("latestDateCovered")
        return parse(covered) if covered else clock

    async def drift(self, table: Table) -> SchemaDrift:
        """Compare the object with the contract. Raises UnknownObject."""
        return (await self._describer.schema(table)).drift(table)

    def fits(self, source_type: str, column: Column) -> bool:
        """See `types.fits`."""
        return fits(source_type, column)

    async def extract(self, requests: Sequence[BatchRequest], lake: Lake) -> AsyncIterator[Manifest]:
        """Fetch the batches side by side and write them to the lake; see `Source.extract`."""
        turn = asyncio.Semaphore(self._settings.tables_at_once)

        async def one(request: BatchRequest) -> Manifest:
            async with turn:
                return await self._batch(request, lake)

        await self._fetcher.prepare(requests)
        errors: list[Exception] = []
        async with contextlib.aclosing(as_finished((one(request) for request in requests), errors)) as manifests:
            async for manifest in manifests:
                yield manifest
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(requests)} Salesforce batches failed", errors)

    async def _batch(self, request: BatchRequest, lake: Lake) -> Manifest:
        table = request.table
        try:
            manifest = await lake.manifest(request.prefix) or await self._fetcher.fetch(request, lake)
        except MgdwError as error:
            raise about(error, table) from error.__cause__
        emit(ProgressEvent(table.source, table.name, "extracted", rows=manifest.rows, bytes=manifest.bytes))
        return manifest
