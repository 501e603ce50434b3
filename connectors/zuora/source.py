"""Zuora as a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx

from connectors.batch import BatchRequest, Manifest, Part
from connectors.contract import Column, Table
from connectors.errors import (
    CredentialsRefused,
    DataError,
    MgdwError,
    RetryableError,
    TruncatedBody,
    UnknownObject,
    WorkFailed,
)
from connectors.http import HttpSession, RetryPolicy
from connectors.lake import Lake
from connectors.progress import ProgressEvent, Stage, emit
from connectors.source import SchemaDrift, Source, about, as_finished
from connectors.zuora.aqua import MOST_QUERIES, Aqua, JobResult
from connectors.zuora.asks import Ask, Form, Forms, suspects
from connectors.zuora.auth import ClientCredentials
from connectors.zuora.classify import classify
from connectors.zuora.data_query import DataQuery
from connectors.zuora.describe import ObjectSchema, describe, fits
from connectors.zuora.download import Download
from connectors.zuora.settings import ZuoraSettings

_TRIES = 2
"""Jobs a batch may cost whose files turn out to be gone or spoilt."""


class _AskedAnew(Exception):
    """The batch goes into another job."""


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
        self._settings = settings
        self._keep_new_fields = settings.keep_new_fields
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
        self._data_query = DataQuery(self._session, settings)
        self._forms = Forms(settings)
        self._schemas: dict[str, ObjectSchema] = {}
        self._unread_clocks: dict[str, datetime] = {}

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
    def origin(self) -> str:
        """The tenant, as far as its address and the entity tell it."""
        return f"{self._settings.base_url} {self._settings.entity_id or ''}".strip()

    @property
    def calls(self) -> int:
        """API calls made so far."""
        return self._session.calls

    async def horizon(self, table: Table) -> datetime:
        """Zuora's clock (the `Date` of an answer) less the lag; Zuora says nothing about open transactions."""
        # The clock that `drift` has just read will do, once: a source may outlive a run.
        clock = self._unread_clocks.pop(table.object, None) or (await self._describe(table)).clock
        return clock - self._lag

    async def drift(self, table: Table) -> SchemaDrift:
        """Compare the object's exportable fields with the contract. Raises UnknownObject."""
        schema = await self._describe(table)
        self._unread_clocks[table.object] = schema.clock
        return schema.drift(table)

    def fits(self, source_type: str, column: Column) -> bool:
        """Whether every value of the type fits the column."""
        return fits(source_type, column)

    async def extract(self, requests: Sequence[BatchRequest], lake: Lake) -> AsyncIterator[Manifest]:
        """Fetch the batches in one job (of 50 queries at most) and write them to the lake; see `Source.extract`.

        What Zuora refuses (a field, deleted rows) is taken out of the job and the rest asked again.
        """
        errors: list[Exception] = []
        asks: list[Ask] = []
        for request, outcome in zip(
            requests, await asyncio.gather(*(self._prepare(r, i, lake) for i, r in enumerate(requests))), strict=True
        ):
            match outcome:
                case Manifest():
                    _tell(request.table, "extracted", outcome.rows, outcome.bytes)
                    yield outcome
                case Ask():
                    asks.append(outcome)
                case Exception():
                    errors.append(outcome)
        groups = [asks] if asks else []
        while groups:
            forms, rest = self._filled_in(groups.pop(0))
            if rest:
                groups.insert(0, rest)
            engine = self._data_query if self._forms.by_data_query else self._aqua
            try:
                job = await engine.run([query for form in forms for query in form.queries])
            except MgdwError as error:
                again = self._regrouped(forms, error)
                errors += [] if again else [about(error, form.ask.table) for form in forms]
                groups = again + groups
                continue
            whole, again = self._sorted_out(forms, job, errors)
            anew: list[Ask] = []
            found: list[Exception] = []
            async with aclosing(as_finished((self._batch(f, job, lake, anew) for f in whole), found)) as manifests:
                async for manifest in manifests:
                    yield manifest
            errors += [error for error in found if not isinstance(error, _AskedAnew)]
            groups += [*again, anew] if anew else again
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(requests)} Zuora batches failed", errors)

    def _filled_in(self, asks: Sequence[Ask]) -> tuple[list[Form], list[Ask]]:
        """As many asks as one job takes, and those left over."""
        forms: list[Form] = []
        room = MOST_QUERIES
        for i, ask in enumerate(asks):
            form = self._forms.form(ask)
            room -= len(form.queries)
            if room < 0:
                return forms, list(asks[i:])
            forms.append(form)
        return forms, []

    def _regrouped(self, forms: Sequence[Form], error: MgdwError) -> list[list[Ask]]:
        """How to ask again after a job was refused; empty when that is of no use."""
        asks = [form.ask for form in forms]
        if self._forms.learn(error, forms):
            return [asks]
        if len(forms) == 1 or _concerns_all(error):
            return []
        guilty = [form.ask for form, _ in suspects(error, forms)]
        if 0 < len(guilty) < len(forms):
            return [[ask for ask in asks if ask not in guilty], *([ask] for ask in guilty)]
        return _halves(asks)

    def _sorted_out(
        self, forms: Sequence[Form], job: JobResult, errors: list[Exception]
    ) -> tuple[list[Form], list[list[Ask]]]:
        """The forms whose batches are there, and how to ask again for others; what is lost is added to `errors`."""
        whole: list[Form] = []
        changed: list[Ask] = []
        dead: list[Ask] = []
        for form in forms:
            problem = form.problem(job)
            if problem is None:
                whole.append(form)
            elif self._forms.learn(problem, [form]):
                changed.append(form.ask)
            elif isinstance(problem, WorkFailed) and len(forms) > 1 and not job.results:
                # The job died as a whole: one query may have done it.
                dead.append(form.ask)
            else:
                errors.append(about(problem, form.ask.table))
        return whole, [*([changed] if changed else []), *_halves(dead)]

    async def _prepare(self, request: BatchRequest, index: int, lake: Lake) -> Manifest | Ask | Exception:
        """The batch's manifest if it is in the lake, else what to ask for, else why there is neither."""
        table = request.table
        try:
            found = await lake.manifest(request.prefix)
            if found is not None:
                return found
            # The drift has just asked for the same description.
            schema = self._schemas.get(table.object) or await self._describe(table)
            fields = request.fields if self._keep_new_fields else [f for f in request.fields if f not in request.extra]
            expressions = schema.expressions(table, fields)
        except Exception as error:  # noqa: BLE001 - whatever stops one table must not stop the others
            return about(error, table) if isinstance(error, MgdwError) else error
        _tell(table, "waiting")
        return Ask(request, f"{index:02d}-{table.name}", expressions, schema.clock)

    async def _describe(self, table: Table) -> ObjectSchema:
        self._schemas[table.object] = await describe(self._session, table)
        return self._schemas[table.object]

    async def _batch(self, form: Form, job: JobResult, lake: Lake, anew: list[Ask]) -> Manifest:
        """Fetch one batch of a job. Raises _AskedAnew when it goes into another job and is now in `anew`."""
        ask = form.ask
        try:
            manifest = await self._fetched(form, job, lake)
        except MgdwError as error:
            if self._forms.learn(error, [form]):
                anew.append(ask)
            elif _is_spoilt(error) and ask.tries + 1 < _TRIES:
                anew.append(replace(ask, tries=ask.tries + 1))
            else:
                raise about(error, ask.table) from error.__cause__
            raise _AskedAnew from error
        _tell(ask.table, "extracted", manifest.rows, manifest.bytes)
        return manifest

    async def _fetched(self, form: Form, job: JobResult, lake: Lake) -> Manifest:
        request, table = form.ask.request, form.ask.table
        received, of_rows = 0, sum(job.results[query.name].rows for query in form.queries)

        def told(size: int) -> None:
            nonlocal received
            received += size
            _tell(table, "extracting", 0, received, of_rows)

        download = Download(self._session, lake, request.prefix, table, told)
        parts: list[Part] = []
        async with self._turns:
            if form.rows:
                result = job.results[form.rows.name]
                parts += await download.parts(result, form.fields, "rows", deletes=form.rows.deleted)
            if form.keys:
                parts += await download.parts(job.results[form.keys.name], form.identity, "keys")
        results = [job.results[query.name] for query in form.queries]
        details: dict[str, Any] = {
            "job": results[0].job_id,
            "queries": [query.text for query in form.queries],
            "files": [file.partition("?")[0] for result in results for file in result.files],
        }
        if form.warnings:
            details["warning"] = "; ".join(form.warnings)
        return await lake.commit(
            Manifest.of(
                request,
                parts=parts,
                source_rows=results[0].rows,
                null_text=job.null_text,
                midnight_zone=self._midnight_zone,
                details=details,
            )
        )


def _halves(asks: list[Ask]) -> list[list[Ask]]:
    middle = (len(asks) + 1) // 2
    return [half for half in (asks[:middle], asks[middle:]) if half]


def _is_spoilt(error: MgdwError) -> bool:
    """True when a job made anew may give better files: they were gone, cut, ragged, or not what Zuora counted."""
    is_gone = isinstance(error, UnknownObject) or error.facts.get("status") in (403, 404, 410)
    return is_gone or isinstance(error, (DataError, TruncatedBody))


def _concerns_all(error: MgdwError) -> bool:
    """True when asking again with fewer queries would end the same way."""
    return (
        isinstance(error, (RetryableError, CredentialsRefused))
        or error.facts.get("code") == "90009"
        or "deadline" in error.facts
    )


def _tell(table: Table, stage: Stage, rows: int = 0, size: int = 0, of_rows: int = 0) -> None:
    emit(ProgressEvent(table.source, table.name, stage, rows=rows, bytes=size, of_rows=of_rows))
