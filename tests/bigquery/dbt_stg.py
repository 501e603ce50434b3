"""Copies STG from a DuckDB file into BigQuery by load jobs, table by table, with BigQuery's types."""

from __future__ import annotations

from pathlib import Path

import duckdb
from google.cloud import bigquery

from connectors.google import GoogleAccess

TYPES = {
    "VARCHAR": "STRING",
    "BIGINT": "INT64",
    "DECIMAL(38,9)": "NUMERIC",
    "BOOLEAN": "BOOL",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
}


def copy_stg(warehouse: Path, google: GoogleAccess, folder: Path) -> dict[str, int]:
    """Make the dataset STG hold what the schema STG of the file holds. Returns rows per table."""
    client = google.bigquery()
    dataset = bigquery.Dataset(f"{google.project}.STG")
    dataset.location = google.location
    client.create_dataset(dataset, exists_ok=True)
    rows: dict[str, int] = {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'STG' AND table_type = 'BASE TABLE'"
        ).fetchall()
        for (table,) in tables:
            columns: dict[str, str] = dict(
                connection.execute(
                    "SELECT column_name, data_type FROM information_schema.columns "
                    "WHERE table_schema = 'STG' AND table_name = ? ORDER BY ordinal_position",
                    [table],
                ).fetchall()
            )
            # Parquet says of a stamp whether it is an instant; BigQuery loads only those as TIMESTAMP.
            chosen = ", ".join(
                f'CAST("{n}" AS TIMESTAMPTZ) AS "{n}"' if t == "TIMESTAMP" else f'"{n}"' for n, t in columns.items()
            )
            part = folder / f"{table}.parquet"
            connection.execute(f"COPY (SELECT {chosen} FROM STG.\"{table}\") TO '{part}' (FORMAT parquet)")
            schema = [bigquery.SchemaField(n, TYPES[t]) for n, t in columns.items()]
            rows[table] = _load(client, f"{google.project}.STG.{table}", part, schema)
    return rows


def _load(client: bigquery.Client, table: str, part: Path, schema: list[bigquery.SchemaField]) -> int:
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET, schema=schema, write_disposition="WRITE_TRUNCATE"
    )
    with part.open("rb") as body:
        job = client.load_table_from_file(body, table, job_config=config)
    job.result(timeout=120)
    return int(job.output_rows or 0)
