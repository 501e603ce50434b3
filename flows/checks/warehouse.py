"""The warehouse: a DuckDB file that can be opened, or BigQuery's jobs and datasets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb

from connectors.errors import StorageFull
from connectors.warehouse.duckdb_errors import busy, explained, is_locked
from connectors.warehouse.settings import WarehouseSettings
from flows.checks import Check, Diagnosis, Status, in_thread
from flows.checks.bigquery import bigquery_checks

_LEAST_ROOM = 2 * 2**30
"""Bytes free below which a load may fail half way: it needs room for new rows and for what memory does not hold."""


def warehouse_checks() -> list[Check]:
    """The checks of the engine in use."""
    try:
        settings = WarehouseSettings.from_environment()
    except Exception:  # noqa: BLE001 - the check itself meets it again, and tells
        return [_duckdb_check()]
    return [_duckdb_check()] if settings.warehouse == "duckdb" else bigquery_checks(settings)


def _duckdb_check() -> Check:
    async def look() -> Sequence[Diagnosis]:
        path = WarehouseSettings.from_environment().duckdb_path.absolute()
        return await in_thread(lambda: [_file(path), _room(path)])

    return Check("warehouse", "MGDW_DUCKDB_PATH", look)


def _file(path: Path) -> Diagnosis:
    """Open as a load does: for writing. A file that is not there is not made."""
    if not path.exists():
        parent = next(folder for folder in path.parents if folder.exists())
        if not os.access(parent, os.W_OK):
            raise StorageFull(f"cannot write the warehouse {path}: {parent} is not ours to write to")
        return Diagnosis(
            "warehouse", str(path), Status.OK, f"DuckDB {duckdb.__version__}: the first run makes the file"
        )
    with explained(path):
        try:
            connection = duckdb.connect(str(path))
        except duckdb.Error as error:
            if is_locked(error):
                raise busy(path, error, waited=0) from error
            raise
        with connection:
            answer = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'STG'").fetchone()
    found = f"DuckDB {duckdb.__version__}: opened for writing, {answer[0] if answer else 0} tables in STG"
    return Diagnosis("warehouse", str(path), Status.OK, found)


def _room(path: Path) -> Diagnosis:
    folder = next(folder for folder in path.parents if folder.exists())
    free, size = shutil.disk_usage(folder).free, path.stat().st_size if path.exists() else 0
    found = f"{free / 2**30:,.1f} GiB free, the file has {size / 2**30:,.1f} GiB"
    if free < max(_LEAST_ROOM, size // 2):
        remedy = "Free space, or move the file (MGDW_DUCKDB_PATH) to a larger disk."
        return Diagnosis("warehouse", str(folder), Status.WARNING, found, remedy)
    return Diagnosis("warehouse", str(folder), Status.OK, found)
