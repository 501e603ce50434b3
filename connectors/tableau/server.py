"""Extract refreshes of published data sources: start, wait, and say for each how it ended.

API facts: Tableau REST API reference, "Update Data Source Now" (202 with a job; error 409093 when one is queued
already; 429000 when the site's refreshes are used up), "Query Job" (finishCode 0 success, 1 error, 2 cancelled).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import requests
import tableauserverclient as tsc
from tableauserverclient.server.endpoint.exceptions import InternalServerError, NonXMLResponseError

from connectors.errors import CredentialsRefused, SettingMissing, SourceUnavailable
from connectors.tableau.settings import TableauSettings

RefreshState = Literal["refreshed", "failed", "cancelled", "timeout", "missing"]
_FINISHED: dict[int, RefreshState] = {0: "refreshed", 1: "failed", 2: "cancelled"}


@dataclass(frozen=True)
class RefreshResult:
    """How one data source's refresh ended. `note` is the server's own words."""

    name: str
    state: RefreshState
    note: str = ""
    seconds: float = 0.0


class TableauSite:
    """One signed-in session. Not thread-safe: a personal access token allows one session at a time."""

    def __init__(
        self,
        server: tsc.Server,
        settings: TableauSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = server
        self._settings = settings
        self._clock = clock
        self._sleep = sleep

    def data_sources(self) -> dict[str, tsc.DatasourceItem]:
        """Every published data source of the site, by name."""
        return {item.name: item for item in tsc.Pager(self._server.datasources) if item.name}

    def refresh(self, names: Sequence[str]) -> list[RefreshResult]:
        """Refresh the named data sources and wait for all of them, or for the deadline.

        Each outcome is reported; none stops the others. A refresh that is queued already is waited for.
        """
        started = self._clock()
        published = self.data_sources()
        results: dict[str, RefreshResult] = {}
        jobs: dict[str, str] = {}
        for name in names:
            item = published.get(name)
            if item is None or item.id is None:
                results[name] = RefreshResult(name, "missing", "not published on this site")
                continue
            outcome = self._start(name, item.id, started)
            if isinstance(outcome, RefreshResult):
                results[name] = outcome
            else:
                jobs[name] = outcome
        results.update(self._wait(jobs, started))
        return [results[name] for name in names]

    def _start(self, name: str, identifier: str, started: float) -> str | RefreshResult:
        while True:
            try:
                job = self._server.datasources.refresh(identifier)
                running = job.id if job else self._queued_job(identifier)
                return running or RefreshResult(name, "failed", "queued already, but its job cannot be found")
            except tsc.ServerResponseError as error:
                if not error.code.startswith("429"):
                    return RefreshResult(name, "failed", f"{error.code}: {error.summary}: {error.detail}")
                pause = throttle_pause(error.detail) or self._settings.throttle_seconds
                if self._clock() + pause > started + self._settings.deadline_seconds:
                    return RefreshResult(name, "timeout", f"the site asked to wait {pause:.0f} s: {error.detail}")
                self._sleep(pause)

    def _queued_job(self, identifier: str) -> str | None:
        """The job that runs for a data source already; the list does not say for which, the job itself does."""
        # Pager's types do not admit the jobs endpoint, which it pages as any other.
        for listed in tsc.Pager(self._server.jobs):  # pyright: ignore[reportArgumentType]
            if listed.id and listed.ended_at is None:
                job = self._server.jobs.get_by_id(listed.id)
                if job.datasource_id == identifier:
                    return job.id
        return None

    def _wait(self, jobs: dict[str, str], started: float) -> Iterator[tuple[str, RefreshResult]]:
        waiting = dict(jobs)
        while waiting:
            for name, identifier in list(waiting.items()):
                job = self._server.jobs.get_by_id(identifier)
                if int(job.finish_code) in _FINISHED and job.completed_at is not None:
                    del waiting[name]
                    note = "; ".join(job.notes or [])
                    yield name, RefreshResult(name, _FINISHED[int(job.finish_code)], note, self._clock() - started)
            if waiting and self._clock() - started > self._settings.deadline_seconds:
                note = f"still running after {self._settings.deadline_seconds:.0f} s"
                yield from ((name, RefreshResult(name, "timeout", note, self._clock() - started)) for name in waiting)
                return
            if waiting:
                self._sleep(self._settings.poll_seconds)


def throttle_pause(detail: str) -> float | None:
    """Seconds from a text such as `retry after 29 minutes`; None when it names no time."""
    found = re.search(r"after (\d+) (second|minute|hour)", detail)
    return float(found[1]) * {"second": 1, "minute": 60, "hour": 3600}[found[2]] if found else None


@contextmanager
def signed_in(settings: TableauSettings) -> Generator[TableauSite]:
    """A session on the site; signed out at the end.

    Raises:
        CredentialsRefused: wrong or expired token.
        SourceUnavailable: the server does not answer.
    """
    if settings.server_url is None:
        raise SettingMissing("no Tableau server is set", remedy="Set MGDW_TABLEAU_SERVER_URL, or write .hyper files.")
    credentials = tsc.PersonalAccessTokenAuth(
        settings.token_name, settings.token_secret.get_secret_value(), site_id=settings.site
    )
    server = tsc.Server(settings.server_url, use_server_version=False)
    try:
        server.use_server_version()
        server.auth.sign_in(credentials)
    except tsc.FailedSignInError as error:
        raise CredentialsRefused(
            f"Tableau refused the token {settings.token_name!r} on site {settings.site!r}: {error.detail}",
            remedy="Create a new personal access token and store it as the secret tableau-token-secret.",
        ) from error
    except (requests.RequestException, InternalServerError, NonXMLResponseError) as error:
        raise SourceUnavailable(
            f"Tableau at {settings.server_url} does not answer ({type(error).__name__})",
            remedy="Check MGDW_TABLEAU_SERVER_URL and that the site is up, then run the tableau flow again.",
        ) from error
    try:
        yield TableauSite(server, settings)
    except tsc.FailedSignInError as error:
        raise CredentialsRefused(
            f"the Tableau session ended while it was used: {error.detail}",
            remedy="Another job signed in with the same token: give each job its own, then run the flow again.",
        ) from error
    except requests.RequestException as error:
        raise SourceUnavailable(
            f"Tableau at {settings.server_url} stopped answering ({type(error).__name__})"
        ) from error
    finally:
        _sign_out(server)


def _sign_out(server: tsc.Server) -> None:
    try:
        server.auth.sign_out()
    except (tsc.ServerResponseError, tsc.NotSignedInError, tsc.FailedSignInError, requests.RequestException):
        return  # the session is gone already; signing out must not hide the error that ended it
