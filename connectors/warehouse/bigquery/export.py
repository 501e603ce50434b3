"""A table as one Parquet file."""

# ruff: noqa: S608 - names are quoted by sql.py
from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from google.api_core import exceptions as google
from google.cloud import bigquery

from connectors.warehouse.bigquery.jobs import Jobs
from connectors.warehouse.bigquery.load import Engine
from connectors.warehouse.bigquery.work import Work
from connectors.warehouse.duckdb_errors import explained
from connectors.warehouse.sql import text


@dataclass(frozen=True)
class Export:
    """Writes tables as files. With a bucket by an extract job (free of charge), whose pieces are joined here; without
    one page by page over the REST interface, which suits small tables only."""

    jobs: Jobs
    work: Work
    engine: Engine
    stop: threading.Event

    def write(self, source: str, path: Path) -> int:
        """Write `dataset.table` to one Parquet file, which appears whole; returns its rows."""
        hidden = path.with_name(f".{path.name}.partial")
        try:
            with explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            if self.work.bucket is None:
                count = self._read(source, hidden)
            else:
                with self._extracted(source) as pieces, explained(path):
                    count = self._join(pieces, hidden)
            with explained(path):
                hidden.rename(path)
        finally:
            hidden.unlink(missing_ok=True)
        return count

    @contextlib.contextmanager
    def _extracted(self, source: str) -> Generator[Path]:
        """A folder with the pieces of the table, for the time of the block."""
        owner, options = secrets.token_hex(8), self.jobs.options
        folder = self.work.name("export", owner)
        config = bigquery.ExtractJobConfig(
            destination_format=bigquery.DestinationFormat.PARQUET, compression=bigquery.Compression.SNAPPY,
            labels={"app": "mgdw", "step": "export", "owner": owner},
        )  # fmt: skip

        def begin(job_id: str) -> bigquery.ExtractJob:
            self.jobs.watch(f"EXPORT {source}")
            return self.jobs.client.extract_table(
                source, f"gs://{self.work.bucket}/{folder}/*.parquet", job_id=job_id, location=self.jobs.location,
                job_config=config, **options,
            )  # fmt: skip

        self.jobs.settle(f"mgdw-export-{owner}", begin, is_done=lambda _: True, owner=owner, stop=self.stop)
        blobs = list(self.work.bucket_of().list_blobs(prefix=f"{folder}/", **options))
        with tempfile.TemporaryDirectory(prefix="mgdw-export-") as pieces:
            for number, blob in enumerate(blobs):
                blob.download_to_filename(str(Path(pieces) / f"{number:05}.parquet"), **options)
            yield Path(pieces)
        with contextlib.suppress(google.GoogleAPIError):  # what is left goes with the bucket's lifecycle
            for blob in blobs:
                blob.delete(**options)

    def _join(self, pieces: Path, hidden: Path) -> int:
        with duckdb.connect(config={"memory_limit": self.engine.memory_limit}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            copy = (
                f"COPY (SELECT * FROM read_parquet({text(str(pieces / '*.parquet'))})) "
                f"TO {text(str(hidden))} (FORMAT parquet, COMPRESSION zstd)"
            )
            return connection.execute(copy).fetchall()[0][0]

    def _read(self, source: str, hidden: Path) -> int:
        options = self.jobs.options
        rows = self.jobs.client.list_rows(self.jobs.client.get_table(source, **options), **options)
        table = rows.to_arrow(create_bqstorage_client=False)
        with explained(hidden):
            pq.write_table(table, hidden, compression="zstd")  # pyright: ignore[reportUnknownMemberType]
        return table.num_rows
