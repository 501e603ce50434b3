"""Work in a thread that ends with its process."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from flows.daemon_thread import in_a_daemon
from tests.flows.conftest import ROOT

_LEFT_AT_WORK = """
import asyncio, threading
from flows.daemon_thread import in_a_daemon

async def limited():
    begun = threading.Event()
    def work():
        begun.set()
        threading.Event().wait()
    working = asyncio.create_task(in_a_daemon(work))
    await asyncio.to_thread(begun.wait)
    working.cancel()
    await asyncio.wait([working])
    print("cancelled" if working.cancelled() else working)

asyncio.run(limited())
"""


def test_what_it_raises_is_raised_where_it_is_waited_for() -> None:
    done: list[int] = []
    asyncio.run(in_a_daemon(lambda: done.append(1)))
    assert done == [1]
    with pytest.raises(SystemExit, match="3"):
        asyncio.run(in_a_daemon(lambda: sys.exit(3)))


def test_a_process_ends_though_its_work_goes_on() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _LEFT_AT_WORK], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "cancelled\n", "")
