"""Which warehouse and lake the environment names."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import ConfigurationError
from connectors.lake.gcs import GcsLake
from connectors.lake.local import LocalLake
from connectors.warehouse.bigquery import BigQueryWarehouse
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


@pytest.mark.parametrize("place", ["s3://bucket", "https://storage.googleapis.com/bucket"])
def test_a_lake_elsewhere_is_refused(place: str) -> None:
    with pytest.raises(ConfigurationError, match=place):
        open_lake(WarehouseSettings(lake=place))


def test_the_lake_follows_the_warehouse_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WarehouseSettings().lake == "data/lake"
    monkeypatch.setenv("MGDW_WAREHOUSE", "bigquery")
    assert WarehouseSettings().lake == "gs://mg-dw-datalake"
    monkeypatch.setenv("MGDW_LAKE", "data/lake")
    assert isinstance(open_lake(WarehouseSettings()), LocalLake)


def test_bigquery_and_a_bucket_are_opened_without_a_word_to_google(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    settings = WarehouseSettings(warehouse="bigquery", lake="gs://bucket/some/prefix", stg_dataset="DEV")
    warehouse, lake = open_warehouse(settings), open_lake(settings)
    assert isinstance(warehouse, BigQueryWarehouse) and warehouse.dataset == "DEV"
    assert isinstance(lake, GcsLake)
