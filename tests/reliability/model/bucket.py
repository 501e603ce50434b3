"""A bucket of usage files on a socket: list, head and get, as far as a reader of files uses them."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

Trouble = Literal["broken", "busy", "cut", "hangs up", "denied"]
TROUBLES: tuple[Trouble, ...] = ("broken", "busy", "cut", "hangs up", "denied")


@dataclass
class StoredFile:
    """One delivery. `rows` are the row numbers and seeds it holds."""

    body: bytes
    delivered: datetime
    rows: dict[int, int]

    @property
    def etag(self) -> str:
        """As S3 makes it for a single upload."""
        return hashlib.md5(self.body).hexdigest()


@dataclass
class ModelBucket:
    """The files, and a clock.

    Attributes:
        troubles: what goes wrong with the request of that number, counted from the last `arm`.
        hooks: what happens just before the request of that number.
        struck: troubles that a request met since the last `arm`.
    """

    name: str
    now: datetime
    secret: str
    files: dict[str, StoredFile] = field(default_factory=dict[str, StoredFile])
    troubles: dict[int, Trouble] = field(default_factory=dict[int, Trouble])
    hooks: dict[int, Any] = field(default_factory=dict[int, Any])
    calls: int = 0
    struck: int = 0
    _since: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def second(self) -> datetime:
        """The clock as LastModified shows it."""
        return self.now.replace(microsecond=0)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def put(self, key: str, text: str, rows: dict[int, int], *, packed: bool, delivered: datetime) -> None:
        """Deliver a file."""
        body = gzip.compress(text.encode(), 1, mtime=0) if packed else text.encode()
        with self._lock:
            self.files[key] = StoredFile(body, delivered, rows)

    def arm(self, troubles: dict[int, Trouble], hooks: dict[int, Any]) -> None:
        """Set what the next requests meet."""
        with self._lock:
            self.troubles, self.hooks, self._since = dict(troubles), dict(hooks), self.calls
            self.struck = 0

    def answer(self, method: str, url: str, headers: Any) -> tuple[int, dict[str, str], bytes, Trouble | None]:
        """Answer one request: status, headers, body, and how it is spoilt."""
        with self._lock:
            self.calls += 1
            number = self.calls - self._since
            hook = self.hooks.pop(number, None)
            if hook:
                hook()
            trouble = self.troubles.pop(number, None)
            self.struck += trouble is not None
            told = {"Date": format_datetime(self.now, usegmt=True), "Server": "model"}
            if trouble == "broken":
                return 500, told, self._echo("InternalError", headers), None
            if trouble == "busy":
                return 503, told, self._echo("SlowDown", headers), None
            if trouble == "denied":
                return 403, told, self._echo("AccessDenied", headers), None
            parts = urlsplit(url)
            key = unquote(parts.path).removeprefix(f"/{self.name}").lstrip("/")
            if not key:
                query = dict(parse_qsl(parts.query))
                told["Content-Type"] = "application/xml"
                return 200, told, self._listing(query.get("prefix", "")), trouble
            return *self._object(key, headers, told), trouble

    def _echo(self, code: str, headers: Any) -> bytes:
        said = escape(headers.get("Authorization", ""))
        return f"<Error><Code>{code}</Code><Message>you sent {said}</Message></Error>".encode()

    def _listing(self, prefix: str) -> bytes:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{file.delivered:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<ETag>&quot;{file.etag}&quot;</ETag><Size>{len(file.body)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key, file in sorted(self.files.items())
            if key.startswith(prefix)
        )
        count = entries.count("<Contents>")
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
            f"<Name>{self.name}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{count}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        ).encode()

    def _object(self, key: str, headers: Any, told: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        file = self.files.get(key)
        if file is None:
            return 404, told, self._echo("NoSuchKey", {})
        wanted = headers.get("If-Match")
        if wanted is not None and wanted.strip('"') != file.etag:
            return 412, told, self._echo("PreconditionFailed", {})
        told |= {
            "ETag": f'"{file.etag}"',
            "Last-Modified": format_datetime(file.delivered.astimezone(UTC), usegmt=True),
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
        }
        span = headers.get("Range", "")
        if not span.startswith("bytes="):
            return 200, told, file.body
        first, _, last = span.removeprefix("bytes=").partition("-")
        size = len(file.body)
        start, end = (size - int(last), size) if not first else (int(first), min(int(last or size) + 1, size))
        told["Content-Range"] = f"bytes {max(start, 0)}-{end - 1}/{size}"
        return 206, told, file.body[max(start, 0) : end]


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer are two packets: the second would wait for the first one's receipt, 40 ms.
    disable_nagle_algorithm = True
    bucket: ModelBucket

    def do_GET(self) -> None:
        status, headers, body, trouble = self.bucket.answer(self.command, self.path, self.headers)
        if trouble == "hangs up":
            self.close_connection = True
            return
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if trouble == "cut" else body)
        if trouble == "cut":
            self.close_connection = True

    do_HEAD = do_GET  # noqa: N815 - the name the server looks for

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def door() -> Generator[str]:
    """A server for whatever bucket is `shown`; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    host, port = server.server_address[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def show(bucket: ModelBucket) -> None:
    """Put a bucket behind the door."""
    _Door.bucket = bucket
