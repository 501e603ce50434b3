"""Work that cannot be stopped, in a thread that does not keep its process alive."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future


async def in_a_daemon(work: Callable[[], None]) -> None:
    """Do it in a thread of its own, without this task's context. Raises what it raises.

    When this is cancelled the work goes on, until the process ends: that, unlike one with a thread of asyncio's pool at
    work, waits for nothing.
    """
    done: Future[None] = Future()
    done.set_running_or_notify_cancel()  # from here on nobody can cancel it

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    await asyncio.wrap_future(done)
