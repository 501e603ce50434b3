"""The bucket into which the brands deliver usage files: moto's S3, with checked signatures and scripted faults."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, cast
from xml.sax.saxutils import escape

import anyio.to_thread
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.exceptions import MissingBucket
from moto.s3.models import S3Backend, s3_backends
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from sandbox.faults import FaultInjector, Faults
from sandbox.server import Servers
from sandbox.sigv4 import refusal, scope_of
from sandbox.sts import Role

REGION = "us-east-1"


class Delivery(Protocol):
    """A file as a sender delivers it. `last_modified` is UTC and becomes the object's LastModified."""

    @property
    def key(self) -> str: ...

    @property
    def body(self) -> bytes | Path: ...

    @property
    def last_modified(self) -> datetime: ...


class S3Server:
    """One versioned bucket on loopback. Use as `with S3Server() as s3:`, or `start` and `stop`.

    moto keeps its state per process, so every server has a bucket name of its own.

    Args:
        faults: interfere with the requests; its own set by default.
        bucket: name of the bucket; made up by default.
        clock: the time its answers carry (UTC); this machine's by default.
        role: the role that must be taken on to read the bucket; None lets the keys in themselves.

    Attributes:
        url: endpoint, once started.
        credentials: access key id and secret key that are let in.
    """

    def __init__(
        self,
        *,
        faults: Faults | None = None,
        bucket: str | None = None,
        clock: Callable[[], datetime] | None = None,
        role: Role | None = None,
    ) -> None:
        self.clock = clock or (lambda: datetime.now(UTC))
        self.role = role
        self.faults = faults or Faults()
        self.bucket = bucket or f"usage-delivery-{secrets.token_hex(4)}"
        self.credentials = (f"AKIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30))
        self.url = ""
        self._servers = Servers()
        self._moto = cast(S3Backend, s3_backends[DEFAULT_ACCOUNT_ID]["aws"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, port: int = 0) -> None:
        """Create the bucket and serve it; port 0 for any free one."""
        self._moto.create_bucket(self.bucket, REGION)
        self._moto.put_bucket_versioning(self.bucket, "Enabled")
        access_key, secret_key = self.credentials
        app = FaultInjector(_S3App(self, {access_key: secret_key}), self.faults)
        self.url = self._servers.serve(app, port=port, date_header=False)

    def stop(self) -> None:
        """Stop serving and forget the bucket."""
        self._servers.stop()
        with suppress(MissingBucket):
            self._moto.get_bucket(self.bucket).keys.clear()
            self._moto.delete_bucket(self.bucket)

    def deliver(self, files: Iterable[Delivery]) -> int:
        """Put the files into the bucket, newer ones over older ones of the same key; returns how many.

        Straight into moto's store: over HTTP a thousand files take ten seconds.
        """
        count = 0
        for file in files:
            body = file.body.read_bytes() if isinstance(file.body, Path) else file.body
            stored = self._moto.put_object(self.bucket, file.key, body)
            stored.last_modified = file.last_modified.astimezone(UTC).replace(tzinfo=None)
            count += 1
        return count

    def withdraw(self, key: str) -> None:
        """Delete the newest version of a file, as a sender would."""
        self._moto.delete_object(self.bucket, key)


class _S3App:
    """moto's WSGI application behind a signature check."""

    def __init__(self, server: S3Server, secret_keys: dict[str, str]) -> None:
        self._server = server
        self._secret_keys = secret_keys
        self._moto = DomainDispatcherApplication(create_backend_app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        request = Request(scope, receive)
        body = await request.body()
        response = await anyio.to_thread.run_sync(self._answer, request, body)
        response.headers["date"] = format_datetime(self._server.clock().astimezone(UTC), usegmt=True)
        await response(scope, receive, send)

    def _answer(self, request: Request, body: bytes) -> Response:
        raw_path = cast(bytes, request.scope["raw_path"]).decode("ascii")
        query = request.url.query
        role = self._server.role
        secrets_of = self._secret_keys | (role.secrets if role else {})
        refused = refusal(request.method, raw_path, query, request.headers, secrets_of, body=body)
        key, service = scope_of(request.headers)
        if role and not refused and service == "s3":
            refused = role.refusal(key, request.headers)
        if refused:
            return _sts_error(refused[0]) if service == "sts" else _error(403, *refused)
        if role and service == "sts":
            answer = role.assume(body, lambda: bytes(self._moto_answer(request, raw_path, query, body).body))
            return Response(answer, media_type="text/xml") if answer else _sts_error("AccessDenied")
        return self._moto_answer(request, raw_path, query, body)

    def _moto_answer(self, request: Request, raw_path: str, query: str, body: bytes) -> Response:
        builder = EnvironBuilder(
            method=request.method, query_string=query, data=body, headers=Headers(request.headers.items())
        )
        environ: dict[str, Any] = builder.get_environ()
        environ["PATH_INFO"] = request.scope["path"].encode().decode("latin-1")
        environ["RAW_URI"] = environ["REQUEST_URI"] = f"{raw_path}?{query}" if query else raw_path
        chunks, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        response = Response(b"".join(chunks), status_code=int(status.split()[0]))
        response.raw_headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        return response


def _sts_error(code: str) -> Response:
    text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error></ErrorResponse>"
    return Response(text, status_code=403, media_type="text/xml")


def _error(status: int, code: str, message: str) -> Response:
    text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Response(text, status_code=status, media_type="application/xml")
