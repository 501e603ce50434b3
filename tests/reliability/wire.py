"""Where a run meets the world outside on the wire: every request to a sandbox server is an effect.

Whatever client sends it (httpx, requests, the object store's own): the seam is the server. A request that goes wrong
`before` never reaches the app; one that goes wrong `after` did its work, and its answer is lost.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import DROP_EXTENSION
from sandbox.server import Servers
from tests.reliability.effects import Due, Effects, Mode

_IDS = re.compile(r"/(750\w{10,}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|usage-delivery-\w+)(?=/|$)")
_FILE = re.compile(r"/dt=.*$")


class Wire:
    """One server's front. Its app may be exchanged between runs.

    Attributes:
        app: serves the requests.
        effects: of the run under way; None: nothing is noted.
        stop: ends the run under way, from any thread.
        ended: set when that run is over, so that requests it waits for may end as well.
    """

    def __init__(self, app: ASGIApp | None = None) -> None:
        self.app = app
        self.effects: Effects | None = None
        self.stop: Callable[[], None] = lambda: None
        self.ended: Future[None] = Future()

    def watch(self, effects: Effects, stop: Callable[[], None]) -> None:
        """Note the requests of a run that starts now."""
        self.effects, self.stop, self.ended = effects, stop, Future()

    def over(self) -> None:
        """The run has ended."""
        self.effects = None
        if not self.ended.done():
            self.ended.set_result(None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        assert self.app is not None
        due = self.effects.due("http", label(scope)) if self.effects else None
        mode = due.goes_wrong("before") if due else None
        if mode is None and due and due.goes_wrong("after") == "lapse":
            await self._lose_half(scope, receive, send)
        elif mode is None and due and due.step:
            await self.app(scope, receive, _discard)
            await self._wrong(due, due.step.mode, scope)
        elif mode is None:
            await self.app(scope, receive, send)
        else:
            assert due
            await self._wrong(due, mode, scope)

    async def _wrong(self, due: Due, mode: Mode, scope: Scope) -> None:
        if mode == "kill":
            assert self.effects
            await asyncio.to_thread(self.effects.kill)
        if mode == "stop":
            self.stop()
            await asyncio.wrap_future(self.ended)
        await _drop(scope)

    async def _lose_half(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app do its work and break the connection off: in the middle of the body, if there is one."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        assert self.app
        await self.app(scope, receive, keep)
        body = b"".join(m.get("body", b"") for m in messages[1:])
        if scope["method"] == "GET" and len(body) > 1:
            await send(messages[0])
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await _drop(scope)


class WalkedServers(Servers):
    """Servers whose apps are put behind a wire."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def serve(self, app: ASGIApp, **options: Any) -> str:
        """Serve the app behind the wire; see `Servers.serve`."""
        self._wire.app = app
        return super().serve(self._wire, **options)


class AtOnce(ThreadPoolExecutor):
    """Does work when it is handed in: a job is done when its creation is answered, so that polls can be counted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def label(scope: Scope) -> str:
    """Method and path, ids and dates left out."""
    return f"{scope['method']} {_FILE.sub('/{file}', _IDS.sub('/{id}', scope['path']))}"


async def _discard(message: Message) -> None:
    """Swallow an answer that never reaches the wire."""


async def _drop(scope: Scope) -> None:
    scope["extensions"][DROP_EXTENSION]()
    for _ in range(3):
        await asyncio.sleep(0)
