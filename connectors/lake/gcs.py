"""The lake as a bucket of Cloud Storage."""

from __future__ import annotations

import asyncio
import functools
import itertools
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from google.api_core import exceptions as api
from google.cloud.storage import Blob, Client
from google.cloud.storage.retry import DEFAULT_RETRY

from connectors.batch import Manifest, Part, PartFormat, PartKind
from connectors.errors import InternalError, UnreadableFile
from connectors.google import GoogleAccess
from connectors.lake.gcs_download import Download, download, gone
from connectors.lake.gcs_errors import bucket_is_missing, explained
from connectors.lake.gcs_upload import ONCE, QUANTUM, Upload
from connectors.lake.names import MANIFEST, read_manifest, with_nonce

_CONTENT_TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}


class GcsLake:
    """Immutable objects below one prefix of a bucket, named as in every lake: `raw/<source>/<table>/<date>/<batch>/…`.

    A packed part is stored as what it is, `application/gzip`, never with a Content-Encoding: Cloud Storage would
    unpack it on the way out, and then neither its size nor its checksum would be those of the object.

    Args:
        bucket: name of a bucket that exists; the account needs roles/storage.objectUser on it.
        prefix: where the lake's root is in the bucket; empty for the bucket itself.
        chunk: bytes sent at once, a multiple of 256 KiB; a part being written keeps about three of them in memory.
        patience: seconds in which a request, or a chunk, must succeed, however often it is tried.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        google: GoogleAccess,
        chunk: int = 8 * 1024 * 1024,
        patience: float = 120.0,
    ) -> None:
        if chunk <= 0 or chunk % QUANTUM:
            raise ValueError(f"chunk is {chunk}: Cloud Storage takes multiples of {QUANTUM} bytes")
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._google = google
        self._chunk = chunk
        self._patience = patience
        self._retry = DEFAULT_RETRY.with_timeout(patience)

    @asynccontextmanager
    async def new_part(
        self,
        prefix: str,
        name: str,
        *,
        kind: PartKind,
        format: PartFormat,  # noqa: A002 - as in the interface
        source_file: str | None = None,
    ) -> AsyncGenerator[GcsPartWriter]:
        """Open a part for writing; see `Lake.new_part`.

        Raises:
            SourceUnavailable, RateLimited: no answer in time, or not the bytes that were sent.
            PermissionMissing, CredentialsRefused, ConfigurationError: the bucket is closed to us, or is not there.
        """
        part = Part(with_nonce(name), kind, format, (), None, 0, source_file)
        path = f"{prefix}/{part.name}"
        upload = Upload(
            await asyncio.to_thread(self._blob, path),
            self._uri(path),
            content_type="application/gzip" if name.endswith(".gz") else _CONTENT_TYPES[format],
            chunk=self._chunk,
            patience=self._patience,
        )
        writer = GcsPartWriter(upload, part)
        try:
            yield writer
            await writer.close()
        except BaseException:
            await upload.abort()
            raise

    async def commit(self, manifest: Manifest) -> Manifest:
        """Write `manifest.json`, create-only; see `Lake.commit`. Raises as `new_part`."""
        return await asyncio.to_thread(self._commit, manifest)

    def _commit(self, manifest: Manifest) -> Manifest:
        path = f"{manifest.prefix}/{MANIFEST}"
        there = self._listed(manifest.prefix)
        for part in manifest.parts:
            if part.name not in there:
                raise InternalError(f"the manifest {self._uri(path)} names a part that is not there: {part.name}")
        try:
            self._write(path, manifest.to_json(), "application/json", if_generation_match=0)
        except api.PreconditionFailed:
            # Another run was first; or we were, and our answer was lost: both are read back the same way.
            found = self._read_manifest(path)
            if found is None:
                raise InternalError(f"{self._uri(path)} was there when it was written and is not when read") from None
            return found
        return manifest

    async def manifest(self, prefix: str) -> Manifest | None:
        """The committed manifest below `prefix`, or None. Raises UnreadableFile, and as `new_part`."""
        return await asyncio.to_thread(self._read_manifest, f"{prefix}/{MANIFEST}")

    async def manifests(self, source: str, table: str) -> AsyncIterator[Manifest]:
        """All committed manifests of a table, oldest window first, read day by day. Raises as `manifest`."""
        paths = await asyncio.to_thread(self._manifest_paths, f"raw/{source}/{table}")
        for _, day in itertools.groupby(paths, key=lambda path: path.split("/")[3]):
            found = await asyncio.gather(*(asyncio.to_thread(self._read_manifest, path) for path in day))
            for manifest in sorted(
                (m for m in found if m is not None), key=lambda m: (m.window.hi, m.extracted_at, m.batch_id)
            ):
                yield manifest

    async def note(self, prefix: str, name: str, text: str) -> None:
        """Write a small text, replacing the one before; see `Lake.note`. Raises as `new_part`."""
        await asyncio.to_thread(self._write, f"{prefix}/{name}", text, "text/plain; charset=utf-8")

    async def read_note(self, prefix: str, name: str) -> str | None:
        """The text of a note, or None. Raises as `new_part`."""
        return await asyncio.to_thread(self._read, f"{prefix}/{name}")

    def uri(self, manifest: Manifest, part: Part) -> str:
        """`gs://bucket/name` of the part."""
        return self._uri(f"{manifest.prefix}/{part.name}")

    @contextmanager
    def local(self, manifest: Manifest, parts: Iterable[Part]) -> Generator[Mapping[str, str]]:
        """The parts, downloaded to a folder below TMPDIR that goes with the block; see `Lake.local`."""
        there = self._listed(manifest.prefix)
        with tempfile.TemporaryDirectory(prefix="mgdw-lake-", ignore_cleanup_errors=True) as folder:
            wanted: dict[str, Download] = {}
            for part in parts:
                uri, stored = self.uri(manifest, part), there.get(part.name)
                if stored is None:
                    raise gone(uri)
                if stored.size != part.bytes:
                    raise UnreadableFile(
                        f"{uri} was changed: it has {stored.size} bytes, written were {part.bytes}",
                        remedy="Remove the batch's manifest.json and run again: it is extracted anew.",
                    )
                wanted[part.name] = Download(stored, uri, part.bytes, str(stored.crc32c), Path(folder, part.name))
            download(list(wanted.values()), patience=self._patience)
            yield {name: str(one.path) for name, one in wanted.items()}

    @functools.cached_property
    def _client(self) -> Client:
        with explained(self.bucket, f"gs://{self.bucket}"):
            return self._google.storage()

    def _uri(self, path: str) -> str:
        return f"gs://{self.bucket}/{self.prefix}{path}"

    def _blob(self, path: str) -> Blob:
        return self._client.bucket(self.bucket).blob(self.prefix + path)

    def _write(self, path: str, text: str, content_type: str, *, if_generation_match: int | None = None) -> None:
        with explained(self.bucket, self._uri(path)):
            self._retry(self._blob(path).upload_from_string)(
                text.encode(),
                content_type=content_type,
                if_generation_match=if_generation_match,
                checksum="crc32c",
                retry=ONCE,
            )

    def _read(self, path: str) -> str | None:
        with explained(self.bucket, self._uri(path)):
            try:
                return self._retry(self._blob(path).download_as_bytes)(raw_download=True, retry=ONCE).decode()
            except api.NotFound as error:
                if bucket_is_missing(error):
                    raise
                return None

    def _read_manifest(self, path: str) -> Manifest | None:
        text = self._read(path)
        return None if text is None else read_manifest(text, self._uri(path))

    def _listed(self, prefix: str) -> dict[str, Blob]:
        """The objects right below `prefix` by name, each tied to its generation."""
        below = f"{self.prefix}{prefix}/"
        with explained(self.bucket, f"gs://{self.bucket}/{below}"):
            found = self._client.list_blobs(
                self.bucket, prefix=below, delimiter="/", retry=self._retry,
                fields="items(name,size,crc32c,generation),prefixes,nextPageToken",
            )  # fmt: skip
            return {str(blob.name).removeprefix(below): blob for blob in found}

    def _manifest_paths(self, prefix: str) -> list[str]:
        below = f"{self.prefix}{prefix}/"
        with explained(self.bucket, f"gs://{self.bucket}/{below}"):
            found = self._client.list_blobs(
                self.bucket, prefix=below, match_glob=f"{below}*/*/{MANIFEST}", retry=self._retry,
                fields="items(name),nextPageToken",
            )  # fmt: skip
            names = [str(blob.name).removeprefix(self.prefix) for blob in found]
        return sorted(name for name in names if name.endswith(f"/{MANIFEST}") and name.count("/") == 5)


class GcsPartWriter:
    """Receives one part's bytes; see `PartWriter`."""

    def __init__(self, upload: Upload, unfinished: Part) -> None:
        self._upload = upload
        self._unfinished = unfinished
        self._summary: tuple[tuple[str, ...], int | None] | None = None
        self._part: Part | None = None

    async def write(self, chunk: bytes) -> None:
        """Append bytes as received. Raises as `GcsLake.new_part`."""
        await self._upload.write(chunk)

    def finish(self, *, header: tuple[str, ...], rows: int | None) -> None:
        """Say what was written, before the block ends. Without it the part is dropped."""
        self._summary = (header, rows)

    @property
    def part(self) -> Part:
        """The finished part; only after the block."""
        if self._part is None:
            raise InternalError(f"{self._unfinished.name} was not finished, so it is no part of any batch")
        return self._part

    async def close(self) -> None:
        """Send the rest and see that all arrived; drops an unfinished part."""
        if self._summary is None:
            await self._upload.abort()
            return
        await self._upload.complete()
        header, rows = self._summary
        self._part = replace(self._unfinished, header=tuple(header), rows=rows, bytes=self._upload.bytes)


__all__ = ["GcsLake", "GcsPartWriter"]
