"""One world, one warehouse built from it on day 1, and dbt in this process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from sandbox.world import World
from tests.dbt.stg_from_world import fill_stg

PROJECT = Path(__file__).resolve().parents[2] / "dbt"
PRODUCTION = ["--exclude-resource-type", "unit_test", "exposure"]


@dataclass
class Dbt:
    """The project on one DuckDB file. `outcome` maps the nodes of the last run (see `_label`) to their status."""

    warehouse: Path
    folder: Path
    project: Path = PROJECT
    target: str = "local"
    manifest: Manifest | None = None
    outcome: dict[str, str] = field(default_factory=dict[str, str])

    def __call__(self, *arguments: str) -> Any:
        """Run dbt and return its result object; a failure of dbt itself is raised."""
        places = {"project-dir": self.project, "profiles-dir": self.project}
        places |= {"target-path": self.folder / "target", "log-path": self.folder / "logs"}
        flags = [f"--{name}={path}" for name, path in places.items()]
        with patch.dict(os.environ, MGDW_DUCKDB_PATH=str(self.warehouse)):
            answer = dbtRunner(self.manifest).invoke(["--quiet", "--log-level=none", *arguments, *flags])
        # dbt keeps the file open in its own configuration, which shuts out read-only readers of this process
        DuckDBConnectionManager.close_all_connections()
        if answer.exception is not None:
            raise answer.exception
        if hasattr(answer.result, "results"):
            self.outcome = {_label(r.node): str(r.status) for r in answer.result.results}
        return answer.result

    @property
    def failed(self) -> set[str]:
        """What failed, broke or was skipped in the last run."""
        return self.ended("fail", "error", "runtime error", "skipped")

    def ended(self, *status: str) -> set[str]:
        """What ended with one of these in the last run."""
        return {label for label, ended in self.outcome.items() if ended in status}

    def build_layer(self, layer: str, *exclude: str) -> None:
        """Build one layer as the `dbt` flow does."""
        left_out = ["--exclude", *exclude] if exclude else []
        self("build", "--select", f"tag:{layer}", "--indirect-selection", "buildable", *left_out, *PRODUCTION)

    def columns(self, schema: str, relation: str) -> set[str]:
        """Names of the columns as built."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            rows = connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?",
                [schema, relation],
            ).fetchall()
        return {name for (name,) in rows}

    def copy(self, folder: Path) -> Dbt:
        """The same project on a copy of the warehouse file."""
        folder.mkdir(exist_ok=True)
        shutil.copy(self.warehouse, folder / self.warehouse.name)
        return replace(self, warehouse=folder / self.warehouse.name, outcome={})

    def tampered(self, folder: Path, *statements: str) -> Dbt:
        """A copy in which the statements were run."""
        copy = self.copy(folder)
        with duckdb.connect(str(copy.warehouse)) as connection:
            for statement in statements:
                connection.execute(statement)
        return copy


def _label(node: Any) -> str:
    """A node's name; for a generic test without a name of its own: test, model and what it is compared with."""
    metadata = getattr(node, "test_metadata", None)
    if metadata is None or not node.attached_node or not node.name.startswith(metadata.name):
        return node.name
    kwargs = metadata.kwargs
    about = kwargs.get("to") or kwargs.get("expression") or kwargs.get("columns") or kwargs.get("column_name") or ""
    about = ", ".join(about) if isinstance(about, list | dict) else about
    return f"{metadata.name} {node.attached_node.split('.')[-1]} {about}".strip()


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The sandbox's business; tests that advance it make their own."""
    world = World.create()
    yield world
    world.close()


@pytest.fixture(scope="session")
def day_one(world: World, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """The warehouse of day 1, everything built and every data and unit test run; not to be written to."""
    folder = tmp_path_factory.mktemp("dbt")
    dbt = Dbt(folder / "mgdw.duckdb", folder)
    dbt.manifest = dbt("parse")
    fill_stg(dbt.warehouse, world)
    dbt("build", "--exclude", "source:*")
    return dbt
