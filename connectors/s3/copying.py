"""Copies the files of one batch to the lake, several at a time, each checked while it passes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from connectors.batch import BatchRequest, FileRef, Manifest, Part, PartFormat
from connectors.contract import Table
from connectors.errors import MgdwError, PermissionMissing, SourceUnavailable, UnreadableFile
from connectors.lake import Lake
from connectors.progress import ProgressEvent, Stage, emit
from connectors.s3.bucket import Bucket, FileChangedError
from connectors.s3.content import GZIP_MAGIC, RESEND, Content, Inspector
from connectors.s3.sets import Promise
from connectors.source import about

_MOST_CHANGES = 3
"""How often a file may be replaced while it is read before the next run has to take it."""


@dataclass(frozen=True)
class Copied:
    """One file in the lake, and the delivery of it that was read."""

    file: FileRef
    part: Part
    rows: int | None


class BatchCopy:
    """Copies one batch. The batch keeps its id when a file changed meanwhile: the manifest says what was read.

    Args:
        promises: what the sender's manifest says, by key.
        twins: keys whose content seems to have come before, and the earlier key.
        may_follow: whether a newer delivery that came meanwhile may be read.

    Attributes:
        set_aside: the files that could not be read, as errors; the rest of the batch was committed.
    """

    def __init__(
        self,
        request: BatchRequest,
        bucket: Bucket,
        lake: Lake,
        downloads: asyncio.Semaphore,
        *,
        promises: Mapping[str, Promise],
        twins: Mapping[str, str],
        may_follow: Callable[[Table, FileRef], Awaitable[bool]],
    ) -> None:
        self.set_aside: list[MgdwError] = []
        self._request = request
        self._bucket = bucket
        self._lake = lake
        self._downloads = downloads
        self._promises = promises
        self._twins = twins
        self._may_follow = may_follow
        self._rows = 0
        self._bytes = 0
        self._of_bytes = sum(file.size for file in request.files)

    async def run(self) -> Manifest | None:
        """Copy what is not in the lake yet and commit it. Returns None if no file of the batch could be read.

        Raises:
            MgdwError: what stops the whole batch: no access, no answer, no room in the lake.
        """
        request = self._request
        done = await self._lake.manifest(request.prefix)
        if done is not None:
            self.set_aside = [self._again(*aside) for aside in done.details.get("set_aside", {}).items()]
            return done
        self._tell("extracting")
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._file(n, file)) for n, file in enumerate(request.files)]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None  # one stops the batch; the others are its echo
        copied = [found for task in tasks if (found := task.result())]
        if not copied:
            self._explain_nothing()
            return None
        manifest = await self._lake.commit(self._manifest(copied))
        self._tell("extracted")
        return manifest

    async def _file(self, number: int, file: FileRef) -> Copied | None:
        """Copy one file; None if it was set aside or withdrawn."""
        try:
            for _ in range(_MOST_CHANGES):
                try:
                    async with self._downloads:
                        return await self._copy(number, file)
                except FileChangedError:
                    file = await self._bucket.head(file.key)
                    if not await self._may_follow(self._request.table, file):
                        break
        except FileChangedError:
            return None  # withdrawn
        except (UnreadableFile, PermissionMissing) as error:
            self.set_aside.append(about(error, self._request.table))
            return None
        self.set_aside.append(
            SourceUnavailable(
                f"{file.key} was delivered again while it was read, and may not be whole yet",
                remedy="Run again when the sender has finished.",
                table=self._request.table.name,
                key=file.key,
            )
        )
        return None

    async def _copy(self, number: int, file: FileRef) -> Copied:
        table = self._request.table
        kind = cast(PartFormat, table.format)
        inspector = Inspector(table, file.key)
        # A promise is for the delivery that was listed; of another one it says nothing.
        promise = self._promises.get(file.key, Promise()) if file in self._request.files else Promise()
        digests = {
            name: hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha256") if getattr(promise, name)
        }

        def look(chunk: bytes) -> None:
            for digest in digests.values():
                digest.update(chunk)
            inspector.feed(chunk)

        async with aclosing(self._bucket.read(file)) as chunks:
            chunk = await anext(chunks, b"")
            packed = kind != "parquet" and chunk.startswith(GZIP_MAGIC)
            async with self._lake.new_part(
                self._request.prefix,
                f"rows-{number:05d}.{kind}{'.gz' if packed else ''}",
                kind="rows",
                format=kind,
                source_file=file.key,
            ) as part:
                while chunk:
                    await part.write(chunk)
                    await asyncio.to_thread(look, chunk)
                    chunk = await anext(chunks, b"")
                content = await asyncio.to_thread(inspector.finish)
                for name, digest in digests.items():
                    if digest.hexdigest() != getattr(promise, name):
                        raise inspector.unreadable(f"is not the file its manifest names: another {name}")
                if None not in (content.rows, promise.rows) and content.rows != promise.rows:
                    raise inspector.unreadable(f"has {content.rows} rows, its manifest says {promise.rows}")
                rows = promise.rows if content.rows is None else content.rows
                part.finish(header=self._header(content), rows=rows)
        self._rows += rows or 0
        self._bytes += part.part.bytes
        self._tell("extracting")
        return Copied(file, part.part, promise.rows)

    def _header(self, content: Content) -> tuple[str, ...]:
        """All fields that may occur: a JSON record leaves out what is null, so that a field need not be in the file."""
        if self._request.table.format != "jsonl":
            return content.header
        found = {field.casefold() for field in content.header}
        lacking = (f for f in self._request.table.fields if f.casefold() not in found)
        return (*content.header, *(f for f in lacking if f not in self._request.absent))

    def _manifest(self, copied: list[Copied]) -> Manifest:
        request = self._request
        return Manifest.of(
            request,
            parts=(c.part for c in copied),
            source_rows=None if any(c.rows is None for c in copied) else sum(c.rows or 0 for c in copied),
            files=tuple(c.file for c in copied),
            details=self._details(copied),
        )

    def _details(self, copied: list[Copied]) -> dict[str, Any]:
        listed, read = {f.key: f for f in self._request.files}, {c.file.key: c.file for c in copied}
        wanted = {f.casefold(): f for f in self._request.table.fields}
        aside = {str(e.facts["key"]): e.cause for e in self.set_aside}
        found = {
            "bucket": self._request.files[0].bucket,
            "set_aside": aside,
            "delivered_again": [key for key, file in read.items() if file != listed[key]],
            "withdrawn": [key for key in listed if key not in read and key not in aside],
            "fields_missing": {
                c.file.key: gone
                for c in copied
                if (gone := [f for folded, f in wanted.items() if folded not in {h.casefold() for h in c.part.header}])
            },
            "same_content": {
                c.file.key: self._twins[c.file.key]
                for c in copied
                if c.file.key in self._twins and c.file == listed[c.file.key] and c.part.rows != 0
            },
        }
        return {name: value for name, value in found.items() if value}

    def _explain_nothing(self) -> None:
        refused = [e for e in self.set_aside if isinstance(e, PermissionMissing)]
        if len(refused) == len(self.set_aside) and refused:
            del self.set_aside[1:]  # every file says the same
        if not self.set_aside:
            raise SourceUnavailable(
                f"{self._request.table.name}: all {len(self._request.files)} files were withdrawn while they were read",
                table=self._request.table.name,
            )

    def _again(self, key: str, cause: str) -> UnreadableFile:
        return UnreadableFile(cause, remedy=RESEND, table=self._request.table.name, key=key)

    def _tell(self, stage: Stage) -> None:
        event = ProgressEvent("s3", self._request.table.name, stage, self._rows, self._bytes, of_bytes=self._of_bytes)
        emit(event)
