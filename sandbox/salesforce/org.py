"""The state of one Salesforce org: sessions, limits, cursors, jobs, and the switches that tests turn."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.salesforce.bulk.jobs import BulkJobs
from sandbox.salesforce.credentials import SalesforceCredentials
from sandbox.salesforce.errors import ApiError
from sandbox.salesforce.options import SalesforceOptions
from sandbox.salesforce.schema import Schema, World
from sandbox.salesforce.soql.plan import Plan


@dataclass
class Cursor:
    """The snapshot behind a `nextRecordsUrl`."""

    plan: Plan
    rows: list[tuple[Any, ...]]
    batch: int


@dataclass
class SalesforceOrg:
    """One org. Every method may be called from any thread."""

    world: World
    credentials: SalesforceCredentials
    options: SalesforceOptions = field(default_factory=SalesforceOptions)
    api_requests: int = 0
    logins: int = 0

    def __post_init__(self) -> None:
        self.schema = Schema(self.world, self.options)
        self.jobs = BulkJobs(self.world, self.schema, self.options, self.credentials.user_id)
        self._lock = threading.Lock()
        self._sessions: dict[str, float] = {}
        self._cursors: OrderedDict[str, Cursor] = OrderedDict()
        self._open_transactions: list[datetime] = []

    def log_in(self) -> str:
        """Start a session and return its access token."""
        token = f"{self.credentials.organization_id[:15]}!AQ{secrets.token_urlsafe(72)}"
        with self._lock:
            self.logins += 1
            self._sessions[token] = time.monotonic() + self.options.session_seconds
        return token

    def check_session(self, authorization: str) -> None:
        """Raise 401 INVALID_SESSION_ID unless the header carries a live session's token."""
        scheme, _, token = authorization.partition(" ")
        with self._lock:
            ends = self._sessions.get(token.strip()) if scheme.lower() in ("bearer", "oauth") else None
        if ends is None or ends <= time.monotonic():
            raise ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")

    def expire_sessions(self) -> None:
        """End all sessions now, as an administrator or a time-out would."""
        with self._lock:
            self._sessions.clear()

    def count_request(self) -> None:
        """Count one API call. Raises 403 REQUEST_LIMIT_EXCEEDED once the day's are used up."""
        with self._lock:
            if self.api_requests >= self.options.daily_api_requests:
                raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            self.api_requests += 1

    def hold_transaction(self, seconds: float) -> None:
        """A transaction that began `seconds` ago on the business clock stays open until `end_transactions`."""
        with self._lock:
            self._open_transactions.append(self.world.now - timedelta(seconds=seconds))

    def end_transactions(self) -> None:
        """All long transactions commit."""
        with self._lock:
            self._open_transactions.clear()

    @property
    def latest_date_covered(self) -> datetime:
        """Up to when all changes are visible (UTC): now, or the start of the oldest open transaction."""
        with self._lock:
            return min([self.world.now.astimezone(UTC), *self._open_transactions])

    def open_cursor(self, cursor: Cursor) -> str:
        """Keep a query's remaining rows and return the locator."""
        locator = f"01g{secrets.token_hex(6)}AAA"
        with self._lock:
            self._cursors[locator] = cursor
            while len(self._cursors) > self.options.open_cursors:
                self._cursors.popitem(last=False)
        return locator

    def cursor(self, locator: str) -> Cursor:
        """The cursor of a locator. Raises 400 INVALID_QUERY_LOCATOR."""
        with self._lock:
            if locator not in self._cursors:
                raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
            return self._cursors[locator]

    def close_cursors(self) -> None:
        """All REST query locators become stale."""
        with self._lock:
            self._cursors.clear()

    def empty_recycle_bin(self) -> None:
        """Soft-deleted rows go for good: only the log of deletions still names them, with the time of deletion."""
        with self.world.lock:
            for name in self.schema.names():
                found = self.schema.object(name)
                if found is not None and found.soft_deletes:
                    purge = f'UPDATE salesforce."{found.name}" SET "_deleted_at" = "SystemModstamp"'
                    self.world.sql(f'{purge} WHERE "IsDeleted" AND "_deleted_at" IS NULL')

    def limits(self) -> dict[str, dict[str, int]]:
        """The `/limits` answer."""
        options, jobs = self.options, self.jobs
        megabytes = -(-jobs.result_bytes // 1_000_000)
        return {
            "DailyApiRequests": _limit(options.daily_api_requests, self.api_requests),
            "DailyBulkApiBatches": _limit(15_000, 0),
            "DailyBulkV2QueryFileStorageMB": _limit(options.daily_bulk_query_megabytes, megabytes),
            "DailyBulkV2QueryJobs": _limit(options.daily_bulk_query_jobs, jobs.created),
            "DataStorageMB": _limit(10_240, 0),
            "FileStorageMB": _limit(10_240, 0),
        }

    def close(self) -> None:
        """Stop the workers and remove all files."""
        self.jobs.close()


def _limit(most: int, used: int) -> dict[str, int]:
    return {"Max": most, "Remaining": max(0, most - used)}
