"""Objects of Cloud Storage as local files: ranges side by side, then the checksum of the whole file."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
from google.api_core import exceptions as api
from google.cloud.storage import Blob
from google.cloud.storage.retry import DEFAULT_RETRY

from connectors.errors import SourceUnavailable, UnreadableFile
from connectors.lake.disk import room_for
from connectors.lake.gcs_errors import explained

_RANGE = 32 * 1024 * 1024
"""Bytes of one request."""
_AT_ONCE = 8
"""Requests at once: the client keeps ten connections."""
_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Download:
    """One object, of exactly the generation that was listed, and the file it becomes."""

    blob: Blob
    uri: str
    size: int
    crc32c: str
    path: Path


def download(wanted: Sequence[Download], *, patience: float) -> None:
    """Fetch all objects; `patience` is in seconds and per request, however often it is tried.

    Raises:
        UnreadableFile: an object was removed meanwhile.
        StorageFull: the disk takes no more.
        SourceUnavailable: no answer, or not the bytes that were stored.
        PermissionMissing, CredentialsRefused: as the names say.
    """
    for one in wanted:
        with room_for(one.path), one.path.open("wb") as file:
            file.truncate(one.size)
    pieces = [_Range(one, start, patience) for one in wanted for start in range(0, one.size, _RANGE)]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="lake") as pool:
        try:
            deque(pool.map(_Range.fetch, pieces), maxlen=0)
            deque(pool.map(_verify, wanted), maxlen=0)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@dataclass(frozen=True)
class _Range:
    of: Download
    start: int
    patience: float

    def fetch(self) -> None:
        one = self.of
        end = min(self.start + _RANGE, one.size) - 1
        retry = DEFAULT_RETRY.with_timeout(self.patience)
        with explained(str(one.blob.bucket.name), one.uri), room_for(one.path), one.path.open("r+b") as file:
            file.seek(self.start)
            try:
                one.blob.download_to_file(
                    file, start=self.start, end=end, raw_download=True, retry=retry,
                    checksum=None,  # pyright: ignore[reportArgumentType] - of the whole file, below
                )  # fmt: skip
            except api.NotFound as error:
                raise gone(one.uri) from error


def _verify(one: Download) -> None:
    checksum = google_crc32c.Checksum()
    with one.path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum.update(block)
    if base64.b64encode(checksum.digest()).decode() != one.crc32c:
        raise SourceUnavailable(f"{one.uri} did not arrive as it is stored (its checksum differs)")


def gone(uri: str) -> UnreadableFile:
    """A part that a manifest names and the lake lacks."""
    return UnreadableFile(
        f"{uri} is not in the lake any more, though its batch is",
        remedy="Remove the batch's manifest.json and run again: it is extracted anew. Look at the bucket's lifecycle "
        "rules: they must not remove raw data that is still to be read.",
    )


__all__ = ["Download", "download", "gone"]
