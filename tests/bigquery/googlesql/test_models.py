"""Google's analyzer checks the types of the whole dbt project, and its reference implementation runs all models.

STG is what the world of day 1 fills it with. A model is resolved against the tables before it, its columns' types are
compared with its contract, then it is run, and its rows must be those that DuckDB built. No BigQuery project is asked.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from dbt.contracts.graph.nodes import ManifestNode

from connectors.contract import load_contract
from tests.bigquery.googlesql.client import GoogleSql, Refused
from tests.dbt.conftest import Dbt

PROJECT = "mg-dw-workbench"
META = {"_batch_id": "STRING", "_loaded_at": "TIMESTAMP", "_deleted": "BOOL", "_deleted_at": "TIMESTAMP"}
TYPES = {
    "VARCHAR": "STRING",
    "BIGINT": "INT64",
    "DECIMAL(38,9)": "NUMERIC",
    "BOOLEAN": "BOOL",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
}


@dataclass
class Built:
    """What the analyzer and the reference implementation said of each model, by `schema.name`."""

    columns: dict[str, list[tuple[str, str]]] = field(default_factory=dict[str, list[tuple[str, str]]])
    rows: dict[str, list[list[Any]]] = field(default_factory=dict[str, list[list[Any]]])
    refused: dict[str, str] = field(default_factory=dict[str, str])


@pytest.fixture(scope="module")
def warehouse(day_one: Dbt) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(day_one.warehouse), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="module")
def built(google_sql: GoogleSql, compiled: Dbt, warehouse: duckdb.DuckDBPyConnection) -> Built:
    """All models built one after the other by the reference implementation, from STG and the seeds."""
    _fill_inputs(google_sql, warehouse)
    answer = Built()
    for model in _in_build_order(compiled):
        name = f"{model.schema}.{model.name}"
        try:
            answer.columns[name] = google_sql.analyze(model.compiled_code)
            answer.rows[name] = google_sql.evaluate(model.compiled_code, keep=f"{PROJECT}.{name}")
        except Refused as refused:
            answer.refused[name] = str(refused)
    return answer


def test_every_model_is_sql_that_bigquery_takes(built: Built) -> None:
    assert built.refused == {}
    assert len(built.rows) > 70


def test_every_type_is_the_contracts(built: Built, compiled: Dbt) -> None:
    different: dict[str, tuple[str, str]] = {}
    for model in _in_build_order(compiled):
        if model.config.contract.enforced:
            found = built.columns[f"{model.schema}.{model.name}"]
            wanted = [(c.name, c.data_type.split("(")[0].upper()) for c in model.columns.values()]
            assert [name for name, _ in found] == [name for name, _ in wanted], model.name
            pairs = zip(found, wanted, strict=True)
            different |= {f"{model.name}.{name}": (a, b) for (name, a), (_, b) in pairs if a != b}
    assert different == {}


def test_every_model_has_the_rows_that_duckdb_built(built: Built, warehouse: duckdb.DuckDBPyConnection) -> None:
    for name, rows in built.rows.items():
        columns = ", ".join(f'"{column}"' for column, _ in built.columns[name])
        ours = [[_canonical(v) for v in row] for row in warehouse.execute(f"SELECT {columns} FROM {name}").fetchall()]
        ours_only, googles_only = _differences(ours, rows)
        assert not ours_only, f"{name}: DuckDB {ours_only[:2]}, GoogleSQL {googles_only[:2]}"
        assert not googles_only, name


@pytest.mark.usefixtures("built")
def test_every_data_test_is_sql_that_bigquery_takes(google_sql: GoogleSql, compiled: Dbt) -> None:
    assert compiled.manifest is not None
    tests = [n for n in compiled.manifest.nodes.values() if n.resource_type == "test"]
    refused: dict[str, str] = {}
    for test in tests:
        try:
            google_sql.analyze(test.compiled_code)
        except Refused as error:
            refused[test.name] = str(error)
    assert refused == {}
    assert len(tests) > 200


def test_the_tables_read_have_the_contracts_columns(warehouse: duckdb.DuckDBPyConnection) -> None:
    for table in load_contract().tables:
        columns = [(column.name, column.type.value) for column in table.columns] + list(META.items())
        assert _columns(warehouse, "STG", table.name)[: len(columns)] == columns, table.name


def test_a_difference_of_one_row_is_seen() -> None:
    assert _differences([["a", 1], ["a", 1]], [["a", 1]]) == ([("a", 1)], [])
    assert _differences([["a", None]], [["a", 0]]) == ([("a", None)], [("a", 0)])


def _fill_inputs(google_sql: GoogleSql, warehouse: duckdb.DuckDBPyConnection) -> None:
    tables = warehouse.execute(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND "
        "(table_schema = 'STG' OR table_name IN ('brands', 'countries'))"
    ).fetchall()
    for schema, table in tables:
        google_sql.table(f"{PROJECT}.{schema}.{table}", _columns(warehouse, schema, table))
        rows = warehouse.execute(f'SELECT * FROM {schema}."{table}"').fetchall()
        google_sql.fill(f"{PROJECT}.{schema}.{table}", [[_canonical(value) for value in row] for row in rows])


def _columns(warehouse: duckdb.DuckDBPyConnection, schema: str, table: str) -> list[tuple[str, str]]:
    columns = warehouse.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = ? AND table_name = ? "
        "ORDER BY ordinal_position",
        [schema, table],
    ).fetchall()
    return [(name, TYPES[type_]) for name, type_ in columns]


def _in_build_order(dbt: Dbt) -> list[ManifestNode]:
    assert dbt.manifest is not None
    left = {i: n for i, n in dbt.manifest.nodes.items() if n.resource_type == "model"}
    done: list[ManifestNode] = []
    while left:
        ready = [i for i, n in left.items() if not any(d in left for d in n.depends_on.nodes)]
        assert ready
        done += [left.pop(i) for i in ready]
    return done


def _canonical(value: Any) -> Any:
    """The value as the reference implementation's answer tells it (`values.py`)."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return value.isoformat() if isinstance(value, dt.date) else value


def _differences(ours: list[list[Any]], theirs: list[list[Any]]) -> tuple[list[Any], list[Any]]:
    """Rows that only one of them has, as often as it has them."""
    left, right = Counter(map(tuple, ours)), Counter(map(tuple, theirs))
    return list((left - right).elements()), list((right - left).elements())
