"""Casts that keep a column's type, upstream first."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from split.column_types import repair_types
from split.facts import Facts
from split.project import Project, classify_project, load_project
from split.report_model import ProjectReport

FACTS = Facts.model_validate(
    {"tables": {"src.o": {"columns": {"brand": {"commercial": ["Alpha"], "enterprise": ["Ent"]}}}}}
)
MODELS = {
    "rated": """\
with base as (select * from {{ source('src', 'o') }}),
final as (
    select id, case when brand = 'Ent' then 0.5 else 1 end as rate from base  -- agreed
)
select * from final
""",
    "doubled": "select id, rate * 2 as twice from {{ ref('rated') }}\n",
    "shares": "select id, rate from {{ ref('rated') }} where true\nunion all\nselect 0, 1 from {{ ref('doubled') }}\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text("name: small\n")
    for name, text in MODELS.items():
        (tmp_path / f"models/{name}.sql").write_text(text)
    return load_project(tmp_path, facts=FACTS, dialect="duckdb")


def _types(texts: dict[str, str], project: Project) -> dict[str, dict[str, str]]:
    """The texts as views in DuckDB."""
    found: dict[str, dict[str, str]] = {}
    with duckdb.connect() as connection:
        connection.execute("create table o (id integer, brand varchar)")
        for node in project.models:
            sql = texts[node.name].replace("{{ source('src', 'o') }}", "o")
            for name in texts:
                sql = sql.replace(f"{{{{ ref('{name}') }}}}", name)
            connection.execute(f"create view {node.name} as {sql}")
            rows = connection.execute(f"describe {node.name}").fetchall()
            found[node.name] = {row[0]: row[1] for row in rows}
    return found


def test_the_column_that_changed_is_cast_and_those_below_need_nothing(project: Project) -> None:
    report = classify_project(project)
    old = _types(MODELS, project)

    def describe(changed: ProjectReport) -> dict[str, dict[str, str]]:
        return _types({m.name: m.new_text or m.old_text for m in changed.models}, project)

    assert describe(report) != old
    repaired = repair_types(project, report, old, describe)
    assert describe(repaired) == old
    rated = repaired.model("rated")
    assert [(r.column, r.repaired) for r in rated.type_repairs] == [("rate", True)]
    assert f"cast(1 as {old['rated']['rate']}) as rate from base  -- agreed" in (rated.new_text or "")
    assert [m.name for m in repaired.models if m.type_repairs] == ["rated"]


def test_a_type_that_cannot_be_kept_is_listed_and_the_search_ends(project: Project) -> None:
    report = classify_project(project)
    old = {"doubled": {"twice": "DATE"}}
    repaired = repair_types(project, report, old, lambda _: {"doubled": {"twice": "INTEGER"}})
    [repair] = repaired.model("doubled").type_repairs
    assert (repair.column, repair.repaired) == ("twice", False)
    assert repaired.model("doubled").new_text is None
