"""What the site holds: sessions, data sources, refresh jobs. No HTTP in here."""

from __future__ import annotations

import secrets
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

SUCCESS, FAILURE, CANCELLED = 0, 1, 2


@dataclass
class DataSource:
    """One published data source."""

    name: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    content: bytes = b""
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    refreshes: int = 0


@dataclass
class Job:
    """One refresh. It ends after it was looked at `looks` times."""

    data_source: DataSource
    looks: int
    finish: int
    notes: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    completed_at: datetime | None = None


class TableauSiteModel:
    """State of the sandbox's site.

    Args:
        data_sources: names of what is published already.
        looks: how often a job is looked at before it ends.
    """

    token_name = "mg-dw"
    site_url = "mgdw"

    def __init__(self, data_sources: tuple[str, ...], *, looks: int = 2) -> None:
        self.token_secret = secrets.token_urlsafe(24)
        self.site_id = str(uuid.uuid4())
        self.user_id = str(uuid.uuid4())
        self.project_id = str(uuid.uuid4())
        self.data_sources = {d.id: d for d in (DataSource(name) for name in data_sources)}
        self.jobs: dict[str, Job] = {}
        self.uploads: dict[str, bytearray] = {}
        self.looks = looks
        self._sessions: set[str] = set()
        self._failing: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()

    def sign_in(self, name: str, secret: str, site_url: str) -> str | None:
        """A session token; None when refused. A token has one session: signing in again ends the one before."""
        if (name, site_url) != (self.token_name, self.site_url) or not secrets.compare_digest(
            secret, self.token_secret
        ):
            return None
        session = secrets.token_urlsafe(16)
        self._sessions = {session}
        return session

    def sign_out(self, session: str) -> None:
        """End a session."""
        self._sessions.discard(session)

    def expire_sessions(self) -> None:
        """End all sessions, as the server does after a while."""
        self._sessions.clear()

    def is_signed_in(self, session: str) -> bool:
        """True for a session that still lives."""
        return session in self._sessions

    def fail_refreshes(self, name: str, notes: str, *, finish: int = FAILURE) -> None:
        """Let refreshes of the named data source end badly, with these notes, until `heal`."""
        self._failing[name] = (finish, notes)

    def heal(self) -> None:
        """Let all refreshes succeed again."""
        self._failing.clear()

    def start_refresh(self, identifier: str) -> Job | None:
        """A new job, or None when one is queued for this data source already."""
        with self._lock:
            source = self.data_sources[identifier]
            if any(j.data_source is source and j.completed_at is None for j in self.jobs.values()):
                return None
            finish, notes = self._failing.get(
                source.name,
                (
                    SUCCESS,
                    f"Finished refresh of extracts (new extract id:{uuid.uuid4()}) for Data Source '{source.name}'",
                ),
            )
            job = Job(source, self.looks, finish, notes)
            self.jobs[job.id] = job
            return job

    def look_at(self, job: Job) -> Job:
        """One query of a job; the last one finds it done."""
        with self._lock:
            job.looks -= 1
            if job.looks <= 0 and job.completed_at is None:
                job.completed_at = datetime.now(UTC)
                if job.finish == SUCCESS:
                    job.data_source.refreshes += 1
                    job.data_source.updated_at = job.completed_at
            return job

    def publish(self, name: str, content: bytes, *, overwrite: bool) -> DataSource | None:
        """Store a data source; None when the name is taken and `overwrite` is not set."""
        for source in self.data_sources.values():
            if source.name == name:
                if not overwrite:
                    return None
                source.content, source.updated_at = content, datetime.now(UTC)
                return source
        created = DataSource(name, content=content)
        self.data_sources[created.id] = created
        return created
