"""Projects that dbt cannot wholly build: what fails is named with file and line, and the rest is built and compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from split.dbt.build import Builder, describe
from split.dbt.process import DbtProcess
from split.verify.data import generate
from split.verify.data_set import DataSet, Table
from tests.split.small_project import FACTS, write

GIVEN = DataSet("given", {"raw.orders": Table({"id": "INTEGER", "brand": "VARCHAR"}, ((1, "Alpha"), (2, None)))})
_PROJECT = "name: tiny\nversion: '1.0'\nprofile: nobody\n"
_SOURCES = "version: 2\nsources: [{name: raw, database: lake, schema: landing, tables: [{name: orders}]}]\n"


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DbtProcess]:
    with DbtProcess(tmp_path_factory.mktemp("dbt")) as process:
        yield process


def _write(folder: Path, **models: str) -> Path:
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(_PROJECT)
    (folder / "models" / "sources.yml").write_text(_SOURCES)
    (folder / "packages.yml").write_text("packages: [{package: nobody/has_this, version: 1.0.0}]\n")
    for name, text in models.items():
        (folder / "models" / f"{name}.sql").write_text(text)
    return folder


def test_a_model_that_fails_is_named_with_its_line_and_the_rest_is_built(dbt: DbtProcess, tmp_path: Path) -> None:
    project = _write(
        tmp_path / "project",
        good="select id, brand from {{ source('raw', 'orders') }}",
        not_parsed="select 1\n{% if x %}\n",
        needs_it="select * from {{ ref('not_parsed') }}",
        wrong="{{ config(materialized='table') }}\nselect\n    id,\n    nope\nfrom {{ ref('good') }}",
        after="select * from {{ ref('wrong') }}",
        no_package="select {{ dbt_utils.star(ref('good')) }} from {{ ref('good') }}",
    )
    before = sorted(f.relative_to(project) for f in project.rglob("*"))
    built = Builder(project, tmp_path / "home", dbt).build(GIVEN)
    failures = {f.model: f for f in built.failures}
    assert built.columns() == {"good": {"id": "INTEGER", "brand": "VARCHAR"}}
    assert set(failures) == {"not_parsed", "needs_it", "wrong", "after", "no_package"}
    assert (failures["wrong"].path, failures["wrong"].line) == ("models/wrong.sql", 4)
    assert failures["not_parsed"].path == "models/not_parsed.sql"
    assert "not_parsed" in failures["needs_it"].message
    assert sorted(f.relative_to(project) for f in project.rglob("*")) == before


def test_a_model_in_bigquery_sql_is_translated_and_one_that_cannot_be_is_told(dbt: DbtProcess, tmp_path: Path) -> None:
    project = _write(
        tmp_path / "project",
        good="select o.id, safe_divide(o.id, 0) as none, brand in ('Alpha', \"Beta\") as ours\n"
        "from {{ source('raw', 'orders') }} as o",
        after="select struct(id as a).a as b, countif(ours) as n from {{ ref('good') }} group by 1",
        foreign="select ml.predict(id) as p from {{ ref('good') }}",
    )
    built = Builder(project, tmp_path / "home", dbt, dialect="bigquery").build(GIVEN)
    assert set(built.columns()) == {"good", "after"}
    [failure] = built.failures
    assert failure.model == "foreign"
    assert failure.message.startswith("not run in DuckDB after translation from bigquery: ")


def test_seeds_lose_enterprise_rows_unless_the_data_is_mixed(dbt: DbtProcess, tmp_path: Path) -> None:
    import duckdb

    builder = Builder(write(tmp_path / "project"), tmp_path / "home", dbt)
    [pair] = generate(builder.parsed, FACTS, sets=1)
    rows: list[set[str]] = []
    for data in (pair.commercial, pair.mixed):
        with duckdb.connect(str(builder.build(data, FACTS).results), read_only=True) as connection:
            rows.append({row[0] for row in connection.execute("select brand from brands").fetchall()})
    assert rows == [{"Alpha", "Beta"}, {"Alpha", "Beta", "Ent", "Fed"}]


def test_a_project_is_described_by_the_types_of_its_models(tmp_path: Path) -> None:
    project = _write(tmp_path / "project", m="select id, id / 2 as half from {{ source('raw', 'orders') }}")
    assert describe(project, GIVEN, tmp_path / "home") == {"m": {"id": "INTEGER", "half": "DOUBLE"}}
