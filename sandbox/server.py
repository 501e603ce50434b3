"""Runs ASGI apps on 127.0.0.1: one background thread, one event loop, one free port per app."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.faults import DROP_EXTENSION

_START_TIMEOUT = 15.0
_STOP_TIMEOUT = 10.0
_GRACE = 1
"""Seconds that answers under way get when the servers stop."""


class Servers:
    """Uvicorn servers that share a thread. Use as `with Servers() as servers: url = servers.serve(app)`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._running: list[tuple[_Server, Future[None]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def serve(self, app: ASGIApp, *, port: int = 0, date_header: bool = True) -> str:
        """Serve `app` and return its URL once it accepts connections.

        Args:
            port: 0 for any free one.
            date_header: False when the app sends its own `Date`.

        Raises:
            RuntimeError: the app's startup failed or took longer than 15 s.
        """
        loop = self._ensure_loop()
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            date_header=date_header,
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=_GRACE,
            ws="none",
        )
        config.load()
        config.http_protocol_class = _droppable(config.http_protocol_class)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        server = _Server(config)
        task = asyncio.run_coroutine_threadsafe(_serve(server, listener), loop)
        asyncio.run_coroutine_threadsafe(_started(server, task), loop).result(timeout=_START_TIMEOUT)
        self._running.append((server, task))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def stop(self) -> None:
        """Stop all servers and the thread. Answers under way get a second to end."""
        for server, _ in self._running:
            server.leave(self._loop)
        for _, task in self._running:
            task.result(timeout=_STOP_TIMEOUT)
        self._running.clear()
        if self._loop and self._thread:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=_STOP_TIMEOUT)
            self._loop = self._thread = None

    def _ensure_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            factory = uvicorn.Config(_nothing, log_config=None).get_loop_factory()
            self._loop = factory() if factory else asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="sandbox-servers", daemon=True)
            self._thread.start()
        return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


class _Server(uvicorn.Server):
    """Uvicorn's server, told to end by an event instead of looking ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._leaving = asyncio.Event()

    def leave(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """End soon; called from any thread."""
        self.should_exit = True
        if loop is not None:
            loop.call_soon_threadsafe(self._leaving.set)

    async def main_loop(self) -> None:
        """Run until told to leave; once a second uvicorn renews its `Date` header."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), timeout=1.0)


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    try:
        await server.serve(sockets=[listener])
    except SystemExit as stop:  # uvicorn's way to say that startup failed; it would end the whole loop
        listener.close()
        raise RuntimeError("the server's app did not start") from stop


async def _started(server: uvicorn.Server, task: Future[None]) -> None:
    while not server.started:
        if task.done():
            task.result()
            raise RuntimeError("the server ended before it served")
        await asyncio.sleep(0.005)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands in for an app where only the loop's kind is asked for."""


def _droppable(protocol: Any) -> Any:
    """The HTTP protocol class, with an ASGI extension by which an app closes its own connection."""

    class Droppable(protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.access_log = False  # whatever another server of this process has configured
            inner = self.app

            async def app(scope: Scope, receive: Receive, send: Send) -> None:
                scope.setdefault("extensions", {})[DROP_EXTENSION] = transport.close
                await inner(scope, receive, send)

            self.app = app

    return Droppable
