"""The state of one Zuora tenant: sessions, jobs, cursors, rate limit, and the switches that tests turn."""

from __future__ import annotations

import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.zuora.actions import Actions
from sandbox.zuora.aqua import AquaJobs
from sandbox.zuora.credentials import ZuoraCredentials
from sandbox.zuora.data_query import DataQueryJobs
from sandbox.zuora.errors import too_many_requests
from sandbox.zuora.oauth import TokenIssuer
from sandbox.zuora.options import ZuoraOptions
from sandbox.zuora.schema import Schema, World

_MINUTE = 60.0


@dataclass
class ZuoraTenant:
    """One tenant. Every method may be called from any thread.

    Attributes:
        folder: where result files are kept until the tenant is closed.
        jobs: its AQuA jobs; `jobs.fail_next` makes one fail.
        data_queries: its Data Query jobs.
    """

    world: World
    credentials: ZuoraCredentials
    options: ZuoraOptions = field(default_factory=ZuoraOptions)
    _calls: int = 0
    _minute_ends: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="zuora-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.tokens = TokenIssuer(self.credentials)
        self.jobs = AquaJobs(self.world, self.options, self.folder, lambda: self.schema)
        self.data_queries = DataQueryJobs(self.world, self.options, self.folder, lambda: self.schema)
        self.actions = Actions(self.world, self.options)

    @property
    def schema(self) -> Schema:
        """Objects and fields as the user sees them now."""
        return Schema(self.world, self.options.hidden, self.options.refused)

    def expire_sessions(self) -> None:
        """End every access token, as a deactivated one would in mid-run."""
        self.tokens.expire_all()

    def count_call(self) -> None:
        """Count one API call. Raises ApiError 429 when the minute's calls are used up."""
        with self._lock:
            now = time.monotonic()
            if now >= self._minute_ends:
                self._calls, self._minute_ends = 0, now + _MINUTE
            self._calls += 1
            if self._calls > self.options.requests_per_minute:
                raise too_many_requests(self._seconds_left(now))

    def rate_limit_headers(self) -> dict[str, str]:
        """RateLimit-Limit, -Remaining and -Reset (seconds) of the minute under way."""
        with self._lock:
            limit = self.options.requests_per_minute
            return {
                "RateLimit-Limit": str(limit),
                "RateLimit-Remaining": str(max(0, limit - self._calls)),
                "RateLimit-Reset": str(self._seconds_left(time.monotonic())),
            }

    def close(self) -> None:
        """Stop the jobs and delete the result files."""
        self.jobs.close()
        self._temporary.cleanup()

    def _seconds_left(self, now: float) -> int:
        return max(1, round(self._minute_ends - now)) if self._minute_ends > now else int(_MINUTE)
