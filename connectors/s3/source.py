"""Usage files on S3: list, compare with the ledger, copy to the lake as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from connectors.batch import BatchRequest, FileRef, Manifest
from connectors.contract import Column, Table
from connectors.errors import MgdwError, UnknownObject
from connectors.lake import Lake
from connectors.s3 import findings, sets
from connectors.s3.archive import archived
from connectors.s3.bucket import Bucket, FileChangedError
from connectors.s3.clock import s3_clock
from connectors.s3.copying import BatchCopy
from connectors.s3.delivery import Listing, batches, not_loaded, sorted_out, to_archive, twins
from connectors.s3.parquet_footer import fits
from connectors.s3.schema import schema_drift
from connectors.s3.sets import Promise, SetManifest, Waiting
from connectors.s3.settings import S3Settings
from connectors.source import Finding, SchemaDrift, Source, TableState, about

if TYPE_CHECKING:
    from obstore.store import S3CredentialProvider


@dataclass
class _Seen:
    """What this session knows of a table's files."""

    listing: Listing
    waiting: list[Waiting] = field(default_factory=list[Waiting])
    promises: dict[str, Promise] = field(default_factory=dict[str, Promise])
    twins: dict[str, str] = field(default_factory=dict[str, str])
    copied_twins: dict[str, str] = field(default_factory=dict[str, str])


