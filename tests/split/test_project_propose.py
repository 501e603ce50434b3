"""The proposal: a project of its own, with patches; built beside the original on Commercial rows, the same tables."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from split.column_types import repair_types
from split.project import classify_project
from split.propose import MARK, NotEmpty, Proposal, propose
from split.report_model import ProjectReport
from split.sql.engine import Kind
from tests.split.mixed import ROOT, commercial_seeds, copied, dbt, fill, load

REMOVED = {
    "direct_snapshot",
    "fct_enterprise_seats",
    "int_enterprise_orders",
}


@pytest.fixture(scope="module")
def report() -> ProjectReport:
    return classify_project(load())


@pytest.fixture
def proposal(report: ProjectReport, tmp_path: Path) -> Proposal:
    return propose(load(), report, tmp_path / "proposal")


def test_enterprise_only_models_go_with_their_yaml_unless_something_still_reads_them(proposal: Proposal) -> None:
    assert set(proposal.removed) == REMOVED
    assert not (proposal.project / "models/marts/fct_enterprise_seats.sql").exists()
    text = (proposal.project / "models/marts/_marts.yml").read_text()
    assert "fct_enterprise_seats" not in text
    assert "enterprise_seats_dashboard" not in text
    assert "sales_dashboard" in text
    assert "- name: mart_account_value" in text
    assert not (proposal.project / "tests/seats_are_positive.sql").exists()
    assert any("int_contract_seats" in k.reason and "mart_account_value" in k.reason for k in proposal.kept)


def test_models_that_do_not_change_are_the_same_byte_for_byte(proposal: Proposal, report: ProjectReport) -> None:
    for model in report.models:
        if model.new_text is None and model.name not in REMOVED:
            assert (proposal.project / model.path).read_bytes() == (ROOT / model.path).read_bytes()


def test_patches_apply_to_the_original_and_give_the_proposal(proposal: Proposal, tmp_path: Path) -> None:
    copy = copied(tmp_path / "copy")
    for patch in proposal.patches.values():
        subprocess.run(["git", "apply", str(patch)], cwd=copy, check=True, capture_output=True)
    for name in ("models", "snapshots"):
        new = {p.relative_to(proposal.project): p.read_bytes() for p in (proposal.project / name).rglob("*.sql")}
        assert {p.relative_to(copy): p.read_bytes() for p in (copy / name).rglob("*.sql")} == new


def test_a_patch_says_why(proposal: Proposal) -> None:
    text = proposal.patches["fct_orders"].read_text()
    assert text.startswith("fct_orders: mixed\n")
    assert "brand_segments.segment is never 'Enterprise'" in text
    assert "exposures: sales_dashboard" in text


def test_the_original_is_untouched(proposal: Proposal, tmp_path: Path) -> None:
    report = classify_project(load())
    assert report.model("fct_orders").old_text == (ROOT / "models/marts/fct_orders.sql").read_text()
    assert proposal.project.is_relative_to(tmp_path)


def test_a_second_run_on_the_proposal_cuts_nothing(proposal: Proposal) -> None:
    again = classify_project(load(proposal.project))
    assert {m.name for m in again.models if m.new_text is not None} == set()


def test_a_folder_that_holds_something_else_is_refused(report: ProjectReport, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(NotEmpty):
        propose(load(), report, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_earlier_proposal_is_replaced(report: ProjectReport, tmp_path: Path) -> None:
    first = propose(load(), report, tmp_path / "new")
    (first.project / "models/stray.sql").write_text("select 1 as a")
    second = propose(load(), report, tmp_path / "new")
    assert not (second.project / "models/stray.sql").exists()
    assert (tmp_path / "new" / MARK).exists()


@pytest.mark.parametrize("place", [".", "models", ".."])
def test_the_project_and_what_is_around_it_are_refused(report: ProjectReport, tmp_path: Path, place: str) -> None:
    project = copied(tmp_path / "project")
    with pytest.raises(ValueError, match="apart"):
        propose(load(project), report, project / place)


class Build:
    """A project built in DuckDB over Commercial rows."""

    def __init__(self, project: Path, home: Path) -> None:
        home.mkdir()
        shutil.copytree(project, home / "project")
        commercial_seeds(home / "project")
        self.database = home / "mixed.duckdb"
        fill(self.database, mixed=False)
        done = dbt("build", home / "project", self.database, home / "target")
        assert done.returncode == 0, done.stdout

    def types(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        with duckdb.connect(str(self.database), read_only=True) as connection:
            for table, column, kind in connection.execute(
                "select table_name, column_name, data_type from information_schema.columns "
                "where table_schema in ('main', 'snapshots') order by ordinal_position"
            ).fetchall():
                found.setdefault(table, {})[column] = kind
        return found

    def rows(self, table: str, columns: list[str]) -> Counter[str]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            listed = ", ".join(f'"{c}"' for c in columns)
            schema = "snapshots" if table.endswith("_snapshot") else "main"
            return Counter(map(repr, connection.execute(f"select {listed} from {schema}.{table}").fetchall()))


@pytest.mark.slow
def test_old_and_new_give_the_same_tables_and_types_on_commercial_rows(tmp_path: Path) -> None:
    project = load()
    builds: list[Build] = []

    def describe(report: ProjectReport) -> dict[str, dict[str, str]]:
        number = len(builds)
        made = propose(project, report, tmp_path / "proposal")
        builds.append(Build(made.project, tmp_path / f"new{number}"))
        return builds[-1].types()

    old = Build(ROOT, tmp_path / "old")
    before = old.types()
    report = repair_types(project, classify_project(project), before, describe)
    new = builds[-1]
    assert any(r.repaired for m in report.models for r in m.type_repairs)
    assert all(r.repaired for m in report.models for r in m.type_repairs)
    after = new.types()
    for model in report.models:
        if model.name in REMOVED or model.materialized == "ephemeral":
            continue
        dropped = set(model.columns_dropped)
        columns = {c: t for c, t in before[model.name].items() if c not in dropped}
        assert after[model.name] == columns, model.name
        compared = [c for c in columns if not c.startswith("dbt_")]
        assert new.rows(model.name, compared) == old.rows(model.name, compared), model.name
        if model.kind is Kind.enterprise_only:
            assert not old.rows(model.name, compared)


@pytest.mark.slow
def test_the_fixture_builds_on_mixed_rows(tmp_path: Path) -> None:
    fill(tmp_path / "mixed.duckdb", mixed=True)
    done = dbt("build", ROOT, tmp_path / "mixed.duckdb", tmp_path / "target")
    assert done.returncode == 0, done.stdout
