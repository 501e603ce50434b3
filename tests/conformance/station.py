"""What an adapter offers to the suite: a server with one ware, a source pointed at it, ways to break both."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from connectors.contract import DataType
from connectors.http import RetryPolicy
from connectors.source import Source
from sandbox.faults import Faults
from sandbox.server import Servers
from tests.conformance.hostile.server import Hostile
from tests.conformance.ware import PLAIN_FIELDS, Dialect, Ware

Server = Literal["sandbox", "hostile"]
PAGE = 5
"""Rows of a page at every server, so that page boundaries are cheap to meet."""
RESERVED = dict(zip(("Group", "Order", "Select", "Table", "Date", "Timestamp"), PLAIN_FIELDS.values(), strict=True))
"""The same types under words that query languages and warehouses keep for themselves."""


async def _no_wait(_seconds: float) -> None:
    return None


IMPATIENT = RetryPolicy(attempts=4, sleep=_no_wait)


class Station(ABC):
    """One source on loopback with one ware.

    Attributes:
        faults: what interferes with the server's answers.
        ware: what the object holds; call `show` after changing it.
        hostile: the hostile server; None for a sandbox.
    """

    source: ClassVar[str]
    dialect: ClassVar[Dialect]
    plain_object: ClassVar[str]
    data_call: ClassVar[str]
    """Matches the requests that carry rows (regular expression over `METHOD /path?query`)."""
    says_json: ClassVar[bool] = False
    """Whether rows come as JSON; else as CSV."""
    login_call: ClassVar[str | None] = None
    """Matches logins; None where there are none."""

    def __init__(self, server: Server) -> None:
        self.server: Server = server
        self.faults = Faults()
        self.hostile: Hostile | None = None
        self.ware = self.new_ware(RESERVED if server == "hostile" else PLAIN_FIELDS)

    def new_ware(self, fields: dict[str, DataType]) -> Ware:
        """An empty ware with these fields, under a name that fits the server."""
        if self.server == "hostile":
            return Ware(self.dialect, "Order", "group", self.spelled(fields))
        return Ware(self.dialect, self.plain_object, f"{self.source}_ware", self.spelled(fields))

    def spelled(self, fields: dict[str, DataType]) -> dict[str, DataType]:
        """Field names as this source writes them."""
        return fields

    @contextmanager
    def open(self) -> Iterator[Station]:
        """Serve."""
        with Servers() as servers:
            self.serve(servers)
            yield self

    def calls_for(self, rows: int) -> int:
        """How many requests bring so many rows."""
        return -(-rows // PAGE)

    @abstractmethod
    def serve(self, servers: Servers) -> None:
        """Start the server."""

    @abstractmethod
    def show(self) -> None:
        """Let the server show the ware as it is now."""

    @abstractmethod
    def connect(self, **changes: Any) -> Source:
        """A source with this server's settings, which never waits between tries."""

    @abstractmethod
    def stranger(self) -> tuple[Source, list[str]]:
        """A source with a wrong secret, and the texts no error may contain."""

    @abstractmethod
    def forbid(self) -> None:
        """Take the ware's object away from our user."""

    @abstractmethod
    def lose_a_row(self) -> None:
        """From now on the server counts one row more than it sends, or sends a body that was cut off at the origin."""

    @abstractmethod
    def expire(self) -> None:
        """End all sessions, or what stands for them."""

    def times(self, pattern: str) -> int:
        """How many requests so far match."""
        return sum(bool(re.search(pattern, seen)) for seen in self.faults.seen)
