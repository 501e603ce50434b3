"""Enterprise words that are left in a project or in its tables are found, wherever and however they are written."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from split.leaks import AllowList, AllowListError, data_leaks, load_allow_list, project_leaks, spellings
from tests.split.small_project import FACTS, NEW, write


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """The new project of the small one: without Enterprise."""
    return write(tmp_path / "new", NEW)


def test_a_project_without_enterprise_has_no_leak(clean: Path) -> None:
    assert project_leaks(clean, FACTS) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("models/extra.sql", "select 1 as x where 'a' = 'Ent'\n"),
        ("models/extra.sql", "select 1 as x -- once for FED\n"),
        ("models/extra.yml", "version: 2\nmodels: [{name: x, description: for gov-cloud}]\n"),
        ("macros/brands.sql", "{% macro brands() %}{{ return(['Alpha', 'Ent']) }}{% endmacro %}\n"),
        ("seeds/codes.csv", "code,name\n1,Alpha\n2,Ent\n"),
        ("models/docs.md", "{% docs x %}The GovCloud totals.{% enddocs %}\n"),
        ("models/exposures.yml", "exposures: [{name: enterprise_board}]\n"),
        ("models/is_gov_cloud.sql", "select 1 as x\n"),
        ("models/extra.sql", "select * from {{ source('raw', 'contracts') }}\n"),
        ("analyses/extra.sql", "select isGovCloud from t\n"),
    ],
)
def test_a_leak_in_one_place_is_found_there(clean: Path, file: str, text: str) -> None:
    (clean / file).parent.mkdir(exist_ok=True)
    (clean / file).write_text(text)
    found = project_leaks(clean, FACTS)
    assert found
    assert {leak.place.partition(":")[0] for leak in found} == {file}


def test_a_leak_has_its_line_count_and_text(clean: Path) -> None:
    (clean / "models" / "extra.sql").write_text("select 1\n\n  union all select 2 -- Ent, Ent\n")
    [leak] = project_leaks(clean, FACTS)
    assert (leak.place, leak.word, leak.count) == ("models/extra.sql:3", "Ent", 2)
    assert leak.example == "union all select 2 -- Ent, Ent"


@pytest.mark.parametrize(
    "text", ["GovCloud", "gov_cloud", "GOV-CLOUD", "gov cloud", "is_gov_cloud_x", "govCloudOrders", "isGovCloud"]
)  # fmt: skip
def test_a_word_is_found_in_its_usual_spellings(text: str) -> None:
    assert spellings("GovCloud").search(text)


@pytest.mark.parametrize("text", ["entity", "parent", "Content", "ENTITY", "customerent", "sent", "Enterprises"])
def test_part_of_another_word_is_no_leak(text: str) -> None:
    assert not spellings("Ent").search(text)


def test_a_value_in_a_built_table_is_found_with_column_and_count(tmp_path: Path) -> None:
    file = tmp_path / "built.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "create table orders as select * from (values (1, 'Alpha'), (2, 'Ent'), (3, 'Ent')) t(id, brand)"
        )
        connection.execute("create table notes as select 'moved from gov_cloud' as note, {'b': ['Fed']} as tags")
        connection.execute("create table parents as select 'entity' as parent, 7 as n")
    found = {(leak.place, leak.word): (leak.count, leak.example) for leak in data_leaks(file, FACTS)}
    assert found == {
        ("orders.brand", "Ent"): (2, "Ent"),
        ("notes.note", "GovCloud"): (1, "moved from gov_cloud"),
        ("notes.tags", "Fed"): (1, "{'b': [Fed]}"),
    }


def test_what_the_allow_list_names_may_stay_and_nothing_else(clean: Path, tmp_path: Path) -> None:
    (clean / "seeds" / "brands.csv").write_text("brand,segment\nEnt,Enterprise\n")
    (clean / "models" / "extra.sql").write_text("select 'Ent' as brand\n")
    listed = tmp_path / "allowed.yml"
    listed.write_text("allowed:\n- place: seeds/*.csv\n  words: [ent]\n  reason: declares what is gone\n")
    found = {(leak.place, leak.word): leak.allowed for leak in project_leaks(clean, FACTS, load_allow_list(listed))}
    assert found == {
        ("seeds/brands.csv:2", "Ent"): "declares what is gone",
        ("seeds/brands.csv:2", "Enterprise"): None,
        ("models/extra.sql:1", "Ent"): None,
    }


def test_an_entry_that_covers_nothing_is_told(clean: Path) -> None:
    allow = AllowList.model_validate({"allowed": [{"place": "docs/*", "reason": "history"}]})
    assert [a.place for a in allow.unused(project_leaks(clean, FACTS, allow))] == ["docs/*"]


def test_an_allow_list_without_a_reason_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "allowed.yml"
    listed.write_text("allowed:\n- place: seeds/brands.csv\n")
    with pytest.raises(AllowListError, match=r"allowed\.yml: 1 entries.*\n.*allowed\.0\.reason"):
        load_allow_list(listed)
