"""Usage files on S3: list, compare with the ledger, copy to the lake as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from connectors.batch import BatchRequest, FileRef, Manifest
from connectors.contract import Table
from connectors.errors import MgdwError, UnknownField, UnknownObject, UnreadableFile
from connectors.lake import Lake
from connectors.s3.bucket import Bucket, FileChangedError
from connectors.s3.content import fields_at_start
from connectors.s3.copying import BatchCopy
from connectors.s3.delivery import batches, is_delivery, not_loaded
from connectors.s3.settings import S3Settings
from connectors.source import SchemaDrift, Source, TableState

if TYPE_CHECKING:
    from obstore.store import S3CredentialProvider

_HEAD = 256 << 10
"""Bytes of the newest file that are read to see its fields."""


class S3Source(Source):
    """One bucket of usage files; a table is the files below its prefix.

    A file is known by bucket, key and delivery (version, or etag and upload time), never by its time alone: a large
    upload may show up late with an early time. A key that is delivered again comes as a new batch.

    Args:
        settings: bucket, endpoint, keys.
        credentials: an obstore credential provider that replaces the settings' keys, for instance
            `Boto3CredentialProvider(aws_credentials_block.get_boto3_session())`.

    Raises:
        SettingMissing, ConfigurationError: the settings are not enough, or unsafe.
    """

    name: ClassVar[str] = "s3"

    def __init__(self, settings: S3Settings, credentials: S3CredentialProvider | None = None) -> None:
        self._settings = settings
        self._bucket = Bucket(settings, credentials)
        self._downloads = asyncio.Semaphore(settings.concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def horizon(self, table: Table) -> datetime:
        """When the newest file was delivered. S3 lists consistently, so everything up to now is seen."""
        return max(f.last_modified for f in await self._deliveries(table))

    async def drift(self, table: Table) -> SchemaDrift:
        """Compare the newest file's fields with the contract. Raises UnknownObject."""
        newest = max(await self._deliveries(table), key=lambda f: (f.last_modified, f.key))
        try:
            found = await self._fields(table, newest)
        except (FileChangedError, UnreadableFile):
            # Copying the file tells what is wrong with it, without keeping the other files waiting.
            return SchemaDrift(table.name)
        return SchemaDrift(
            table.name,
            missing=tuple(f for f in table.fields if f not in found),
            added=tuple(f for f in found if f not in table.fields),
        )

    async def plan(self, table: Table, state: TableState, *, full: bool = False) -> list[BatchRequest]:
        """Batches of the files the ledger does not hold; with `full`, of all files.

        Raises:
            UnknownObject: no bucket, or nothing below the prefix.
            UnknownField: the newest file (CSV) lacks a field of the contract. Older files may lack it.
        """
        present = await self._deliveries(table)
        files = present if full else not_loaded(present, state.files)
        if files and table.format == "csv":
            await self._check_fields(table, max(files, key=lambda f: (f.last_modified, f.key)))
        return batches(table, files, most_files=self._settings.batch_files, most_bytes=self._settings.batch_bytes)

    async def extract(self, requests: Sequence[BatchRequest], lake: Lake) -> AsyncIterator[Manifest]:
        """Copy the batches' files to the lake; see `Source.extract`.

        A file that cannot be read is left out of its batch, the others are loaded, and it is reported at the end.
        Tables are copied side by side, the batches of one table in the order of delivery.
        """
        finished: asyncio.Queue[Manifest | None] = asyncio.Queue()
        failures: list[Exception] = []

        async def copy(of_table: list[BatchRequest]) -> None:
            try:
                for request in of_table:
                    batch = BatchCopy(request, self._bucket, lake, self._downloads)
                    try:
                        manifest = await batch.run()
                    except Exception as error:  # noqa: BLE001 - the other batches go on; raised together below
                        if isinstance(error, MgdwError):
                            error.facts.setdefault("table", request.table.name)
                        failures.append(error)
                        continue
                    failures.extend(batch.set_aside)
                    if manifest:
                        finished.put_nowait(manifest)
            finally:
                finished.put_nowait(None)

        tables = dict.fromkeys(r.table.name for r in requests)
        running = [asyncio.create_task(copy([r for r in requests if r.table.name == name])) for name in tables]
        try:
            left = len(running)
            while left:
                manifest = await finished.get()
                if manifest is None:
                    left -= 1
                else:
                    yield manifest
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        if failures:
            raise ExceptionGroup("some usage files were not loaded", failures)

    async def _deliveries(self, table: Table) -> list[FileRef]:
        found = [f for f in await self._bucket.files(table.object) if is_delivery(f, table.object)]
        if not found:
            raise UnknownObject(
                f"there is no file below s3://{self._bucket.name}/{table.object}",
                remedy=f"Correct `prefix` of {table.name} in the contract, or ask the sender for the files.",
                table=table.name,
            )
        return found

    async def _check_fields(self, table: Table, newest: FileRef) -> None:
        try:
            found = await self._fields(table, newest)
        except (UnreadableFile, FileChangedError):
            return  # copying the file reports it, without keeping the other files waiting
        missing = [f for f in table.fields if f not in found]
        if missing:
            raise UnknownField(
                f"{table.name}: the newest file, {newest.key}, lacks {', '.join(missing)}",
                remedy="Ask the sender to deliver the columns, or correct or remove them in the contract.",
                table=table.name,
                fields=missing,
            )

    async def _fields(self, table: Table, file: FileRef) -> tuple[str, ...]:
        start = b"".join([chunk async for chunk in self._bucket.read(file, first_bytes=_HEAD)])
        return fields_at_start(table, file.key, start)
