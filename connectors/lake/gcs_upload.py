"""One object of Cloud Storage, written as its bytes arrive.

The protocol is that of "Perform resumable uploads" (Cloud Storage documentation): a session takes chunks of a multiple
of 256 KiB, answers 308 with the bytes it has, and after a lost answer is asked how far it got.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import google_crc32c
import httpx
from google.api_core import exceptions as api
from google.cloud.storage import Blob
from google.cloud.storage.retry import DEFAULT_RETRY
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random_exponential

from connectors.errors import InternalError, RetryableError, SourceUnavailable
from connectors.lake.gcs_errors import answered, explain, explained

ResultT = TypeVar("ResultT")

QUANTUM = 256 * 1024
"""Bytes: all chunks of a session but the last are a multiple of it."""
ONCE = DEFAULT_RETRY.with_predicate(lambda _: False)
"""For a call that is tried again as a whole: the client's own way does not cover the body of an error."""
_TIMEOUT = httpx.Timeout(60.0, connect=15.0)
_FAREWELL = 10
"""Seconds to wait for an answer when a half-written object is given up."""


class SessionLost(SourceUnavailable):
    """The session is gone, and with it bytes that are no longer here to be sent again."""


class Upload:
    """An object that appears whole, or not at all, and never in the place of another.

    What fits one chunk goes in one request. More goes through a session: one chunk is on its way while the next
    fills, so that about three chunks are in memory.

    Args:
        uri: `gs://bucket/name`, for error texts.
        chunk: bytes sent at once.
        patience: seconds in which a chunk must have arrived, however often it is sent.
    """

    def __init__(self, blob: Blob, uri: str, *, content_type: str, chunk: int, patience: float) -> None:
        self._blob = blob
        self._bucket = str(blob.bucket.name)
        self._uri = uri
        self._content_type = content_type
        self._chunk = chunk
        self._patience = patience
        self._buffer = bytearray()
        self._checksum = google_crc32c.Checksum()
        self._session: _Session | None = None
        self._sending: asyncio.Task[dict[str, Any]] | None = None
        self._may_exist = False
        self.bytes = 0

    async def write(self, data: bytes) -> None:
        """Append bytes. Raises SourceUnavailable, RateLimited, PermissionMissing, ConfigurationError."""
        self._checksum.update(data)
        self.bytes += len(data)
        self._buffer += data
        if len(self._buffer) <= self._chunk:
            return
        size = (len(self._buffer) - 1) // QUANTUM * QUANTUM  # something is left for the last request
        body = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        await self._arrived()
        if self._session is None:
            self._session = await self._begin()
        self._sending = asyncio.create_task(self._session.send(body))

    async def complete(self) -> None:
        """Send what is left and compare the checksum with the one the server reports. Raises as `write`."""
        await self._arrived()
        self._may_exist = True
        if self._session is None:
            stored = await _to_the_end(self._put_whole)
        else:
            stored = await self._session.send(bytes(self._buffer), last=True)
            await self._session.close()
            self._session = None
        ours = base64.b64encode(self._checksum.digest()).decode()
        if (stored["crc32c"], int(stored["size"])) != (ours, self.bytes):
            raise SourceUnavailable(
                f"{self._uri} is not what was sent: {stored['size']} of {self.bytes} bytes, "
                f"checksum {stored['crc32c']} instead of {ours}",
                remedy="Run the flow again: the batch is extracted anew.",
            )

    async def abort(self) -> None:
        """Leave nothing behind, as far as the other side can be reached: without a manifest it does not count."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        if self._session is not None:
            await self._session.cancel()
        if self._may_exist:
            await asyncio.to_thread(self._remove)

    async def _arrived(self) -> None:
        if self._sending is not None:
            await self._sending
            self._sending = None

    async def _begin(self) -> _Session:
        def begin() -> str | None:
            with explained(self._bucket, self._uri):
                return self._blob.create_resumable_upload_session(
                    content_type=self._content_type,
                    if_generation_match=0,
                    retry=DEFAULT_RETRY.with_timeout(self._patience),
                )

        url = await asyncio.to_thread(begin)
        assert url is not None
        return _Session(url, self._bucket, self._uri, self._patience)

    def _put_whole(self) -> dict[str, Any]:
        retry = DEFAULT_RETRY.with_timeout(self._patience)
        with explained(self._bucket, self._uri):
            try:
                retry(self._blob.upload_from_string)(
                    bytes(self._buffer),
                    content_type=self._content_type,
                    if_generation_match=0,
                    checksum="crc32c",
                    retry=ONCE,
                )
            except api.PreconditionFailed:  # an earlier try arrived and its answer did not: names carry a nonce
                self._blob.reload(retry=retry)
        return {"crc32c": self._blob.crc32c, "size": self._blob.size}

    def _remove(self) -> None:
        with contextlib.suppress(Exception):  # the object is nobody's, and the error that led here matters more
            self._blob.delete(retry=DEFAULT_RETRY.with_timeout(_FAREWELL), timeout=_FAREWELL)


class _Session:
    """One resumable upload. Its URL opens it to anyone, so it is in no error text."""

    def __init__(self, url: str, bucket: str, uri: str, patience: float) -> None:
        self._url = url
        self._bucket = bucket
        self._uri = uri
        self._patience = patience
        self._client = httpx.AsyncClient(timeout=_TIMEOUT)
        self._at = 0
        """Bytes the server has."""

    async def send(self, body: bytes, *, last: bool = False) -> dict[str, Any]:
        """Send bytes until the server has them; returns the object's resource after the last ones, else {}."""
        start = self._at
        async for attempt in AsyncRetrying(
            stop=stop_after_delay(self._patience), wait=wait_random_exponential(multiplier=0.2, max=20),
            retry=retry_if_exception(lambda e: isinstance(e, RetryableError) and not isinstance(e, SessionLost)),
            reraise=True,
        ):  # fmt: skip
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    answer = await self._put(b"", "bytes */*")
                    if answer.is_success:
                        return answer.json()
                    self._at = _received(answer)
                return await self._send(body, start, last=last)
        raise AssertionError("unreachable: the last error was raised")

    async def _send(self, body: bytes, start: int, *, last: bool) -> dict[str, Any]:
        end = start + len(body)
        total = str(end) if last else "*"
        while last or self._at < end:
            if not start <= self._at <= end:
                raise SessionLost(f"Cloud Storage lost bytes of {self._uri}: it has {self._at}, sent were {start}")
            before, rest = self._at, body[self._at - start :]
            span = f"{before}-{end - 1}" if rest else "*"
            answer = await self._put(rest, f"bytes {span}/{total}")
            if answer.is_success:
                return answer.json()
            self._at = _received(answer)
            if self._at == before:
                raise SourceUnavailable(f"Cloud Storage takes no more bytes of {self._uri} after {before}")
        return {}

    async def _put(self, body: bytes, span: str) -> httpx.Response:
        try:
            answer = await self._client.put(
                self._url,
                content=_pieces(body),
                headers={"Content-Range": span, "Content-Length": str(len(body))},
            )
        except httpx.TransportError as error:
            raise SourceUnavailable(
                f"the connection to Cloud Storage broke while {self._uri} was written ({type(error).__name__})"
            ) from error
        if answer.is_success or answer.status_code == 308:
            return answer
        if answer.status_code in (404, 410):
            raise SessionLost(f"Cloud Storage gave up the upload of {self._uri} ({answer.status_code})")
        raise explain(answered(answer.status_code, answer.text), self._bucket, self._uri)

    async def cancel(self) -> None:
        """Tell the server to forget what it has. It answers 499."""
        with contextlib.suppress(httpx.HTTPError):
            await self._client.delete(self._url, timeout=_FAREWELL)
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


async def _pieces(body: bytes) -> AsyncGenerator[bytes]:
    """In one piece the body would be copied several times on its way through the HTTP layers."""
    for start in range(0, len(body), QUANTUM):
        yield body[start : start + QUANTUM]


def _received(answer: httpx.Response) -> int:
    """Bytes the server has, from the answer 308; without a Range it has none."""
    text = answer.headers.get("Range", "")
    found = re.fullmatch(r"bytes=0-(\d+)", text)
    if text and not found:
        raise InternalError(f"Cloud Storage answered with the range {text!r}")
    return int(found[1]) + 1 if found else 0


async def _to_the_end(work: Callable[[], ResultT]) -> ResultT:
    """Run in a thread; a caller who is cancelled waits for it, so that nothing appears after the cleaning up."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


__all__ = ["ONCE", "QUANTUM", "SessionLost", "Upload"]
