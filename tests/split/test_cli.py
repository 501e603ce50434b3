"""`mgdw split` as a person at a terminal meets it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.split.small_project import FACTS, NEW, write

_ROOT = Path(__file__).resolve().parents[2]
_FIXTURE = Path(__file__).with_name("mixed_project")


def _split(*arguments: str | Path, **settings: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "flows.cli", "split", *map(str, arguments)],
        cwd=_ROOT, env={**os.environ, **settings}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    said = ended.stdout + ended.stderr
    assert "Traceback" not in said
    return ended.returncode, said


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return shutil.copytree(_FIXTURE, tmp_path / "project", ignore=shutil.ignore_patterns("target", "logs"))


def _contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_classify_and_propose_leave_the_project_as_it_is(project: Path, tmp_path: Path) -> None:
    before = _contents(project)
    status, said = _split("classify", project, "--facts", project / "facts.yml", "--output", tmp_path / "report")
    assert status == 2  # a model of the fixture does not parse
    assert "mart_recent_orders.sql:3" in said
    assert (tmp_path / "report" / "report.html").is_file()
    _split("propose", project, "--facts", project / "facts.yml", "--output", tmp_path / "new")
    assert (tmp_path / "new" / "patches").is_dir()
    assert _contents(project) == before


def test_a_folder_that_holds_something_else_is_not_written_to(project: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for stage in ("classify", "propose"):
        for output in (tmp_path / "mine", project, project / "models"):
            status, said = _split(stage, project, "--facts", project / "facts.yml", "--output", output)
            assert status == 1
            assert "What to do:" in said
    assert [f.name for f in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_facts_that_do_not_parse_are_told_with_their_line(project: Path, tmp_path: Path) -> None:
    facts = tmp_path / "facts.yml"
    facts.write_text("version: 1\ntables:\n  a: {columns: [\n")
    status, said = _split("classify", project, "--facts", facts, "--output", tmp_path / "report")
    assert (status, "line" in said, str(facts) in said.replace("\n", "")) == (1, True, True)


def test_a_folder_without_a_project_is_told(tmp_path: Path) -> None:
    facts = _FIXTURE / "facts.yml"
    status, said = _split("classify", tmp_path, "--facts", facts, "--output", tmp_path.parent / f"{tmp_path.name}-r")
    assert status == 1
    assert "dbt_project.yml" in said


def test_verify_wants_a_proposal(project: Path, tmp_path: Path) -> None:
    status, said = _split("verify", project, tmp_path, "--facts", project / "facts.yml")
    assert status == 1
    assert "mgdw split propose" in said


@pytest.mark.slow
def test_a_project_is_taken_apart_with_its_types_and_found_to_be_the_same(tmp_path: Path) -> None:
    old, new, facts = write(tmp_path / "old"), tmp_path / "new", tmp_path / "facts.yml"
    facts.write_text(FACTS.model_dump_json(exclude_none=True))
    status, said = _split("propose", old, "--facts", facts, "--output", new, "--dialect", "duckdb", "--types")
    assert status == 0, said
    assert "cast(" in (new / "project" / "models" / "kinds.sql").read_text()
    allowed = tmp_path / "allowed.yml"
    allowed.write_text("allowed: [{place: seeds/brands.csv, reason: the seed is cut at the next load}]\n")
    status, said = _split(
        "verify", old, new, "--facts", facts, "--dialect", "duckdb", "--sets", "1", "--allow", allowed
    )
    assert "different" not in said
    assert "by_day: line 3: group by placed: groups rows of both segments together" in said
    assert "Enterprise is named nowhere." in said
    assert status == 0, said
    assert "business decision" in (new / "report.html").read_text()


def test_models_are_compiled_first_when_asked(project: Path, tmp_path: Path) -> None:
    settings = {"MIXED_DB": str(tmp_path / "mixed.duckdb"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "0"}
    before = _contents(project)
    _, said = _split(
        "classify", project, "--facts", project / "facts.yml", "--output", tmp_path / "r", "--compile", **settings
    )
    assert "int_brand_pivot" in said
    assert _contents(project) == before
    (project / "models" / "broken.sql").write_text("select {{ nothing() }}")
    status, said = _split(
        "classify", project, "--facts", project / "facts.yml", "--output", tmp_path / "r", "--compile", **settings
    )
    assert status == 1
    assert "broken.sql" in said


def test_words_left_in_a_project_and_its_tables_are_counted_by_place(tmp_path: Path) -> None:
    new, facts = write(tmp_path / "new", NEW), tmp_path / "facts.yml"
    facts.write_text(FACTS.model_dump_json(exclude_none=True))
    status, said = _split("leaks", new, "--facts", facts)
    assert (status, said) == (0, "Enterprise is named nowhere.\n")
    tables = tmp_path / "new.duckdb"
    with duckdb.connect(str(tables)) as connection:
        connection.execute("create table lines as select unnest(['Ent', 'Ent', 'Alpha']) as line")
    (new / "models" / "late.sql").write_text("select 1 as x where 'GovCloud' = 'ENT'\n")
    status, said = _split("leaks", new, "--facts", facts, "--tables", tables)
    assert status == 2
    assert "models/late.sql: GovCloud, Ent (2 times)" in said
    assert "lines.line: Ent (2 times)" in said
    status, said = _split("leaks", new, "--facts", facts, "--tables", facts)
    assert status == 1
    assert "DuckDB file" in said


def test_help_shows_a_facts_file() -> None:
    status, said = _split("facts", "--help")
    assert status == 0
    assert "enterprise: [Gamma]" in said


def test_values_in_no_set_and_facts_that_the_data_denies_are_listed(tmp_path: Path) -> None:
    database, facts = tmp_path / "w.duckdb", tmp_path / "facts.yml"
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema crm")
        connection.execute("create table crm.account as select unnest(['Alpha', 'alpha ', 'Gamma', NULL]) as brand")
    facts.write_text(
        "version: 1\ntables:\n  crm.account:\n    columns:\n"
        "      brand: {commercial: [Alpha], enterprise: [Gamma], nullable: false}\n"
    )
    settings = {"MGDW_WAREHOUSE": "duckdb", "MGDW_DUCKDB_PATH": str(database), "MGDW_LAKE": str(tmp_path / "lake")}
    status, said = _split("facts", facts, "--check", **settings)
    assert status == 2
    assert "'alpha '" in said
    assert f"{facts}:5: " in said
    status, _ = _split("facts", facts, "--check", "--output", tmp_path / "report", **settings)
    assert status == 2
    status, said = _split("classify", _FIXTURE, "--facts", _FIXTURE / "facts.yml", "--output", tmp_path / "report")
    assert "is in use" not in said
    assert "is declared not null" in (tmp_path / "report" / "report.html").read_text()
    status, said = _split("facts", facts, "--check", "--output", tmp_path, **settings)
    assert (status, "is in use" in said) == (1, True)
