"""The slim dbt build: what changed and what is built on it, first in DEV, then in place. Both are DuckDB here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

from sandbox.world import World
from tests.dbt.stg_from_world import fill_stg

ROOT = Path(__file__).resolve().parents[2]


class Checkout:
    """A copy of dbt/ whose targets dev and prod are one DuckDB file, as they are one project on BigQuery."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "dbt"
        self.out = folder / "target"
        self.warehouse = folder / "mgdw.duckdb"
        shutil.copytree(ROOT / "dbt", self.project, ignore=shutil.ignore_patterns("target", "logs"))
        profiles = yaml.safe_load((self.project / "profiles.yml").read_text())
        outputs = profiles["mg_dw"]["outputs"]
        profiles["mg_dw"]["outputs"] = {"prod": outputs["local"] | {"schema": "EDW"}, "dev": outputs["local"]}
        profiles["mg_dw"]["target"] = "prod"
        (self.project / "profiles.yml").write_text(yaml.safe_dump(profiles))

    def build(self) -> subprocess.CompletedProcess[str]:
        bin_folder = Path(sys.executable).parent
        environment = {
            **os.environ,
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "MGDW_DUCKDB_PATH": str(self.warehouse),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        command = [
            str(ROOT / "deployments" / "dbt-build.sh"),
            str(self.project),
            str(self.folder / "state"),
            str(self.out),
        ]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def keep(self) -> None:
        """What the build's last step does with the manifest."""
        (self.folder / "state").mkdir(exist_ok=True)
        shutil.copy(self.out / "manifest.json", self.folder / "state" / "manifest.json")

    def built(self, where: str = "build") -> set[str]:
        """Models and seeds of the last build in place, or of its trial."""
        results = json.loads((self.out / where / "run_results.json").read_text())["results"]
        return {r["unique_id"].split(".")[-1] for r in results if r["unique_id"].split(".")[0] in ("model", "seed")}

    def tables(self, schema: str) -> set[str]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            query = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?"
            return {name for (name,) in connection.execute(query, [schema]).fetchall()}

    def edit(self, model: str, old: str, new: str) -> None:
        (path,) = (self.project / "models").rglob(f"{model}.sql")
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The first build, without a manifest."""
    checkout = Checkout(tmp_path_factory.mktemp("first"))
    world = World.create()
    fill_stg(checkout.warehouse, world)
    world.close()
    ended = checkout.build()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    checkout.keep()
    return checkout


@pytest.fixture
def checkout(first: Checkout, tmp_path: Path) -> Checkout:
    """The next commit's, with the manifest of the first build, on a copy of its warehouse."""
    following = Checkout(tmp_path)
    shutil.copy(first.warehouse, following.warehouse)
    shutil.copytree(first.folder / "state", tmp_path / "state")
    return following


def _above(manifest: Path, model: str) -> set[str]:
    """The model and every model built on it."""
    child_map = json.loads(manifest.read_text())["child_map"]
    found: set[str] = set()
    waiting = [f"model.mg_dw.{model}"]
    while waiting:
        one = waiting.pop()
        if one.startswith("model.") and one not in found:
            found.add(one)
            waiting += child_map[one]
    return {one.split(".")[-1] for one in found}


def test_the_first_build_builds_everything_and_writes_manifest_and_docs(first: Checkout) -> None:
    models = {path.stem for path in (first.project / "models").rglob("*.sql")}
    seeds = {path.stem for path in (first.project / "seeds").rglob("*.csv")}
    assert first.built() == models | seeds
    assert not first.tables("DEV"), "there is nothing to compare with, so nothing is tried"
    for name in ("manifest.json", "catalog.json", "static_index.html"):
        assert (first.out / name).stat().st_size > 1000


def test_only_the_changed_model_and_what_is_built_on_it_are_built_in_dev_and_then_in_place(checkout: Checkout) -> None:
    model = "fct_payment_ods"
    checkout.edit(model, "select *", "select  *")
    ended = checkout.build()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    expected = _above(checkout.folder / "state" / "manifest.json", model)
    assert 1 < len(expected) < 30
    assert checkout.built("trial") == checkout.built() == expected
    assert checkout.tables("DEV") == expected


def test_nothing_is_built_when_no_model_changed(checkout: Checkout) -> None:
    ended = checkout.build()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Nothing to do" in ended.stdout
    assert checkout.tables("DEV") == set()


def test_a_model_that_fails_its_tests_fails_in_dev_and_is_not_built_in_place(checkout: Checkout) -> None:
    before = _rows(checkout, "ODS.fct_payment_ods")
    checkout.edit("fct_payment_ods", "select * from final", "select * from final union all select * from final")
    ended = checkout.build()
    assert ended.returncode != 0
    assert re.search(r"FAIL \d+ .*fct_payment_ods", ended.stdout)
    assert not (checkout.out / "build" / "run_results.json").exists()
    assert _rows(checkout, "ODS.fct_payment_ods") == before


def _rows(checkout: Checkout, table: str) -> int:
    with duckdb.connect(str(checkout.warehouse), read_only=True) as connection:
        (row,) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
        return row[0]
