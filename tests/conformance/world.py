"""Wares as the sandbox's servers want them: a small DuckDB with the interface of `sandbox.world`."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import duckdb

from connectors.contract import DataType
from tests.conformance.ware import Ware, Wire

_TYPES = {
    DataType.STRING: "VARCHAR", DataType.INT64: "BIGINT", DataType.NUMERIC: "DECIMAL(18,2)",
    DataType.BOOL: "BOOLEAN", DataType.DATE: "DATE", DataType.TIMESTAMP: "TIMESTAMP",
}  # fmt: skip


class WareWorld:
    """Shows wares; `refresh` after each change of them."""

    def __init__(self, schema: str) -> None:
        self.now = datetime(2026, 6, 15, 6, tzinfo=UTC)
        self.lock = threading.RLock()
        self._schema = schema
        self._database = duckdb.connect()
        self._database.execute(f"CREATE SCHEMA {schema}")

    def refresh(self, ware: Ware) -> None:
        """Show the ware as it is now."""
        with self.lock:
            self.now = ware.now
            self._database.execute("BEGIN")
            columns = ware.all_fields
            body = ", ".join(f'"{name}" {_TYPES[of]}' for name, of in columns.items())
            table = f'{self._schema}."{ware.object}"'
            self._database.execute(f"CREATE OR REPLACE TABLE {table} ({body}, _deleted_at TIMESTAMP)")
            rows = [
                # A soft-deleted row stays visible through its flag; others are gone from their table.
                [*(_plain(ware.value(row, name)) for name in columns), None if ware.dialect.flag else row.deleted_at]
                for row in ware.rows.values()
            ]
            if rows:
                places = ", ".join("?" for _ in rows[0])
                self._database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
            if self._schema == "netsuite":
                self._log_deletions(ware)
            self._database.execute("COMMIT")

    def _log_deletions(self, ware: Ware) -> None:
        log = f'{self._schema}."DeletedRecord"'
        self._database.execute(
            f'CREATE OR REPLACE TABLE {log} (recordid BIGINT, "type" VARCHAR, deleteddate TIMESTAMP)'
        )
        for number, at in ware.log:
            self._database.execute(f"INSERT INTO {log} VALUES (?, ?, ?)", [number, ware.object, at])

    def drop(self, ware: Ware) -> None:
        """The object is gone."""
        self._database.execute(f'DROP TABLE IF EXISTS {self._schema}."{ware.object}"')

    def sql(self, sql: str, params: Any = None) -> Any:
        """Run a query."""
        return self._database.cursor().execute(sql, params)

    def columns(self, schema: str, table: str) -> list[tuple[str, str]]:
        """Names and DuckDB types of a table's columns."""
        return self.sql(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
            [schema, table],
        ).fetchall()


def _plain(value: object) -> object:
    if isinstance(value, Wire):
        raise TypeError("the sandbox shows plain values only")
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
