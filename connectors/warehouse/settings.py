"""Which warehouse and which lake, from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from connectors.errors import ConfigurationError
from connectors.lake import Lake
from connectors.lake.local import LocalLake
from connectors.settings import SystemSettings
from connectors.warehouse import Warehouse
from connectors.warehouse.duckdb import DuckDBWarehouse


class WarehouseSettings(SystemSettings):
    """Where STG, ODS and EDW live, and where raw data is kept."""

    model_config = SettingsConfigDict(env_prefix="MGDW_", extra="ignore", frozen=True, hide_input_in_errors=True)

    warehouse: Literal["duckdb"] = Field("duckdb", description="Engine of the warehouse.")
    duckdb_path: Path = Field(Path("data/mgdw.duckdb"), description="Database file of the DuckDB warehouse.")
    lake: str = Field("data/lake", min_length=1, description="Folder in which raw data is kept.")
    duckdb_memory_limit: str = Field(
        "400MB", pattern=r"^\d+(\.\d+)?\s?[KMG]i?B$", description="What DuckDB keeps in memory; the rest goes to disk."
    )
    duckdb_threads: int | None = Field(None, ge=1, le=256, description="DuckDB's threads; one per core when not set.")
    duckdb_lock_wait: float = Field(
        60.0, ge=0, le=3600, description="Seconds to wait while another process holds the database file."
    )


def open_warehouse(settings: WarehouseSettings) -> Warehouse:
    """The warehouse the settings name, to be used as `async with`."""
    return DuckDBWarehouse(
        settings.duckdb_path,
        memory_limit=settings.duckdb_memory_limit,
        threads=settings.duckdb_threads,
        lock_wait=settings.duckdb_lock_wait,
    )


def open_lake(settings: WarehouseSettings) -> Lake:
    """The lake the settings name. Raises ConfigurationError for a place this program cannot write to."""
    if "://" in settings.lake:
        raise ConfigurationError(
            f"MGDW_LAKE is {settings.lake!r}: only a local folder can be the lake",
            remedy="Set MGDW_LAKE to a folder.",
        )
    return LocalLake(settings.lake)
