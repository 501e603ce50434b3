"""Which warehouse and which lake, from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from connectors.errors import ConfigurationError
from connectors.google import GoogleAccess, GoogleSettings
from connectors.lake import Lake
from connectors.lake.local import LocalLake
from connectors.settings import SystemSettings
from connectors.warehouse import Warehouse
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.warehouse.duckdb_leases import DuckDBLeases
from connectors.warehouse.lease import LeaseStore
from connectors.warehouse.limits import Limits

_BUCKET = "gs://"


class WarehouseSettings(SystemSettings):
    """Where STG, ODS and EDW live, and where raw data is kept."""

    model_config = SettingsConfigDict(env_prefix="MGDW_", extra="ignore", frozen=True, hide_input_in_errors=True)

    warehouse: Literal["duckdb", "bigquery"] = Field("duckdb", description="Engine of the warehouse.")
    duckdb_path: Path = Field(Path("data/mgdw.duckdb"), description="Database file of the DuckDB warehouse.")
    lake: str = Field(
        default_factory=lambda given: "gs://mg-dw-datalake" if given.get("warehouse") == "bigquery" else "data/lake",
        min_length=1,
        description="Where raw data is kept: a folder, or a bucket as `gs://bucket` or `gs://bucket/prefix`. Not set: "
        "`data/lake` for DuckDB, `gs://mg-dw-datalake` for BigQuery.",
    )
    stg_dataset: str = Field(
        "STG",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$",
        description="BigQuery dataset of the STG tables and the ledger.",
    )
    maximum_bytes_billed: int = Field(
        1 << 40,
        ge=10 << 20,
        le=1 << 50,
        description="Bytes that one BigQuery job of a load may bill; BigQuery refuses what would bill more.",
    )
    google_patience: float = Field(
        120.0, ge=1, le=3600, description="Seconds that a request to BigQuery is repeated while no answer comes."
    )
    bigquery_loads: int = Field(4, ge=1, le=32, description="Batches that are loaded into BigQuery at once.")
    duckdb_memory_limit: str = Field(
        "400MB", pattern=r"^\d+(\.\d+)?\s?[KMG]i?B$", description="What DuckDB keeps in memory; the rest goes to disk."
    )
    duckdb_threads: int | None = Field(None, ge=1, le=256, description="DuckDB's threads; one per core when not set.")
    duckdb_lock_wait: float = Field(
        60.0, ge=0, le=3600, description="Seconds to wait while another process holds the database file."
    )
    lease_seconds: float = Field(
        180.0,
        ge=1,
        le=86400,
        description="How long the lease of a run that died without a word keeps others from the same work. A living "
        "run renews its lease at a third of that.",
    )
    lease_wait: float = Field(
        3600.0,
        ge=0,
        le=86400,
        description="Seconds that a source, dbt or Tableau waits for another run that does the same work now.",
    )
    quarantine_share: float = Field(
        0.05, ge=0, le=1, description="A batch stops when more than this share of its rows does not fit the contract."
    )
    quarantine_rows: int = Field(
        100, ge=0, description="Rows of a batch that may go to quarantine whatever their share."
    )
    delete_share: float = Field(
        0.5, ge=0, le=1, description="A batch stops when it would delete more than this share of a table's living rows."
    )
    delete_rows: int = Field(100, ge=0, description="Rows that a batch may delete whatever their share.")

    @property
    def limits(self) -> Limits:
        """When a batch is too bad to be believed."""
        return Limits(self.quarantine_share, self.quarantine_rows, self.delete_share, self.delete_rows)


def open_warehouse(settings: WarehouseSettings, google: GoogleAccess | None = None) -> Warehouse:
    """The warehouse the settings name, to be used as `async with`.

    Args:
        google: how to reach Google Cloud; without it as the settings say, with application default credentials.
    """
    if settings.warehouse == "bigquery":
        from connectors.warehouse.bigquery import BigQueryWarehouse, Engine

        bucket, prefix = _bucket(settings.lake) or (None, "")
        return BigQueryWarehouse(
            google or _google(),
            dataset=settings.stg_dataset,
            bucket=bucket,
            prefix=prefix,
            limits=settings.limits,
            engine=Engine(settings.duckdb_memory_limit, settings.duckdb_threads),
            maximum_bytes_billed=settings.maximum_bytes_billed,
            patience=settings.google_patience,
            loads_at_once=settings.bigquery_loads,
        )
    return DuckDBWarehouse(
        settings.duckdb_path,
        memory_limit=settings.duckdb_memory_limit,
        threads=settings.duckdb_threads,
        lock_wait=settings.duckdb_lock_wait,
        limits=settings.limits,
    )


def open_leases(settings: WarehouseSettings, google: GoogleAccess | None = None) -> LeaseStore:
    """The leases of the warehouse the settings name, to be used as `async with`; see `open_warehouse`."""
    if settings.warehouse == "bigquery":
        from connectors.warehouse.bigquery.leases import BigQueryLeases

        return BigQueryLeases(
            google or _google(), dataset=settings.stg_dataset, maximum_bytes_billed=settings.maximum_bytes_billed,
            patience=settings.google_patience,
        )  # fmt: skip
    return DuckDBLeases(settings.duckdb_path, lock_wait=settings.duckdb_lock_wait)


def open_lake(settings: WarehouseSettings, google: GoogleAccess | None = None) -> Lake:
    """The lake the settings name. Raises ConfigurationError for a place this program cannot write to."""
    if place := _bucket(settings.lake):
        from connectors.lake.gcs import GcsLake

        return GcsLake(*place, google=google or _google())
    if "://" in settings.lake:
        raise ConfigurationError(
            f"MGDW_LAKE is {settings.lake!r}: only a local folder or a gs:// bucket can be the lake",
            remedy="Set MGDW_LAKE to a folder, or to gs://bucket.",
        )
    return LocalLake(settings.lake)


def _bucket(lake: str) -> tuple[str, str] | None:
    """Bucket and prefix of a lake in Cloud Storage."""
    if not lake.startswith(_BUCKET):
        return None
    bucket, _, prefix = lake.removeprefix(_BUCKET).partition("/")
    return bucket, prefix.strip("/")


def _google() -> GoogleAccess:
    settings = GoogleSettings.from_environment()
    return GoogleAccess(settings.project, settings.location)
