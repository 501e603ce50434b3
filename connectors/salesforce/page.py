"""Looking into a result page while its bytes pass by: its header line, and whether gzip agrees that it is whole."""

from __future__ import annotations

import csv
import zlib

import httpx

from connectors.errors import TruncatedBody, UnreadableFile

CHECKED_BYTES = 1 << 20
"""Pages up to this size, as sent, are inflated to check them. For the end of larger ones HTTP's own framing vouches:
inflating everything would cost more time than downloading it."""
_LONGEST_HEADER = 1 << 20
_GZIP = 31


class PageCheck:
    """Fed with a page's bytes as sent.

    Pages up to CHECKED_BYTES are inflated in full, so that gzip's own checksum and length are compared; so is
    every page whose end HTTP does not mark (neither Content-Length nor chunks).
    """

    def __init__(self, headers: httpx.Headers) -> None:
        self.gzipped = headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
        length = headers.get("Content-Length", "")
        self._framed = length.isdigit() or "chunked" in headers.get("Transfer-Encoding", "").lower()
        self._large = length.isdigit() and int(length) > CHECKED_BYTES
        self._inflate = zlib.decompressobj(_GZIP)
        self._checking = True
        self._seen = 0
        self._head = b""
        self._header: tuple[str, ...] | None = None

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes. Raises TruncatedBody or UnreadableFile."""
        self._seen += len(chunk)
        if not self._checking:
            return
        text = self._inflated(chunk) if self.gzipped else chunk
        if self._header is None:
            self._head += text
            line, end, _ = self._head.partition(b"\n")
            if end:
                self._header = _columns(line)
                self._head = b""
            elif len(self._head) > _LONGEST_HEADER:
                raise UnreadableFile("a result page has no header line: its first line is over 1 MiB long")
        self._large = self._large or (self._framed and self._seen > CHECKED_BYTES)
        if self._header is not None and (self._large or not self.gzipped):
            self._checking = False

    def end(self) -> tuple[str, ...]:
        """The page's column names, once all bytes were fed. Raises TruncatedBody."""
        if self._checking and self.gzipped and self._seen and not self._inflate.eof:
            raise TruncatedBody(f"a result page's gzip stream ends in its middle, after {self._seen} bytes")
        return self._header if self._header is not None else _columns(self._head)

    def _inflated(self, chunk: bytes) -> bytes:
        text = b""
        try:
            while chunk:
                if self._inflate.eof:
                    self._inflate = zlib.decompressobj(_GZIP)
                text += self._inflate.decompress(chunk)
                chunk = self._inflate.unused_data
        except zlib.error as error:
            raise TruncatedBody(f"a result page's gzip stream is broken: {error}") from None
        return text


def _columns(line: bytes) -> tuple[str, ...]:
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"a result page's header line is not UTF-8: {error.reason}") from None
    try:
        return tuple(next(csv.reader([text]), ()))
    except csv.Error as error:
        raise UnreadableFile(f"a result page's header line is no CSV: {error}") from None
