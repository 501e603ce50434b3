""".hyper files: what goes in comes out, and nothing half-written stays."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from tableauhyperapi import Connection, HyperProcess, Telemetry

from connectors.errors import WorkFailed
from connectors.tableau.hyper import write_hyper


def _parquet(path: Path, select: str) -> Path:
    duckdb.sql(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def test_rows_and_cents_survive_the_way_into_a_hyper_file(tmp_path: Path) -> None:
    source = _parquet(
        tmp_path / "mart.parquet",
        "SELECT i AS n, CAST(i AS DECIMAL(38,9)) / 100 * 1.000000000 AS money, "
        "DATE '2026-06-01' + CAST(i AS INTEGER) AS day "
        "FROM range(1000) t(i)",
    )
    target = tmp_path / "out" / "mart.hyper"
    assert write_hyper(source, target) == 1000
    with (
        HyperProcess(Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters={"log_config": ""}) as hyper,
        Connection(hyper.endpoint, str(target)) as connection,
    ):
        total = connection.execute_scalar_query('SELECT sum(cast(money as numeric(18,2))) FROM "Extract"."Extract"')
    assert Decimal(str(total)) == Decimal("4995.00")


def test_writing_again_replaces_the_file(tmp_path: Path) -> None:
    target = tmp_path / "mart.hyper"
    write_hyper(_parquet(tmp_path / "a.parquet", "SELECT 1 AS n"), target)
    assert write_hyper(_parquet(tmp_path / "b.parquet", "SELECT * FROM range(5) t(n)"), target) == 5


def test_data_that_hyper_refuses_leaves_the_old_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "mart.hyper"
    write_hyper(_parquet(tmp_path / "a.parquet", "SELECT 1 AS n"), target)
    before = target.read_bytes()
    with pytest.raises(WorkFailed, match="mart.hyper"):
        write_hyper(_parquet(tmp_path / "b.parquet", "SELECT [1, 2] AS list"), target)
    assert target.read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))
