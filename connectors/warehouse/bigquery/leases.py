"""Leases in BigQuery, in the dataset of the ledger."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from google.api_core import exceptions as google
from google.cloud import bigquery

from connectors.errors import InternalError
from connectors.google import GoogleAccess
from connectors.warehouse import lease as leases
from connectors.warehouse.bigquery.errors import explained
from connectors.warehouse.bigquery.googlesql import BIGQUERY_TYPES, spoken, text
from connectors.warehouse.bigquery.googlesql import name as quoted
from connectors.warehouse.bigquery.jobs import Jobs
from connectors.warehouse.ddl import SCHEMA
from connectors.warehouse.lease import Clock, Lease

CLOCK = Clock(
    "CURRENT_TIMESTAMP()",
    lambda milliseconds: f"TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {milliseconds} MILLISECOND)",
)
_ATTEMPTS = 20
"""Every taking changes one same row: sources that begin together abort each other a few times."""


class BigQueryLeases:
    """Leases of one dataset.

    Args:
        patience: seconds that a request is repeated while Google gives no answer.
    """

    def __init__(
        self, google_access: GoogleAccess, *, dataset: str = SCHEMA, maximum_bytes_billed: int = 1 << 40,
        patience: float = 120.0,
    ) -> None:  # fmt: skip
        self.dataset = dataset
        self._google = google_access
        self._maximum_bytes_billed = maximum_bytes_billed
        self._patience = patience
        self._jobs: Jobs | None = None

    async def __aenter__(self) -> Self:
        """Make the client; nothing is asked yet. Raises ConfigurationError without credentials."""

        def open_client() -> Jobs:
            with explained(f"the project {self._google.project}"):
                return Jobs(
                    self._google, maximum_bytes_billed=self._maximum_bytes_billed, patience=self._patience,
                    attempts=_ATTEMPTS,
                )  # fmt: skip

        self._jobs = await asyncio.to_thread(open_client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        jobs, self._jobs = self._jobs, None
        if jobs is not None:
            await asyncio.to_thread(jobs.client.close)

    async def take(self, name: str, holder: str, about: str, seconds: float) -> Lease:
        """See `LeaseStore.take`."""
        statements = leases.take(name, holder, about, seconds, CLOCK)
        (row,) = await self._run(statements, leases.select(name, CLOCK))
        return Lease(**row)

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """See `LeaseStore.renew`."""
        (row,) = await self._run([leases.renew(lease, seconds, CLOCK), "SET changed = @@row_count"], "SELECT changed")
        return bool(row["changed"])

    async def give_back(self, lease: Lease) -> None:
        """See `LeaseStore.give_back`."""
        await self._run([leases.give_back(lease), "SET changed = @@row_count"], "SELECT changed")

    async def _run(self, statements: Sequence[str], select: str) -> list[bigquery.Row]:
        """Run the statements in one transaction, then the query. The table is made where it is missing."""
        jobs = self._jobs
        if jobs is None:
            raise InternalError("the leases are not open: use them as `async with`")
        said = [spoken(statement, dataset=self.dataset) for statement in (*statements, "COMMIT TRANSACTION", select)]
        script = ";\n".join(["DECLARE changed INT64 DEFAULT 0", "BEGIN TRANSACTION", *said])
        labels = {"step": "lease"}

        def run() -> list[bigquery.Row]:
            with explained(f"the dataset {self.dataset}"):
                try:
                    return jobs.transaction(script, labels)
                except google.NotFound:
                    # Made as a whole by one statement, so that of two that make it one does.
                    with contextlib.suppress(google.Conflict):
                        jobs.transaction(self._create(), labels)
                    return jobs.transaction(script, labels)

        return await asyncio.to_thread(run)

    def _create(self) -> str:
        columns = ", ".join(
            f"{quoted(column)} {BIGQUERY_TYPES[of]} OPTIONS (description = {text(about)})"
            for column, (of, about) in leases.COLUMNS.items()
        )
        first = {column: f"CAST(NULL AS {BIGQUERY_TYPES[of]})" for column, (of, _) in leases.COLUMNS.items()}
        first |= {"name": text(leases.TOKENS), "token": "0"}
        values = ", ".join(f"{value} AS {quoted(column)}" for column, value in first.items())
        return (
            f"CREATE TABLE IF NOT EXISTS {spoken(leases.LEASES, dataset=self.dataset)} ({columns}) "
            f"OPTIONS (description = {text(leases.ABOUT)}) AS SELECT {values}"
        )
