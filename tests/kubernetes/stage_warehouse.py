"""A warehouse of one scenario: the settings that name it, and whether it holds what the business's books say."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from connectors.contract import load_contract
from sandbox.sandbox import Sandbox
from tests.dbt.test_marts_equal_books import assert_equal_to_the_books
from tests.flows.oracle import Oracle

_WAIT_SECONDS = "600"
"""How long a pod waits for the DuckDB file, which one process at a time may open."""


class Warehouse:
    """A DuckDB file, a lake and a folder for results, which all pods of a scenario share."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = home / "mgdw.duckdb"

    def copied_to(self, home: Path) -> Warehouse:
        """The same again in another folder."""
        shutil.copytree(self.home, home)
        return Warehouse(home)

    def environment(self) -> dict[str, str]:
        """Settings of flows that work on it."""
        return {
            "MGDW_WAREHOUSE": "duckdb",
            "MGDW_DUCKDB_PATH": str(self.database),
            "MGDW_DUCKDB_LOCK_WAIT": _WAIT_SECONDS,
            "MGDW_LAKE": str(self.home / "lake"),
            "MGDW_DBT_TARGET": "local",
            "MGDW_DBT_TARGET_PATH": str(self.home / "dbt"),
            "MGDW_HYPER_DIR": str(self.home / "hyper"),
            "MGDW_TABLEAU_POLL_SECONDS": "0.2",
            "PREFECT_LOCAL_STORAGE_PATH": str(self.home / "results"),
        }

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows, when no pod has the file."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def loads(self, source: str) -> dict[str, int]:
        """Batches in the ledger by table of a source."""
        query = "SELECT table_name, count(*) FROM STG._ledger WHERE source = ? GROUP BY 1"
        return dict(self.rows(query, source))

    def assert_equals_the_world(self, sandbox: Sandbox) -> None:
        """STG has the rows of the sources, the marts the figures of the books, no table was loaded twice."""
        tables: Iterable[str] = [table.name for table in load_contract().tables]
        oracle = Oracle(self.home / "world.duckdb", sandbox.world)
        assert oracle.differences(self.database, tables) == {}
        assert_equal_to_the_books(self.database, sandbox.world)
        twice = "SELECT table_name FROM STG._ledger GROUP BY table_name, window_lo, window_hi HAVING count(*) > 1"
        assert self.rows(twice) == []
