"""One world, one warehouse built from it on day 1, and dbt in this process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from tests.dbt.stg_from_world import fill_stg

from sandbox.world import World

PROJECT = Path(__file__).resolve().parents[2] / "dbt"
PRODUCTION = ["--exclude-resource-type", "unit_test", "exposure"]


@dataclass
class Dbt:
    """The project on one DuckDB file. `outcome` maps the unique ids of the last run to their status."""

    warehouse: Path
    folder: Path
    project: Path = PROJECT
    outcome: dict[str, str] = field(default_factory=dict[str, str])

    def __call__(self, *arguments: str) -> Any:
        """Run dbt and return its result object; a failure of dbt itself is raised."""
        os.environ["MGDW_DUCKDB_PATH"] = str(self.warehouse)
        places = {"project-dir": self.project, "profiles-dir": self.project}
        places |= {"target-path": self.folder / "target", "log-path": self.folder / "logs"}
        flags = [f"--{name}={path}" for name, path in places.items()]
        answer = dbtRunner().invoke(["--quiet", "--log-level=none", *arguments, *flags])
        # dbt keeps the file open in its own configuration, which shuts out read-only readers of this process
        DuckDBConnectionManager.close_all_connections()
        if answer.exception is not None:
            raise answer.exception
        if hasattr(answer.result, "results"):
            self.outcome = {r.node.unique_id: str(r.status) for r in answer.result.results}
        return answer.result

    @property
    def failed(self) -> set[str]:
        """Names of what failed or broke in the last run, hashes cut off."""
        bad = ("fail", "error", "runtime error", "skipped")
        return {unique_id.split(".")[2] for unique_id, status in self.outcome.items() if status in bad}

    def build_layer(self, layer: str, *exclude: str) -> None:
        """Build one layer as the `dbt` flow does."""
        left_out = ["--exclude", *exclude] if exclude else []
        self("build", "--select", f"tag:{layer}", "--indirect-selection", "buildable", *left_out, *PRODUCTION)

    def copy(self, folder: Path) -> Dbt:
        """The same project on a copy of the warehouse file."""
        folder.mkdir(exist_ok=True)
        shutil.copy(self.warehouse, folder / self.warehouse.name)
        return Dbt(folder / self.warehouse.name, self.folder, self.project)


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
    fill_stg(dbt.warehouse, world)
    dbt("build", "--exclude", "source:*")
    return dbt
