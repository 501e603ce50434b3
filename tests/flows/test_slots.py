"""A run whose slot of its deployment's concurrency limit is lost goes on, where Prefect alone would end it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow_engine
from prefect.concurrency import _leases

import flows.leases  # noqa: F401 - what is tried is what its import does to Prefect
from sandbox.prefect_server import PrefectServer

PATIENCE = 120.0


@pytest.fixture(autouse=True)
def _server(prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_leases, "_RENEWAL_RETRY_BASE_DELAY", 0.01)
    monkeypatch.setattr(_leases, "_RENEWAL_RETRY_MAX_DELAY", 0.01)


def _renews(slot: UUID) -> bool:
    return any(thread.name.endswith(str(slot)) for thread in threading.enumerate())


async def works(maintain: Callable[..., Any]) -> bool:
    """Whether a run comes to its end though the server does not know its slot (410)."""
    slot, limit, done = uuid4(), time.monotonic() + PATIENCE, False
    try:
        async with maintain(slot, 300, raise_on_lease_renewal_failure=True):
            while _renews(slot) and time.monotonic() < limit:
                await asyncio.sleep(0.01)
            # A cancelled one does not come over this.
            await asyncio.sleep(0.1)
            done = not _renews(slot)
    except asyncio.CancelledError:
        return False
    return done


async def test_a_run_without_its_slot_goes_on() -> None:
    assert await works(flow_engine.amaintain_concurrency_lease)


async def test_by_prefect_alone_it_would_not() -> None:
    assert not await works(_leases.amaintain_concurrency_lease)
