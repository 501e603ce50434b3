"""A door before the Prefect server: passes every call on and counts it, or refuses it as a server in trouble does."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from aiohttp import ClientSession, WSMsgType, web
from prefect.settings import PREFECT_API_URL, temporary_settings

_HOP_BY_HOP = {"transfer-encoding", "content-encoding", "content-length", "connection", "host"}


class Door:
    """Listens on 127.0.0.1 in a thread of its own, as long as the interpreter lives: Prefect's client sends its last
    events while the interpreter's threads end, and would wait in vain for a door that is gone.

    Attributes:
        calls: HTTP calls by method and the first part of the path below /api, `POST artifacts`.
        refused: first parts of paths that are answered with 500.
    """

    def __init__(self, server: str) -> None:
        self.calls: Counter[str] = Counter()
        self.refused: set[str] = set()
        self._server = server
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.port: int = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(60)

    @contextmanager
    def used(self, *refused: str) -> Generator[None]:
        """Let Prefect's clients of this context go through the door, and count and refuse while the block runs."""
        self.calls.clear()
        self.refused = set(refused)
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{self.port}/api"}):
            yield
        self.refused.clear()

    async def _open(self) -> int:
        self._client = ClientSession(auto_decompress=True)
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner.addresses[0][1]

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._stream(request)
        thing = request.path.removeprefix("/api/").split("/")[0]
        self.calls[f"{request.method} {thing}"] += 1
        if thing in self.refused:
            return web.Response(status=500, text="the server is in trouble")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = f"{self._server}{request.rel_url}"
        async with self._client.request(request.method, url, headers=headers, data=await request.read()) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        near = web.WebSocketResponse(protocols=("prefect",))
        await near.prepare(request)
        async with self._client.ws_connect(f"{self._server}{request.rel_url}", protocols=("prefect",)) as far:

            async def copy(source: object, target: object) -> None:
                async for message in source:  # type: ignore[attr-defined]
                    if message.type is WSMsgType.TEXT:
                        await target.send_str(message.data)  # type: ignore[attr-defined]
                await target.close()  # type: ignore[attr-defined]

            await asyncio.gather(copy(near, far), copy(far, near), return_exceptions=True)
        return near
