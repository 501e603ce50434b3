"""Fills STG straight from the sandbox's world, without connectors, so that the models are tested on their own.

Rows are mapped by the contract. A row that is soft- or hard-deleted at the source becomes a tombstone, as the loader
leaves it; the ledger gets one batch per table that reaches to the world's now.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

from connectors.contract import Contract, DataType, Table, load_contract
from sandbox.world import World

TYPES = {
    DataType.STRING: "VARCHAR",
    DataType.INT64: "BIGINT",
    DataType.NUMERIC: "DECIMAL(38, 9)",
    DataType.BOOL: "BOOLEAN",
    DataType.DATE: "DATE",
    DataType.TIMESTAMP: "TIMESTAMP",
}
LEDGER = """
    CREATE OR REPLACE TABLE STG._ledger (
        batch_id VARCHAR, source VARCHAR, table_name VARCHAR, window_lo TIMESTAMP, window_hi TIMESTAMP,
        rows_read BIGINT, loaded_at TIMESTAMP)
"""


def create_stg(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Create the schema, all STG tables and the ledger, empty."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS STG")
    for table in contract.tables:
        columns = [f'"{c.name}" {TYPES[c.type]}' for c in table.columns]
        columns += ["_batch_id VARCHAR", "_loaded_at TIMESTAMP", "_deleted BOOLEAN", "_deleted_at TIMESTAMP"]
        columns += ["_file VARCHAR"] if table.format else []
        connection.execute(f"CREATE OR REPLACE TABLE STG.{table.name} ({', '.join(columns)})")
    connection.execute(LEDGER)


def fill_stg(path: Path, world: World) -> None:
    """Make STG in the DuckDB file at `path` show the world as it is now."""
    contract = load_contract()
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        create_stg(connection, contract)
        for table in contract.tables:
            if table.format:
                _usage_files(connection, table, world)
            else:
                _source_table(connection, table, world)
            connection.execute(
                "INSERT INTO STG._ledger SELECT ?, ?, ?, NULL, ?, count(*), ? FROM STG." + table.name,
                [f"batch-{table.name}", table.source, table.name, _naive(world), _naive(world)],
            )


def _source_table(connection: duckdb.DuckDBPyConnection, table: Table, world: World) -> None:
    columns = ", ".join(f'CAST("{c.field}" AS {TYPES[c.type]}) AS "{c.name}"' for c in table.columns)
    flag = f'coalesce("{table.column(table.deleted_flag).field}", false) OR ' if table.deleted_flag else ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet")
        world.sql(
            f"""COPY (SELECT {columns}, 'batch-{table.name}' AS _batch_id, TIMESTAMP '{_naive(world)}' AS _loaded_at,
                {flag}_deleted_at IS NOT NULL AS _deleted, _deleted_at
                FROM "{table.source}"."{table.object}" WHERE {table.filter or "true"}) TO '{path}' (FORMAT parquet)"""
        )
        connection.execute(f"INSERT INTO STG.{table.name} BY NAME SELECT * FROM read_parquet('{path}')")


def _usage_files(connection: duckdb.DuckDBPyConnection, table: Table, world: World) -> None:
    columns = ", ".join(f'CAST("{c.field}" AS {TYPES[c.type]}) AS "{c.name}"' for c in table.columns)
    text = {c.field: "VARCHAR" for c in table.columns}
    with tempfile.TemporaryDirectory() as folder:
        paths: list[str] = []
        for number, file in enumerate(f for f in world.files() if f.key.startswith(table.object)):
            path = Path(folder, f"{number:05}-{Path(file.key).name}")
            path.write_bytes(file.body if isinstance(file.body, bytes) else Path(file.body).read_bytes())
            paths.append(str(path))
        if not paths:
            return
        if table.format == "csv":
            rows = connection.read_csv(paths, header=True, all_varchar=True)
        else:
            rows = connection.read_json(paths, columns=text, format="newline_delimited")
        rows.create_view("incoming_usage", replace=True)
        connection.execute(
            f"""INSERT INTO STG.{table.name} BY NAME SELECT {columns}, 'batch-{table.name}' AS _batch_id,
            TIMESTAMP '{_naive(world)}' AS _loaded_at, false AS _deleted FROM incoming_usage"""
        )
        connection.execute("DROP VIEW incoming_usage")


def _naive(world: World) -> str:
    return world.now.replace(tzinfo=None).isoformat(sep=" ")
