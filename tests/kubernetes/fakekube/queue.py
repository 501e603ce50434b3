"""The queue of a controller: each key once, some only after a while."""

from __future__ import annotations

import asyncio

from tests.kubernetes.fakekube.store import Key


class WorkQueue:
    """Keys to look at. A key that is added while it waits is looked at once."""

    def __init__(self) -> None:
        self._waiting: dict[Key, None] = {}
        self._filled = asyncio.Event()
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def add(self, key: Key) -> None:
        self._waiting[key] = None
        self._filled.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Add the key later; the sooner of two such calls holds."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(seconds, 0)
        if (timer := self._timers.get(key)) is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._ripe, key)

    def _ripe(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def get(self) -> Key:
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        key = next(iter(self._waiting))
        del self._waiting[key]
        return key
