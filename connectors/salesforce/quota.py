"""What the org allows in 24 hours, and the share of it that we leave to people and other programs.

Facts: "REST API Developer Guide", Limits: `Max` and `Remaining` of `DailyBulkV2QueryJobs` (10,000 a rolling 24 hours)
and `DailyBulkV2QueryFileStorageMB` (1 TB of results). API calls are watched by the session itself, answer by answer.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from connectors.answers import server_clock
from connectors.errors import RateLimited
from connectors.http import HttpSession

_LOOK_EVERY = 20
"""Jobs after which `/limits` is read again: others use the org as well."""
_WATCHED = {
    "DailyBulkV2QueryJobs": "bulk query jobs",
    "DailyBulkV2QueryFileStorageMB": "MB of bulk query results",
}


class Quota:
    """The org's daily bulk allocations. Safe for concurrent use.

    Args:
        limits_url: `/services/data/vXX.X/limits/`.
        share: the part (0 to 1) of each allocation that may be used, by whomever, when we still start jobs.
    """

    def __init__(self, session: HttpSession, limits_url: str, share: float) -> None:
        self._session = session
        self._url = limits_url
        self._share = share
        self._limits: dict[str, Any] = {}
        self._clock: datetime | None = None
        self._jobs = 0
        self._turn = asyncio.Lock()

    async def look(self) -> datetime:
        """Read the limits. Returns Salesforce's clock, by the `Date` of the answer; ours if it sends none."""
        answer = await self._session.request("GET", self._url)
        self._limits, self._jobs = answer.json(), 0
        self._clock = server_clock(answer) or datetime.now(UTC)
        return self._clock

    async def clock(self) -> datetime:
        """Salesforce's clock when the limits were last read."""
        return self._clock or await self.look()

    async def take_job(self) -> None:
        """Count one job that is about to be created. Raises RateLimited when only the reserve is left."""
        async with self._turn:
            if not self._limits or self._jobs >= _LOOK_EVERY:
                await self.look()
        for name, what in _WATCHED.items():
            limit = self._limits.get(name)
            if limit:
                taken = self._jobs if name == "DailyBulkV2QueryJobs" else 0
                self._check(what, int(limit["Max"]) - int(limit["Remaining"]) + taken, int(limit["Max"]))
        self._jobs += 1

    def _check(self, what: str, used: int, most: int) -> None:
        if used < self._share * most:
            return
        reserve, clock = most - int(self._share * most), self._clock or datetime.now(UTC)
        raise RateLimited(
            f"salesforce: {used} of {most} {what} of the last 24 hours are used, and {reserve} stay reserved for "
            "others (MGDW_SALESFORCE_QUOTA_SHARE)",
            remedy="What was loaded stays. Each use is forgotten after 24 hours, so room comes back bit by bit and all "
            f"of it by {clock + timedelta(hours=24):%Y-%m-%d %H:%M} UTC: run again then, or raise the share.",
            retry_after=3600.0, used=used, allowed=most, reserved=reserve,
        )  # fmt: skip


def api_usage(headers: httpx.Headers) -> tuple[int, int] | None:
    """(used, allowed) API calls of the last 24 hours, by `Sforce-Limit-Info: api-usage=18/5000`."""
    found = re.search(r"(?<!app-)api-usage=(\d+)/(\d+)", headers.get("Sforce-Limit-Info", ""))
    return (int(found[1]), int(found[2])) if found else None
