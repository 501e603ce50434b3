"""The fixture project: its inputs in DuckDB, dbt runs over them, and its copies that tests may change."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from split.dbt.yaml_text import read_yaml
from split.facts import Facts, load_facts
from split.project import Project, load_project

ROOT = Path(__file__).parent / "mixed_project"
KEY = {"accounts": "brand", "orders": "business_unit", "opportunities": "line"}
ENTERPRISE = {"Enterprise", "Federal", "enterprise"}


def facts() -> Facts:
    return load_facts(ROOT / "facts.yml")


def load(path: Path = ROOT, compiled: Path | None = None) -> Project:
    """The project, read with this target folder or none."""
    return load_project(path, facts=facts(), compiled=compiled or path / "no target")


def copied(to: Path) -> Path:
    shutil.copytree(ROOT, to)
    return to


def fill(file: Path, *, mixed: bool) -> None:
    """Write the source tables; without `mixed` only rows of Commercial accounts and orders, and no contract."""
    sources = read_yaml((ROOT / "models/staging/_sources.yml").read_text())
    assert sources is not None
    accounts = list(csv.DictReader((ROOT / "raw/accounts.csv").open()))
    gone = {row["account_id"] for row in accounts if row["brand"] in ENTERPRISE}
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema if not exists raw")
        for source in sources.list("sources"):
            for table in source.list("tables"):
                name = table.word("name")
                columns = {c.word("name"): c.word("data_type") for c in table.list("columns")}
                connection.execute(
                    f"create or replace table raw.{name} as "
                    f"select * from read_csv('{ROOT}/raw/{name}.csv', header = true, columns = {columns})"
                )
                if mixed:
                    continue
                if name in KEY:
                    listed = ", ".join(f"'{v}'" for v in sorted(ENTERPRISE))
                    connection.execute(f"delete from raw.{name} where {KEY[name]} in ({listed})")
                if "account_id" in columns:
                    connection.execute(f"delete from raw.{name} where account_id in ({', '.join(sorted(gone))})")


def commercial_seeds(project: Path) -> None:
    """Take Enterprise rows out of the seeds of a copy."""
    file = project / "seeds/brand_segments.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if line.split(",")[0] not in ENTERPRISE))


def dbt(command: str, project: Path, database: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Run dbt over the tables of a DuckDB file."""
    settings = {"MIXED_DB": str(database), "DBT_LOG_PATH": str(target / "logs"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "0"}
    arguments = ["--no-use-colors", command, "--project-dir", str(project), "--profiles-dir", str(ROOT)]
    return subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), *arguments, "--target-path", str(target)],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
