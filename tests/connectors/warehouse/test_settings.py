"""Which warehouse and lake the environment names."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import ConfigurationError
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.warehouse.settings import WarehouseSettings, open_lake, open_warehouse


def test_the_environment_names_warehouse_and_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MGDW_DUCKDB_PATH", str(tmp_path / "w.duckdb"))
    monkeypatch.setenv("MGDW_LAKE", str(tmp_path / "lake"))
    settings = WarehouseSettings()
    warehouse, lake = open_warehouse(settings), open_lake(settings)
    assert isinstance(warehouse, DuckDBWarehouse) and warehouse.path == tmp_path / "w.duckdb"
    assert isinstance(lake, LocalLake) and lake.root == tmp_path / "lake"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MGDW_WAREHOUSE", "oracle"), ("MGDW_DUCKDB_MEMORY_LIMIT", "plenty"), ("MGDW_DUCKDB_THREADS", "0")],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        WarehouseSettings()


def test_a_lake_that_is_no_folder_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="gs://bucket"):
        open_lake(WarehouseSettings(lake="gs://bucket"))
