"""Waiting for a child through a connection that breaks: the end is learned, and the server is seldom asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Running

from flows import children
from flows.children import wait_until_ended
from sandbox.prefect_server import PrefectServer

PATIENCE = 120.0


class Way:
    """A way to the server that can be cut. Counts what goes through by its first line."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.asked: list[str] = []
        self.listening = asyncio.Event()
        """Set when an event stream is asked for."""

    async def open(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._through, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break what is open, and refuse what comes."""
        assert self._server
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        self.listening.clear()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            other_reader, other = await asyncio.open_connection("127.0.0.1", self._target)
            self._open |= {writer, other}
            try:
                await asyncio.gather(self._copy(reader, other, counts=True), self._copy(other_reader, writer))
            finally:
                self._open -= {writer, other}
                other.close()
                writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counts: bool = False) -> None:
        while data := await reader.read(65536):
            if counts and data.split(b" ", 1)[0] in (b"GET", b"POST"):
                line = data.split(b"\r\n", 1)[0].decode()
                self.asked.append(line)
                if "/events/out" in line:
                    self.listening.set()
            writer.write(data)
            await writer.drain()
        writer.close()

    def looks(self) -> int:
        """How often a flow run was read."""
        return sum("/flow_runs/" in line for line in self.asked)


@pytest.fixture
async def way(prefect_server: PrefectServer) -> AsyncIterator[Way]:
    way = Way(urlsplit(prefect_server.url).port or 0)
    await way.open()
    yield way
    await way.cut()


@flow(name="a-child")
async def _child() -> None:
    pass


@pytest.fixture
async def client(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    async with get_client() as client:
        yield client


def _waiting(way: Way, run_id: UUID) -> asyncio.Task[FlowRun]:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{way.port}/api"}):
        return asyncio.create_task(wait_until_ended(run_id))


async def test_a_run_that_ends_is_learned_of_by_its_event(way: Way, client: PrefectClient) -> None:
    run = await client.create_flow_run(_child, state=Running())
    waiting = _waiting(way, run.id)
    await asyncio.wait_for(way.listening.wait(), PATIENCE)
    await client.set_flow_run_state(run.id, Completed(), force=True)
    assert (await asyncio.wait_for(waiting, PATIENCE)).state_name == "Completed"
    assert way.looks() <= 6


async def test_an_end_that_came_while_the_server_was_away_is_found(way: Way, client: PrefectClient) -> None:
    run = await client.create_flow_run(_child, state=Running())
    waiting = _waiting(way, run.id)
    await asyncio.wait_for(way.listening.wait(), PATIENCE)
    await way.cut()
    await client.set_flow_run_state(run.id, Completed(), force=True)
    await way.open()
    assert (await asyncio.wait_for(waiting, PATIENCE)).state_name == "Completed"


async def test_a_connection_that_breaks_again_and_again_is_made_anew(way: Way, client: PrefectClient) -> None:
    run = await client.create_flow_run(_child, state=Running())
    waiting = _waiting(way, run.id)
    for _ in range(3):
        await asyncio.wait_for(way.listening.wait(), PATIENCE)
        await way.cut()
        await way.open()
    await asyncio.wait_for(way.listening.wait(), PATIENCE)
    await client.set_flow_run_state(run.id, Completed(), force=True)
    assert (await asyncio.wait_for(waiting, PATIENCE)).state_name == "Completed"


async def test_without_any_event_it_is_looked_at_at_doubling_distances(
    way: Way, client: PrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "FIRST_LOOK", 0.25)
    run = await client.create_flow_run(_child, state=Running())
    began = asyncio.get_running_loop().time()
    waiting = _waiting(way, run.id)
    while way.looks() < 5:
        await asyncio.sleep(0.05)
        assert not waiting.done()
    took = asyncio.get_running_loop().time() - began
    assert took >= 0.25 * (1 + 2 + 4 + 8)
    await client.set_flow_run_state(run.id, Completed(), force=True)
    await asyncio.wait_for(waiting, PATIENCE)
