"""Leases: who does which work now, so that no two runs do the same at once.

A lease is a row of `_ledger_leases`, beside the ledger: name of the work, holder, token, until when. It is renewed
while its holder lives, given back at the end, and may be taken over once it has run out. Each taking, also by the same
holder, brings a higher token, so that a holder that slept is known from the one that took over. All times are the
warehouse's.

The statements are written once for both warehouses; `googlesql.spoken` says them in GoogleSQL.
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from connectors.contract import DataType
from connectors.errors import LeaseHeld, LeaseLost
from connectors.warehouse.ddl import qualified
from connectors.warehouse.sql import number, text

_log = logging.getLogger(__name__)

TABLE = "_ledger_leases"
LEASES = qualified(TABLE)
ABOUT = "One row per lease in force: which run does which work now. The row `_tokens` counts the takings."
TOKENS = "_tokens"
"""The row every taking changes: it gives the next token, and lets two takings at once conflict in BigQuery."""
COLUMNS: dict[str, tuple[DataType, str]] = {
    "name": (DataType.STRING, "The work: daily-refresh, source:<name>, dbt, tableau."),
    "holder": (DataType.STRING, "Flow run that does it."),
    "about": (DataType.STRING, "Its name, for people."),
    "token": (DataType.INT64, "Grows with each taking of any lease; a holder with a lower one is out."),
    "taken_at": (DataType.TIMESTAMP, "When it was taken (UTC)."),
    "expires_at": (DataType.TIMESTAMP, "Until when it holds (UTC), unless it is renewed."),
}

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two looks at a lease that is held."""


@dataclass(frozen=True)
class Lease:
    """One lease as it stands. Times are UTC, by the warehouse's clock; `seen_at` is when it was read."""

    name: str
    holder: str
    about: str
    token: int
    taken_at: datetime
    expires_at: datetime
    seen_at: datetime

    @property
    def left(self) -> float:
        """Seconds until it runs out."""
        return (self.expires_at - self.seen_at).total_seconds()


@dataclass(frozen=True)
class Clock:
    """How a warehouse says "now", and "now and so many milliseconds", as TIMESTAMP."""

    now: str
    later: Callable[[int], str]


