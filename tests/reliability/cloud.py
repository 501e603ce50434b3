"""The walk's ground in Google Cloud: a dataset and a folder of a bucket, in the place of a DuckDB file and a folder.

What a run left there is brought down into that file and that folder, so that one verdict serves both.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb
from google.cloud import storage

from connectors.contract import Contract
from connectors.google import GoogleAccess
from connectors.warehouse.bigquery import BigQueryWarehouse
from connectors.warehouse.casting import DUCKDB_TYPES
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.warehouse.ledger import ledger_tables


def bucket_of(project: str) -> str:
    """Name of the project's bucket for the lake."""
    return f"{project}-datalake"


def access(project: str) -> GoogleAccess:
    """Access by the servers that the environment names."""
    return GoogleAccess(project, "US")


def copied(project: str, base: str, place: str, contract: Contract) -> None:
    """Make `place` what `base` is: both name a dataset and a folder of the bucket."""
    asyncio.run(_copied(project, base, place, contract))


async def _copied(project: str, base: str, place: str, contract: Contract) -> None:
    google = access(project)
    bucket = google.storage().bucket(bucket_of(project))
    for blob in _listed(bucket, place):
        blob.delete()
    for blob in _listed(bucket, base):
        bucket.copy_blob(blob, bucket, f"{place}/{blob.name.partition('/')[2]}")
    with google.bigquery() as client:
        client.delete_dataset(place, delete_contents=True, not_found_ok=True)
        async with BigQueryWarehouse(google, dataset=place, bucket=bucket.name, prefix=place) as warehouse:
            await warehouse.ensure(contract)
        for name in _tables(contract):
            client.query_and_wait(f"INSERT INTO `{place}`.`{name}` SELECT * FROM `{base}`.`{name}`")


def brought_down(project: str, place: str, contract: Contract, *, database: Path, lake: Path) -> None:
    """Write the dataset's tables into a DuckDB file, and the folder of the bucket into a folder."""
    google = access(project)
    database.unlink(missing_ok=True)
    shutil.rmtree(lake, ignore_errors=True)
    for blob in _listed(google.storage().bucket(bucket_of(project)), f"{place}/raw"):
        path = lake / blob.name.partition("/")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob.download_as_bytes())
    asyncio.run(_tables_brought_down(google, place, contract, database))


async def _tables_brought_down(google: GoogleAccess, place: str, contract: Contract, database: Path) -> None:
    async with DuckDBWarehouse(database) as empty:
        await empty.ensure(contract)
    async with BigQueryWarehouse(google, dataset=place) as warehouse:
        for name in _tables(contract):
            file = database.with_name(f"{name}.parquet")
            await warehouse.export_parquet(f"{place}.{name}", file)
            with duckdb.connect(str(database)) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute(f"INSERT INTO STG.{name} BY NAME SELECT * FROM read_parquet('{file}')")
            file.unlink()


def _tables(contract: Contract) -> Sequence[str]:
    """All tables of STG, the ledger's among them, without the fences, which say nothing of what is loaded."""
    return [*(table.name for table in contract.tables), *(table.name for table in ledger_tables(DUCKDB_TYPES))]


def _listed(bucket: storage.Bucket, folder: str) -> list[storage.Blob]:
    return list(bucket.list_blobs(prefix=f"{folder}/"))
