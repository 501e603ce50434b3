"""The fixture project read with what dbt compiled of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from split.dbt.compiled import NotCompiled, compile_project
from split.project import classify_project
from split.report_model import ProjectReport
from split.sql.engine import Kind
from tests.split.mixed import ROOT, copied, fill, load
from tests.split.test_project import EXPECTED


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("compiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIXED_DB", str(home / "mixed.duckdb"))
        fill(home / "mixed.duckdb", mixed=True)
        return compile_project(ROOT, home / "target")


@pytest.fixture(scope="module")
def report(compiled: Path) -> ProjectReport:
    return classify_project(load(compiled=compiled))


def test_every_model_has_the_kind_that_a_person_would_give_it(report: ProjectReport) -> None:
    assert {m.name: m.label for m in report.models} == EXPECTED


def test_compiling_writes_nothing_into_the_project(compiled: Path) -> None:
    assert {p.name for p in ROOT.iterdir()} == {p.name for p in copied(compiled / "copy").iterdir()}
    assert not (ROOT / "target").exists()
    assert not (ROOT / "logs").exists()


def test_a_model_that_cannot_be_read_has_the_kind_of_its_compiled_sql(report: ProjectReport) -> None:
    model = report.model("mart_recent_orders")
    assert model.seen_as == "compiled"
    assert model.new_text is None
    assert any("by hand" in left.reason for left in model.left)


def test_what_only_the_compiled_sql_shows_is_evidence(report: ProjectReport) -> None:
    texts = [e.text for e in report.model("int_brand_pivot").evidence]
    assert any(t.startswith("compiled SQL without Enterprise") and "which the source does not show" in t for t in texts)


def test_an_ephemeral_model_in_the_compiled_sql_is_not_held_against_its_reader(report: ProjectReport) -> None:
    assert report.model("int_labelled_payments").kind is Kind.neutral


def test_compiled_sql_that_is_older_than_the_model_is_not_used(compiled: Path, tmp_path: Path) -> None:
    project = copied(tmp_path / "project")
    file = project / "models/intermediate/int_brand_pivot.sql"
    file.write_text(file.read_text().replace("count(*) as orders", "count(*) as number_of_orders"))
    found = load(project, compiled)
    assert "int_brand_pivot" not in found.compiled.texts
    assert [p.path for p in found.problems] == ["models/intermediate/int_brand_pivot.sql"]
    assert classify_project(found).model("int_brand_pivot").label == "mixed, hand edit"


def test_compiled_sql_without_a_manifest_is_used_too(compiled: Path, tmp_path: Path) -> None:
    shutil.copytree(compiled / "compiled", tmp_path / "target/compiled")
    report = classify_project(load(compiled=tmp_path / "target"))
    assert {m.name: m.label for m in report.models} == EXPECTED


def test_a_project_that_does_not_compile_says_why(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / name, project / name)
    (project / "models/lost.sql").write_text("select * from {{ ref('nowhere') }}")
    with pytest.raises(NotCompiled, match="nowhere"):
        compile_project(project, tmp_path / "target")
