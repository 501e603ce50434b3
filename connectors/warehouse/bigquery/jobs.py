"""BigQuery jobs that run once, whoever asks how often.

A job that changes something has an id made from what it does, never from an attempt: BigQuery accepts an id once, so a
second request for it (an answer that was lost, a second process, the next run) finds the first one and waits for it.
Only a job that failed is followed by the next id of a chain (`…-1`, `…-2`), which every process walks in the same way.
"""

from __future__ import annotations

import itertools
import random
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from google.api_core import exceptions as google
from google.cloud import bigquery

from connectors.errors import InternalError, WarehouseBusy
from connectors.google import GoogleAccess
from connectors.warehouse.bigquery.errors import is_away, is_conflict, is_passing

Job = bigquery.QueryJob | bigquery.LoadJob | bigquery.ExtractJob
JobT = TypeVar("JobT", bigquery.QueryJob, bigquery.LoadJob, bigquery.ExtractJob)

_MOST_LINKS = 1000
_UNFIT = re.compile(r"[^a-z0-9_-]")


class Stopped(Exception):
    """The caller was cancelled."""


@dataclass(frozen=True)
class Ran(Generic[JobT]):
    """A job that ended well, and whether it was this caller that began it."""

    job: JobT
    is_own: bool


def label(value: str) -> str:
    """The text as a label value: lower-case letters, digits, `_` and `-`, at most 63 of them."""
    return _UNFIT.sub("-", value.lower())[:63]


class Jobs:
    """Runs jobs of one project in one location.

    Args:
        maximum_bytes_billed: cap of every query job, in bytes.
        patience: seconds that one request is repeated while the server gives no answer.
        attempts: how often a job is begun again after a conflict with another transaction, or an error that passes.
        on_statement: called with each statement before it is sent.
    """

    def __init__(
        self,
        google_access: GoogleAccess,
        *,
        maximum_bytes_billed: int,
        patience: float,
        attempts: int = 8,
        on_statement: Callable[[str], None] | None = None,
    ) -> None:
        self.client = google_access.bigquery()
        self.location = google_access.location
        self._maximum = maximum_bytes_billed
        self._patience = patience
        self._attempts = attempts
        self._on_statement = on_statement
        self._retry = bigquery.DEFAULT_RETRY.with_timeout(patience)

    @property
    def options(self) -> dict[str, Any]:
        """Of every request: how long to repeat it, and how long to wait for an answer, in seconds."""
        return {"retry": self._retry, "timeout": self._patience}

    def config(self, labels: Mapping[str, str], **more: Any) -> bigquery.QueryJobConfig:
        """A capped and labelled query."""
        return bigquery.QueryJobConfig(
            labels={"app": "mgdw", **{k: label(v) for k, v in labels.items() if v}},
            maximum_bytes_billed=self._maximum, use_legacy_sql=False, **more,
        )  # fmt: skip

    def watch(self, sql: str) -> None:
        """Say what is about to be sent."""
        if self._on_statement:
            self._on_statement(sql)

    def select(self, sql: str, labels: Mapping[str, str]) -> list[bigquery.Row]:
        """The rows of a query that changes nothing."""
        self.watch(sql)
        rows = self.client.query_and_wait(
            sql, job_config=self.config(labels), location=self.location, retry=self._retry, job_retry=None,  # pyright: ignore[reportArgumentType] - None is documented
            api_timeout=self._patience, wait_timeout=3600,
        )  # fmt: skip
        return list(rows)

    def transaction(self, script: str, labels: Mapping[str, str]) -> list[bigquery.Row]:
        """Run a script that may be run again after it failed; the rows of its last SELECT, if it has one.

        Raises WarehouseBusy when other transactions change the same tables without end.
        """
        owner = secrets.token_hex(8)
        config = self.config({**labels, "owner": owner})

        def begin(job_id: str) -> bigquery.QueryJob:
            self.watch(script)
            return self.client.query(
                script, job_id=job_id, job_config=config, location=self.location, job_retry=None, **self.options
            )

        ran = self.settle(f"mgdw-script-{owner}", begin, is_done=lambda _: True, owner=owner, stop=threading.Event())
        return self.rows(ran.job)

    def settle(
        self,
        identity: str,
        begin: Callable[[str], JobT],
        *,
        is_done: Callable[[JobT], bool],
        owner: str,
        stop: threading.Event,
    ) -> Ran[JobT]:
        """Run the job of that identity, or find that it ran.

        Args:
            identity: the first id of the chain.
            begin: starts the job under an id.
            is_done: whether a job that ended well, which another one began, still has its effect.
            owner: what `begin` puts into the label `owner`, so that a job is known again when its answer was lost.
            stop: set when the caller is cancelled: the job is cancelled as well.

        Raises Stopped, WarehouseBusy (conflicts without end), and what the job failed with.
        """
        begun = 0
        for job_id in itertools.islice(_chain(identity), _MOST_LINKS):
            job, is_own = self._begin(job_id, begin, owner)
            try:
                self._wait(job, stop)
            except (google.GoogleAPICallError, google.RetryError) as error:
                if job.state != "DONE":
                    raise
                if not is_own:
                    continue
                begun += 1
                if not (is_conflict(error) or is_passing(error)):
                    raise
                if begun >= self._attempts:
                    raise self._gave_up(error, begun) from error
                stop.wait(random.uniform(0.5, 1) * min(0.1 * 2**begun, 10))  # noqa: S311 - no secret
                continue
            if is_own or is_done(job):
                return Ran(job, is_own)
        raise InternalError(f"{_MOST_LINKS} jobs like {identity} failed")

    def rows(self, job: bigquery.QueryJob) -> list[bigquery.Row]:
        """The rows of a finished query."""
        return list(job.result(retry=self._retry, timeout=self._patience, job_retry=None))

    def _begin(self, job_id: str, begin: Callable[[str], JobT], owner: str) -> tuple[JobT, bool]:
        """Start the job, or attach to the one of that id."""
        try:
            return begin(job_id), True
        except google.Conflict:
            return self._attach(job_id, owner)
        except Exception as error:
            if not is_away(error):
                raise
            try:
                return self._attach(job_id, owner)
            except google.NotFound:
                raise error from None

    def _attach(self, job_id: str, owner: str) -> tuple[Any, bool]:
        job = cast("Job", self.client.get_job(job_id, location=self.location, **self.options))
        return job, job.labels.get("owner") == owner

    def _wait(self, job: Job, stop: threading.Event) -> None:
        """Until the job is done; raises what it failed with."""
        pause = 0.05
        while job.state != "DONE":
            if stop.is_set():
                job.cancel(**self.options)
                raise Stopped
            stop.wait(pause)
            pause = min(pause * 1.5, 5)
            job.reload(**self.options)
        if job.error_result:
            failed = job.exception(timeout=self._patience)
            assert failed is not None
            raise failed

    @staticmethod
    def _gave_up(error: Exception, begun: int) -> Exception:
        if not is_conflict(error):
            return error
        return WarehouseBusy(
            f"another program changes the same table: {begun} transactions were aborted",
            remedy="Nothing was loaded by this one. Run again when the other run has ended.",
        )


def _chain(identity: str) -> Iterable[str]:
    yield identity
    for number in itertools.count(1):
        yield f"{identity}-{number}"
