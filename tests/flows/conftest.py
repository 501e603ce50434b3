"""A stage for whole flows: the sandbox, a lake and a warehouse in a folder, and the settings that join them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.contract import load_contract
from sandbox.prefect_server import PrefectServer
from sandbox.sandbox import Sandbox

ROOT = Path(__file__).resolve().parent.parent.parent


class Stage:
    """One sandbox with one warehouse. Flows run in this process, as on a laptop."""

    def __init__(self, home: Path, sandbox: Sandbox) -> None:
        self.home = home
        self.sandbox = sandbox
        self.database = home / "mgdw.duckdb"

    def environment(self) -> dict[str, str]:
        """The settings of this stage."""
        return {
            **self.sandbox.environment(),
            "MGDW_WAREHOUSE": "duckdb",
            "MGDW_DUCKDB_PATH": str(self.database),
            "MGDW_LAKE": str(self.home / "lake"),
            "MGDW_DBT_TARGET": "local",
            "MGDW_DBT_TARGET_PATH": str(self.home / "dbt"),
            "MGDW_HYPER_DIR": str(self.home / "hyper"),
            "MGDW_TABLEAU_POLL_SECONDS": "0.05",
            "MGDW_LEASE_SECONDS": "10",
        }

    @contextmanager
    def settings(self, **changes: str) -> Iterator[None]:
        """Put the stage's settings, with changes, into the environment while the block runs."""
        wanted = {**self.environment(), **changes}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def run(self, flow: Any, /, changes: dict[str, str] | None = None, **parameters: Any) -> Any:
        """Run a flow to its end with the stage's settings; its error is raised here."""
        with self.settings(**(changes or {})):
            return asyncio.run(flow(**parameters))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows from the warehouse."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def content(self) -> dict[str, tuple[int, int]]:
        """Rows and an order-free digest of every STG table, metadata columns included."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            found: dict[str, tuple[int, int]] = {}
            for table in load_contract().tables:
                query = f"SELECT count(*), coalesce(bit_xor(hash(t)), 0) FROM STG.{table.name} t"
                found[table.name] = connection.execute(query).fetchall()[0]
            return found


@pytest.fixture(scope="session")
def _server(prefect_server: PrefectServer) -> PrefectServer:
    return prefect_server


@pytest.fixture(scope="module")
def stage(_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage of its own for each test module: its tests tell one story, in order."""
    with Sandbox(scale=0.25) as sandbox:
        yield Stage(tmp_path_factory.mktemp("stage"), sandbox)
