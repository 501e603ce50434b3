"""How a batch's Parquet file comes to its load job: through the bucket of the lake, or with the request itself."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from google.api_core import exceptions as google
from google.cloud import bigquery, storage

from connectors.google import GoogleAccess
from connectors.warehouse.bigquery.jobs import Jobs

WORK = "work"
"""Prefix of what lives for days only: the bucket's lifecycle removes it."""


@dataclass(frozen=True)
class Work:
    """Where files lie while BigQuery reads or writes them.

    Args:
        bucket: of the lake; None for a lake that BigQuery cannot read: files are sent with the request.
        prefix: of the lake in the bucket.
    """

    google: GoogleAccess
    bucket: str | None = None
    prefix: str = ""

    def load(
        self,
        jobs: Jobs,
        *,
        path: Path,
        target: bigquery.TableReference,
        job_id: str,
        config: bigquery.LoadJobConfig,
        name: str,
    ) -> bigquery.LoadJob:
        """Begin the load job. What lies in the bucket already under the name is the same and stays."""
        jobs.watch(f"LOAD DATA INTO {target.dataset_id}.{target.table_id}")
        if self.bucket is None:
            with path.open("rb") as file:
                return jobs.client.load_table_from_file(
                    file, target, size=path.stat().st_size, job_id=job_id, location=jobs.location, job_config=config,
                    num_retries=0, timeout=jobs.options["timeout"],
                )  # fmt: skip
        name = self.name(name)
        blob = self.bucket_of().blob(name)
        with contextlib.suppress(google.PreconditionFailed):
            blob.upload_from_filename(str(path), if_generation_match=0, **jobs.options)
        return jobs.client.load_table_from_uri(
            f"gs://{self.bucket}/{name}", target, job_id=job_id, location=jobs.location, job_config=config,
            **jobs.options,
        )  # fmt: skip

    def name(self, *parts: str) -> str:
        """The name of an object."""
        return "/".join(part for part in (self.prefix.strip("/"), WORK, *parts) if part)

    def bucket_of(self) -> storage.Bucket:
        return self.google.storage().bucket(self.bucket)