class S3Source(Source):
    """One bucket of usage files; a table is the files below its prefix.

    A file is known by bucket, key and delivery (version, or etag and upload time), never by its time alone: a large
    upload may show up late with an early time. A key that is delivered again comes as a new batch. A file that vanishes
    from the bucket deletes nothing.

    Args:
        settings: bucket, endpoint, keys, role.
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
        self._minimum_age = timedelta(seconds=settings.minimum_age_seconds)
        self._seen: dict[str, _Seen] = {}
        self._drifted: dict[str, Listing] = {}

    async def __aenter__(self) -> Self:
        await self._bucket.login()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def horizon(self, table: Table) -> datetime:
        """When the newest file was delivered. S3 lists consistently, so everything up to now is seen."""
        return (await self._list(table)).deliveries[-1].last_modified

    async def drift(self, table: Table) -> SchemaDrift:
        """Compare the newest readable file's fields with the contract. Raises UnknownObject."""
        listing = self._drifted[table.name] = await self._list(table)
        return await schema_drift(self._bucket, table, listing)

    def fits(self, source_type: str, column: Column) -> bool:
        """Whether every value of a Parquet type fits the column."""
        return fits(source_type, column)

    async def plan(self, table: Table, state: TableState, *, full: bool = False) -> list[BatchRequest]:
        """Batches of the files the ledger does not hold and that are whole; with `full`, of all files.

        Raises:
            UnknownObject: no bucket, or nothing below the prefix.
        """
        listing = self._drifted.pop(table.name, None) or await self._list(table)
        seen = self._seen[table.name] = await self._look(table, listing, state)
        new = not_loaded(listing.deliveries, state.files)
        files = sets.ready(listing.deliveries if full else new, seen.waiting)
        return batches(
            table,
            files,
            most_files=self._settings.batch_files,
            most_bytes=self._settings.batch_bytes,
            label=f"all files at {listing.now:%Y-%m-%dT%H:%M:%SZ}" if full else "",
        )

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
                    batch = self._copy(request, lake)
                    try:
                        manifest = await batch.run()
                    except Exception as error:  # noqa: BLE001 - the other batches go on; raised together below
                        if isinstance(error, MgdwError):
                            error.facts.setdefault("table", request.table.name)
                        failures.append(error)
                        continue
                    failures.extend(batch.set_aside)
                    if manifest:
                        self._note(manifest)
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
            await asyncio.gather(*running)  # what is no Exception was not caught in there, and ends the run
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        if failures:
            raise ExceptionGroup("some usage files were not loaded", failures)

    async def findings(self, table: Table, state: TableState) -> list[Finding]:
        """What people should know besides what was loaded: files that wait, are empty, overdue, or came twice.

        Ask after the load, with the ledger's state after it.
        """
        seen = self._seen.pop(table.name, None) or await self._look(table, await self._list(table), state)
        listing, ledger_keys = seen.listing, {key for _, key, _ in state.files}
        dated = {*ledger_keys, *(f.key for f in (*listing.deliveries, *listing.empty))}
        newest = max((f.last_modified for f in listing.deliveries), default=None)
        patience = timedelta(hours=self._settings.incomplete_hours)
        return [
            *findings.waiting_files(table, seen.waiting, listing.now, patience),
            *findings.empty_files(table, listing.empty, ledger_keys, listing.now),
            *findings.same_content(table, seen.copied_twins),
            *findings.late(table, dated, newest, listing.now),
        ]

    async def archive(self, table: Table, state: TableState) -> list[str]:
        """Move files that the ledger has to the archive the contract names; returns their old keys.

        Ask after the load, with the ledger's state after it. Repeating it, or dying in it, loses nothing.

        Raises:
            PermissionMissing: the keys may read, but not write or delete; nothing else is concerned.
        """
        if table.files.archive is None:
            return []
        due = to_archive(table, await self._list(table), state.files)
        return await archived(self._bucket, due, self._downloads)

    def _copy(self, request: BatchRequest, lake: Lake) -> BatchCopy:
        seen = self._seen.get(request.table.name)
        return BatchCopy(
            request,
            self._bucket,
            lake,
            self._downloads,
            promises=seen.promises if seen else {},
            twins=seen.twins if seen else {},
            may_follow=self._may_follow,
        )

    async def _may_follow(self, table: Table, file: FileRef) -> bool:
        """Whether a delivery that came while an earlier one was read may be read in this run."""
        if table.files.complete_when:
            return False
        return not sets.too_young([file], await s3_clock(self._settings), self._minimum_age)

    def _note(self, manifest: Manifest) -> None:
        if seen := self._seen.get(manifest.table):
            seen.copied_twins |= manifest.details.get("same_content", {})

    async def _list(self, table: Table) -> Listing:
        now = await s3_clock(self._settings)
        try:
            listing = sorted_out(table, await self._bucket.files(table.object), now)
        except MgdwError as error:
            raise about(error, table) from None
        if not listing.deliveries:
            raise UnknownObject(
                f"there is no file below s3://{self._bucket.name}/{table.object}",
                remedy=f"Correct `prefix` of {table.name} in the contract, or ask the sender for the files. Rows of "
                "files that were there once stay loaded.",
                table=table.name,
            )
        return listing

    async def _look(self, table: Table, listing: Listing, state: TableState) -> _Seen:
        """Tell which of the new files must wait, and what their manifests promise."""
        new = not_loaded(listing.deliveries, state.files)
        seen = _Seen(listing, twins=twins(listing.deliveries, state.files))
        seen.waiting = sets.too_young(new, listing.now, self._minimum_age)
        rule, rest = table.files.complete_when, sets.ready(new, seen.waiting)
        if rule and rule.kind == "marker":
            seen.waiting += sets.without_marker(rest, listing.present, rule.name, table.object)
        elif rule:
            manifests = await self._manifests(rest, listing.present, rule.name)
            seen.waiting += sets.unfulfilled(rest, listing.present, manifests, rule.name)
            seen.promises = {key: promise for found in manifests.values() for key, promise in found.promises.items()}
        return seen

    async def _manifests(
        self, files: Iterable[FileRef], present: Mapping[str, FileRef], name: str
    ) -> dict[str, SetManifest]:
        found: dict[str, SetManifest] = {}
        for key in sorted({sets.manifest_key(f.key, name) for f in files}):
            if key not in present:
                continue
            try:
                body = b"".join([chunk async for chunk in self._bucket.read(present[key])])
            except FileChangedError:
                found[key] = SetManifest({}, "was replaced while it was read")
            else:
                found[key] = sets.read_manifest(body, self._bucket.name, key[: key.rfind("/") + 1])
        return found
