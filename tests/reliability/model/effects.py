"""Everything that touches the outside, numbered: each effect may be where the process dies, or where something happens.

A dead process does nothing more: clean-up code that runs while `Crash` passes through meets `Crash` again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from connectors.batch import Manifest, Part
from connectors.contract import Table
from connectors.lake import PartWriter
from connectors.lake.local import LocalLake
from connectors.warehouse import LoadResult
from connectors.warehouse.duckdb import DuckDBWarehouse

Fault = Literal["busy", "broken", "timeout", "refused", "lost", "cut", "page", "expired"]
FAULTS: tuple[Fault, ...] = ("busy", "broken", "timeout", "refused", "lost", "cut", "page", "expired")
"""429, 500, no answer, no connection, answer lost after it was acted on, body cut short, a web page, token gone."""


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Effects:
    """Counts effects. `crash_at` is the number of the one at which the process dies, before or after it.

    Attributes:
        hooks: what happens just before an effect of that number.
        faults: what goes wrong with the request of that number (requests are counted apart).
        struck: faults that a request met.
    """

    crash_at: int | None = None
    crash_after: bool = False
    hooks: dict[int, Callable[[], None]] = field(default_factory=dict[int, Callable[[], None]])
    faults: dict[int, Fault] = field(default_factory=dict[int, Fault])
    count: int = 0
    requests: int = 0
    struck: int = 0
    dead: bool = False

    @property
    def is_clean(self) -> bool:
        """True when nothing is going to happen."""
        return self.crash_at is None and not self.hooks and not self.faults

    def before(self) -> int:
        """The next effect is about to happen; returns its number."""
        if self.dead:
            raise Crash
        if self.crash_after and self.crash_at is not None and self.count >= self.crash_at:
            # Nobody told when that effect was done (a statement, a chunk): it is done now.
            self._die()
        self.count += 1
        hook = self.hooks.get(self.count)
        if hook:
            hook()
        if self.count == self.crash_at and not self.crash_after:
            self._die()
        return self.count

    def after(self, number: int) -> None:
        """The effect has happened."""
        if self.dead:
            raise Crash
        if number == self.crash_at and self.crash_after:
            self._die()

    def next_fault(self) -> Fault | None:
        """What goes wrong with the next request."""
        self.requests += 1
        fault = self.faults.get(self.requests)
        self.struck += fault is not None
        return fault

    def _die(self) -> None:
        self.dead = True
        raise Crash


Answer = tuple[int, dict[str, str], bytes]
Serve = Callable[[str, str, dict[str, str], httpx.Headers, bytes], Answer]
"""method, path, query, headers, body -> status, headers, body."""


class Wire(httpx.AsyncBaseTransport):
    """Brings requests to a model server without a socket.

    Args:
        effects: of the sync that runs now.
        expire: makes the server forget its tokens.
    """

    def __init__(self, serve: Serve, effects: Callable[[], Effects], expire: Callable[[], None]) -> None:
        self._serve = serve
        self._effects = effects
        self._expire = expire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        effects = self._effects()
        number = effects.before()
        fault = effects.next_fault()
        body = await request.aread()
        match fault:
            case "timeout":
                raise httpx.ReadTimeout("the model does not answer", request=request)
            case "refused":
                raise httpx.ConnectError("the model is down", request=request)
            case "busy":
                return _answer((429, {"Retry-After": "3"}, _echo(request, body)))
            case "broken":
                return _answer((500, {}, _echo(request, body)))
            case "page":
                page = b"<html><body>Down for maintenance " + _echo(request, body) + b"</body></html>"
                return _answer((503, {"Content-Type": "text/html"}, page))
            case "expired":
                self._expire()
            case _:
                pass
        query = dict(request.url.params)
        answer = self._serve(request.method, request.url.path, query, request.headers, body)
        effects.after(number)
        if fault == "lost":
            raise httpx.ReadError("the answer was lost", request=request)
        return _answer(answer, cut=fault == "cut")


def _echo(request: httpx.Request, body: bytes) -> bytes:
    """A server that repeats what it was sent: none of it may be passed on."""
    return b"request was: " + request.headers.get("Authorization", "").encode() + b" " + body


def _answer(answer: Answer, *, cut: bool = False) -> httpx.Response:
    status, headers, body = answer
    return httpx.Response(status, headers={**headers, "Content-Length": str(len(body))}, stream=_Body(body, cut=cut))


class _Body(httpx.AsyncByteStream):
    def __init__(self, body: bytes, *, cut: bool) -> None:
        self._body = body
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body[: len(self._body) // 2] if self._cut else self._body
        if self._cut:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


class WatchedLake(LocalLake):
    """A lake whose writes are effects."""

    def __init__(self, root: Any, effects: Callable[[], Effects]) -> None:
        super().__init__(root)
        self._effects = effects

    @asynccontextmanager
    async def new_part(self, prefix: str, name: str, **options: Any) -> AsyncGenerator[Any]:
        number = self._effects().before()
        async with super().new_part(prefix, name, **options) as part:
            yield _WatchedPart(part, self._effects)
            self._effects().before()
        self._effects().after(number)

    async def commit(self, manifest: Manifest) -> Manifest:
        number = self._effects().before()
        done = await super().commit(manifest)
        self._effects().after(number)
        return done


class _WatchedPart:
    def __init__(self, part: PartWriter, effects: Callable[[], Effects]) -> None:
        self._inner = part
        self._effects = effects

    async def write(self, chunk: bytes) -> None:
        self._effects().before()
        await self._inner.write(chunk)

    def finish(self, *, header: tuple[str, ...], rows: int | None) -> None:
        self._inner.finish(header=header, rows=rows)

    @property
    def part(self) -> Part:
        return self._inner.part


class WatchedWarehouse(DuckDBWarehouse):
    """A warehouse whose answers may be lost; its statements are effects by `on_statement`."""

    effects: Callable[[], Effects]

    async def load(self, table: Table, manifest: Manifest, *args: Any, **options: Any) -> LoadResult:
        result = await super().load(table, manifest, *args, **options)
        self.effects().after(self.effects().before())
        return result