class LeaseStore(Protocol):
    """Where leases are kept. Use as `async with`."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def take(self, name: str, holder: str, about: str, seconds: float) -> Lease:
        """Take the lease if it is free, has run out, or is the holder's own. Returns it as it stands then: another
        holder's, when it was not to be had. Raises WarehouseBusy when others change leases without end."""
        ...

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Let it hold for so long from now. False when its token is not the current one any more."""
        ...

    async def give_back(self, lease: Lease) -> None:
        """End it; nothing happens when another one has it by now."""
        ...


def take(name: str, holder: str, about: str, seconds: float, clock: Clock) -> list[str]:
    """Statements of one transaction; see `LeaseStore.take`."""
    of, by = text(name), text(holder)
    return [
        f"UPDATE {LEASES} SET token = token + 1 WHERE name = {text(TOKENS)}",
        f"DELETE FROM {LEASES} WHERE name = {of} AND (holder = {by} OR expires_at <= {clock.now})",
        (
            f"INSERT INTO {LEASES} ({', '.join(COLUMNS)}) SELECT {of}, {by}, {text(about)}, max(t.token), {clock.now}, "
            f"{clock.later(_milliseconds(seconds))} FROM {LEASES} t WHERE t.name = {text(TOKENS)} "
            f"AND NOT EXISTS (SELECT 1 FROM {LEASES} o WHERE o.name = {of}) HAVING max(t.token) IS NOT NULL"
        ),
    ]


def select(name: str, clock: Clock) -> str:
    """The lease as it stands: the columns, and `seen_at`."""
    return f"SELECT {', '.join(COLUMNS)}, {clock.now} AS seen_at FROM {LEASES} WHERE name = {text(name)}"


def renew(lease: Lease, seconds: float, clock: Clock) -> str:
    """Changes one row, or none when the token is not the current one."""
    return f"UPDATE {LEASES} SET expires_at = {clock.later(_milliseconds(seconds))} WHERE {_is(lease)}"


def give_back(lease: Lease) -> str:
    """Changes one row, or none when another one has it by now."""
    return f"DELETE FROM {LEASES} WHERE {_is(lease)}"


def _is(lease: Lease) -> str:
    return f"name = {text(lease.name)} AND token = {number(lease.token)}"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


class Hold:
    """A lease in our hands.

    Args:
        seconds: how long it holds without being renewed.
        asked: our clocks' time before the lease was taken.
    """

    def __init__(self, store: LeaseStore, lease: Lease, seconds: float, asked: tuple[float, float]) -> None:
        self.lease = lease
        self._store = store
        self._seconds = seconds
        self._asked = asked
        self._lost = False
        self.runs_out = False
        """Whether it is left to run out, not given back: what it stands for may be at work when the block has ended."""

    async def check(self) -> None:
        """Say that what comes next may begin. Asks the warehouse only when the lease may have run out.

        Raises LeaseLost, and what the warehouse raises when it gives no answer: then nothing may begin either.
        """
        if self._lost or (self._may_have_run_out() and not await self._renew()):
            raise LeaseLost(
                f"{self.lease.name}: the lease of {self.lease.about or self.lease.holder} (token {self.lease.token}) "
                "ran out, and another run has taken it over: this one stops here",
                lease=self.lease.name, token=self.lease.token,
            )  # fmt: skip

    async def keep(self) -> None:
        """Renew it for ever, or until it is lost."""
        pause = self._seconds / 3
        while True:
            await asyncio.sleep(pause)
            pause = self._seconds / 3
            try:
                if not await self._renew():
                    _log.error("the lease %s was taken over by another run", self.lease.name)
                    return
            except Exception as error:  # noqa: BLE001 - whatever it was: to ask again is all there is to do
                _log.warning("the lease %s could not be renewed yet: %s", self.lease.name, error)
                pause = self._seconds / 10

    async def _renew(self) -> bool:
        asked = _clocks()
        if await self._store.renew(self.lease, self._seconds):
            self._asked = asked
            return True
        self._lost = True
        return False

    def _may_have_run_out(self) -> bool:
        # The one clock stands still while a laptop sleeps, the other one may be set: the earlier end counts.
        return any(now - then >= self._seconds for then, now in zip(self._asked, _clocks(), strict=True))


@dataclass(frozen=True)
class Claim:
    """Who wants to do which work, and how patiently.

    Attributes:
        holder: the same one takes its lease back at once.
        about: its name, for people.
        seconds: how long the lease holds without being renewed; it is renewed at a third of that.
        wait: seconds to wait at most for a holder that is alive; 0 ends as soon as it is seen to be.
    """

    name: str
    holder: str
    about: str = ""
    seconds: float = 180.0
    wait: float = 0.0


@contextlib.asynccontextmanager
async def held(store: LeaseStore, claim: Claim, tell: Callable[[str], None] = _log.info) -> AsyncGenerator[Hold]:
    """Hold a lease while the block runs.

    Who died without giving it back is outwaited; a living holder is waited for as long as the claim says.

    Args:
        tell: told why nothing happens for a while.

    Raises:
        LeaseHeld: another one has it, and is alive.
    """
    hold = await _taken(store, claim, tell)
    keeping = asyncio.create_task(hold.keep())
    try:
        yield hold
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        try:
            if not hold.runs_out:
                await asyncio.shield(store.give_back(hold.lease))
        except Exception as error:  # noqa: BLE001 - it runs out by itself; the work is what counts
            _log.warning("the lease %s was not given back, and runs out by itself: %s", claim.name, error)


async def _taken(store: LeaseStore, claim: Claim, tell: Callable[[str], None]) -> Hold:
    began, pause = time.monotonic(), _FIRST_PAUSE
    first: Lease | None = None
    while True:
        asked = _clocks()
        waited = asked[0] - began
        lease = await store.take(claim.name, claim.holder, claim.about, claim.seconds)
        if lease.holder == claim.holder:
            return Hold(store, lease, claim.seconds, asked)
        if first is None:
            first = lease
            tell(f"{_told(lease)}. Waiting until that one ends, or is seen to be dead.")
        alive = (lease.token, lease.expires_at) != (first.token, first.expires_at)
        if alive and waited >= claim.wait:
            raise LeaseHeld(
                f"{_told(lease)}. This one has waited {waited:.0f} s and ends without having done anything",
                retry_after=max(lease.left, 0), lease=claim.name, holder=lease.holder, token=lease.token,
            )  # fmt: skip
        await asyncio.sleep(min(pause, max(lease.left, 0) + 0.05))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _told(lease: Lease) -> str:
    who = f"{lease.about} (flow run {lease.holder})" if lease.about else f"flow run {lease.holder}"
    return (
        f"{lease.name} is being done by {who} since {lease.taken_at:%Y-%m-%d %H:%M:%S} UTC; its lease holds until "
        f"{lease.expires_at:%H:%M:%S} UTC and is renewed while it lives"
    )


def _clocks() -> tuple[float, float]:
    return time.monotonic(), time.time()
