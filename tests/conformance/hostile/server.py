"""What all hostile servers share: wares, the shape of their answers, sessions, faults."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import format_datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import FaultInjector, Faults
from tests.conformance.ware import EPOCH, Ware

HTML = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>We will be right back</h1></body></html>"
_CHUNK = 7


@dataclass
class Shape:
    """How the server answers. Everything at once is allowed.

    Attributes:
        page_rows: rows of a page or file.
        chunked: bodies in chunks of a few bytes, no Content-Length.
        close: the connection is closed after every answer.
        loud: header names in capitals, and headers nobody asked for.
        empty_pages: a page without rows between any two.
        repeat_page: the page that is sent twice.
        repeat_hides: the page sent twice takes the place of the next one.
        miscount: added to the server's own count of rows.
        html: so many data answers are a web page with status 200.
        null_spelled: JSON says `null` instead of leaving the field out.
    """

    page_rows: int = 5
    gzip: bool = True
    chunked: bool = False
    close: bool = False
    loud: bool = False
    bom: bool = False
    line_end: str = "\n"
    quote_all: bool = True
    upper_header: bool = False
    empty_pages: bool = False
    repeat_page: int | None = None
    repeat_hides: bool = False
    miscount: int = 0
    html: int = 0
    null_spelled: bool = False
    escaped: bool = False


@dataclass
class Hostile:
    """State of one hostile server.

    Attributes:
        forbidden: objects that this user may not see.
        tokens: living access tokens.
    """

    wares: dict[str, Ware] = field(default_factory=dict[str, Ware])
    shape: Shape = field(default_factory=Shape)
    faults: Faults = field(default_factory=Faults)
    forbidden: set[str] = field(default_factory=set[str])
    tokens: set[str] = field(default_factory=set[str])

    def ware(self, name: str) -> Ware | None:
        """The ware of that object name, in any case, unless it is forbidden."""
        found = next((w for w in self.wares.values() if w.object.lower() == name.lower()), None)
        return None if found is None or found.object in self.forbidden else found

    def log_in(self) -> str:
        """A new token."""
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        return token

    def is_known(self, request: Request) -> bool:
        """True when the request carries a living token."""
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self.tokens

    @property
    def clock(self) -> str:
        """The `Date` of an answer."""
        now = max((w.now for w in self.wares.values()), default=EPOCH)
        return format_datetime(now.astimezone(UTC), usegmt=True)

    def pages(self, rows: list[Any]) -> list[list[Any]]:
        """Rows as the shape pages them."""
        size, shape = self.shape.page_rows, self.shape
        pages = [rows[i : i + size] for i in range(0, len(rows), size)] or [[]]
        if shape.repeat_page is not None and shape.repeat_page < len(pages):
            at = shape.repeat_page
            pages[at + 1 : at + 2 if shape.repeat_hides else at + 1] = [pages[at]]
        if shape.empty_pages:
            pages = [page for full in pages for page in (full, [])]
        return pages

    def body(self, body: bytes, request: Request, *, media: str, headers: dict[str, str] | None = None) -> Response:
        """A data answer in the server's shape."""
        shape = self.shape
        if shape.html > 0:
            shape.html -= 1
            return Response(HTML, media_type="text/html")
        sent = dict(headers or {})
        if shape.gzip and "gzip" in request.headers.get("accept-encoding", ""):
            body = gzip.compress(body, 1)
            sent["Content-Encoding"] = "gzip"
        if not shape.chunked:
            return Response(body, media_type=media, headers=sent)
        step = max(_CHUNK, len(body) // 50)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(body), step):
                yield body[start : start + step]

        return StreamingResponse(pieces(), media_type=media, headers=sent)

    def wrapped(self, app: Starlette) -> ASGIApp:
        """The app with this server's faults, clock and headers."""
        return FaultInjector(_Manners(app, self), self.faults)


class _Manners:
    """Adds the clock, and what the shape says about headers and connections."""

    def __init__(self, app: ASGIApp, hostile: Hostile) -> None:
        self._app = app
        self._hostile = hostile

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def polite(message: Message) -> None:
            if message["type"] == "http.response.start":
                shape = self._hostile.shape
                headers = [*message["headers"], (b"date", self._hostile.clock.encode())]
                if shape.close:
                    headers.append((b"connection", b"close"))
                if shape.loud:
                    headers = [(name.upper(), value) for name, value in headers]
                    headers += [(b"X-NOISE", b'a, b;c="d"'), (b"x-noise", b""), (b"SET-COOKIE", b"a=b; Secure")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, polite if scope["type"] == "http" else send)


def refused(status: int, body: Any) -> Response:
    """An error answer."""
    return JSONResponse(body, status_code=status)
