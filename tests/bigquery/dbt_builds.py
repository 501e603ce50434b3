"""The dbt project built twice from the same STG: in DuckDB by dbt itself, in BigQuery by the flow."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from google.cloud.bigquery import Table

from connectors.google import GoogleAccess
from flows.dbt import LAYERS, DbtNode, dbt
from sandbox.world import World
from tests.bigquery.dbt_stg import copy_stg
from tests.dbt.conftest import Dbt
from tests.dbt.stg_from_world import fill_stg

Rows = Counter[tuple[Any, ...]]
"""A multiset of rows in canonical values, columns in DuckDB's order."""


@dataclass
class Content:
    """What every relation of ODS and EDW holds, by `DATASET.name`, in either warehouse."""

    duckdb: dict[str, Rows] = field(default_factory=dict[str, Rows])
    bigquery: dict[str, Rows] = field(default_factory=dict[str, Rows])


@dataclass
class Both:
    """Two warehouses over one world."""

    world: World
    folder: Path
    google: GoogleAccess

    def __post_init__(self) -> None:
        self.local = Dbt(self.folder / "mgdw.duckdb", self.folder / "local")
        self.target_path = self.folder / "bigquery"

    def build(self, *, tests: bool) -> list[DbtNode]:
        """Build both from the world as it is now; the data is tested, or not, in BigQuery only. Returns its nodes."""
        fill_stg(self.local.warehouse, self.world)
        copy_stg(self.local.warehouse, self.google, self.folder)
        self.local("build", "--exclude", "source:*", "--exclude-resource-type", "unit_test", "test")
        assert not self.local.failed
        with self.settings():
            return [node for layer in LAYERS for node in asyncio.run(dbt(layer, tests=tests))]

    @contextmanager
    def settings(self) -> Iterator[None]:
        """BigQuery is the warehouse while the block runs."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MGDW_WAREHOUSE", "bigquery")
            patch.setenv("MGDW_GCP_PROJECT", self.google.project)
            patch.setenv("MGDW_DBT_TARGET_PATH", str(self.target_path))
            yield

    def manifest(self) -> dict[str, Any]:
        """What dbt knew when it built BigQuery."""
        return json.loads((self.target_path / "manifest.json").read_text())

    def content(self) -> Content:
        """All rows of all models and seeds, as both warehouses give them back."""
        content = Content()
        with self.google.bigquery() as client, duckdb.connect(str(self.local.warehouse), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for relation in _relations(connection):
                found = connection.execute(f"SELECT * FROM {relation}")
                columns = [c[0] for c in found.description]
                content.duckdb[relation] = Counter(tuple(map(canonical, row)) for row in found.fetchall())
                table = client.get_table(relation)
                assert [f.name for f in table.schema] == columns
                rows = client.list_rows(table) if table.table_type == "TABLE" else client.query_and_wait(_all(table))
                content.bigquery[relation] = Counter(tuple(map(canonical, row)) for row in rows)
        return content

    def types(self, relation: str) -> dict[str, str]:
        """DuckDB's types of a relation's columns."""
        with duckdb.connect(str(self.local.warehouse), read_only=True) as connection:
            return {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {relation}").fetchall()}


def canonical(value: Any) -> Any:
    """The same for values that mean the same: exact decimals as text, stamps as UTC text."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return value


def _relations(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE table_schema IN ('ODS', 'EDW') ORDER BY 1"
    ).fetchall()
    return [name for (name,) in rows]


def _all(table: Table) -> str:
    return f"SELECT * FROM `{table.project}.{table.dataset_id}.{table.table_id}`"
