"""How many requests are under way at once: at most the setting, fewer while the account turns us away.

The account's limit is shared with every other integration (SOAP, REST and RESTlets), and nothing tells how much of it
is free. So a refusal takes one request off, and many answers in a row give one back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

ANSWERS_TO_RECOVER = 20


class Turns:
    """Turns to send a request; used from one event loop.

    Args:
        most: requests at once that are never exceeded.

    Attributes:
        limit: requests at once now, from 1 to `most`.
    """

    def __init__(self, most: int) -> None:
        self.limit = most
        self._most = most
        self._busy = 0
        self._answers = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None, None]:
        """Wait for a turn and hold it."""
        while self._busy >= self.limit:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                self._call_next()
                raise
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._call_next()

    def refused(self) -> None:
        """The account had no room for a request."""
        self.limit = max(1, self.limit - 1)
        self._answers = 0

    def answered(self) -> None:
        """The account served a request."""
        self._answers += 1
        if self.limit < self._most and self._answers >= ANSWERS_TO_RECOVER:
            self.limit += 1
            self._answers = 0
            self._call_next()

    def _call_next(self) -> None:
        free = self.limit - self._busy
        while free > 0 and self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1
