"""Servers come up on free loopback ports and leave nothing behind."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from sandbox.server import Servers


def app(text: str) -> Starlette:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(text + (await request.body()).decode())

    async def endless(request: Request) -> StreamingResponse:
        async def body():
            while True:
                yield b"x"
                await asyncio.sleep(0.05)

        return StreamingResponse(body())

    return Starlette(routes=[Route("/", answer, methods=["GET", "POST"]), Route("/endless", endless)])


def test_several_apps_share_one_thread_and_have_their_own_ports() -> None:
    before = threading.active_count()
    with Servers() as servers:
        urls = [servers.serve(app(name)) for name in ("a", "b", "c")]
        assert [httpx.get(url).text for url in urls] == ["a", "b", "c"]
        assert len(set(urls)) == 3
        assert all(urlsplit(url).hostname == "127.0.0.1" for url in urls)
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    for url in urls:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=1)


def test_chunked_request_bodies_arrive_whole() -> None:
    with Servers() as servers:
        answer = httpx.post(servers.serve(app("")), content=iter([b"ab", b"cd"]))
        assert answer.text == "abcd"


def test_an_app_may_send_its_own_date() -> None:
    with Servers() as servers:
        assert "date" not in httpx.get(servers.serve(app("a"), date_header=False)).headers
        assert "date" in httpx.get(servers.serve(app("a"))).headers


def test_stopping_does_not_wait_for_idle_or_endless_connections() -> None:
    servers = Servers()
    url = servers.serve(app("a"))
    with httpx.Client(base_url=url) as idle, httpx.Client(base_url=url) as busy:
        idle.get("/")
        with busy.stream("GET", "/endless") as response:
            assert next(response.iter_raw()) == b"x"
            started = time.monotonic()
            servers.stop()
            assert time.monotonic() - started < 3


def test_an_app_that_cannot_start_is_reported() -> None:
    async def broken(scope, receive, send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no world"})

    with Servers() as servers, pytest.raises(RuntimeError, match="did not start"):
        servers.serve(broken)
