"""Waiting for something that Zuora does: with growing pauses, up to a deadline."""

from __future__ import annotations

import time

from connectors.errors import WorkFailed
from connectors.http import RetryPolicy
from connectors.zuora.settings import ZuoraSettings


class Patience:
    """How long we still wait for one job."""

    def __init__(self, retry: RetryPolicy, settings: ZuoraSettings) -> None:
        self._sleep = retry.sleep
        self._seconds = settings.job_deadline_seconds
        self._deadline = time.monotonic() + self._seconds
        self._pause = settings.first_poll_seconds
        self._longest = settings.longest_poll_seconds

    @property
    def is_over(self) -> bool:
        """True when the deadline has passed."""
        return time.monotonic() > self._deadline

    async def wait(self) -> None:
        """Wait, longer from time to time."""
        await self._sleep(self._pause)
        self._pause = min(self._pause * 2, self._longest)

    async def wait_for(self, job_id: str, status: object) -> None:
        """Wait for a job that is still under way. Raises WorkFailed when the deadline has passed."""
        if self.is_over:
            raise WorkFailed(
                f"zuora: job {job_id} is {status} after {self._seconds:.0f} s",
                remedy="Run again when the tenant is less busy, or raise MGDW_ZUORA_JOB_DEADLINE_SECONDS.",
                job=job_id,
                deadline=self._seconds,
            )
        await self.wait()
