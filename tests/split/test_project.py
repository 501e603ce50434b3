"""The fixture project read from its folder alone, without what dbt compiles."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from split.project import ProjectError, classify_project, load_project
from split.report_model import ProjectReport
from split.sql import engine, spans
from split.sql.engine import Kind
from tests.split.mixed import copied, facts, load

EXPECTED = {
    "accounts_snapshot": "neutral",
    "dim_account": "mixed",
    "dim_brand": "neutral",
    "direct_snapshot": "enterprise-only",
    "fct_commercial_orders": "commercial-only",
    "fct_enterprise_seats": "enterprise-only",
    "fct_orders": "mixed",
    "fct_revenue": "mixed",
    "int_account_seats": "mixed",
    "int_accounts_without_contract": "mixed",
    "int_all_orders": "mixed",
    "int_brand_label": "mixed",
    "int_brand_pivot": "mixed, hand edit",
    "int_commercial_orders": "commercial-only",
    "int_contract_seats": "enterprise-only",
    "int_enterprise_orders": "enterprise-only",
    "int_labelled_payments": "neutral",
    "int_latest_orders": "neutral",
    "int_main_brand_orders": "mixed, hand edit",
    "int_never": "dead",
    "int_opportunities_won": "mixed",
    "int_order_notes": "mixed",
    "int_order_ranks": "mixed",
    "int_orders_by_macro": "mixed, hand edit",
    "int_orders_enriched": "mixed",
    "int_orders_renamed": "neutral",
    "int_payments_daily": "neutral",
    "int_ticket_severity": "mixed",
    "int_ticket_tags": "neutral",
    "mart_account_value": "unknown",
    "mart_by_target": "mixed, hand edit",
    "mart_legacy_payments": "neutral",
    "mart_misspelled": "unknown",
    "mart_monthly_totals": "neutral",
    "mart_order_sizes": "neutral",
    "mart_recent_orders": "mixed, hand edit",
    "mart_weighted": "neutral",
    "stg_accounts": "neutral",
    "stg_brand_segments": "neutral",
    "stg_countries": "neutral",
    "stg_enterprise_contracts": "enterprise-only",
    "stg_opportunities": "mixed",
    "stg_order_lines": "neutral",
    "stg_orders": "neutral",
    "stg_payments": "neutral",
    "stg_tickets": "neutral",
    "stg_usage": "neutral",
}
"""With the compiled SQL at hand."""
ONLY_COMPILED = {"mart_recent_orders": "unknown"}
"""What the files alone do not tell."""


@pytest.fixture(scope="module")
def report() -> ProjectReport:
    return classify_project(load())


def test_every_model_has_the_kind_that_a_person_would_give_it(report: ProjectReport) -> None:
    assert {m.name: m.label for m in report.models} == {**EXPECTED, **ONLY_COMPILED}


def test_a_loop_a_macro_and_a_variable_are_named_with_their_lines(report: ProjectReport) -> None:
    def lines(name: str) -> set[tuple[int, str]]:
        return {(e.line, e.text.split(" names ")[0]) for e in report.model(name).evidence if " names " in e.text}

    assert lines("int_brand_pivot") == {(4, "loop")}
    assert lines("int_orders_by_macro") == {(3, "macro segment_of (macros/segment_of.sql:1)")}
    assert lines("int_main_brand_orders") == {(3, "variable main_brand")}


def test_a_renamed_column_is_followed_and_nothing_else_of_the_file_changes(report: ProjectReport) -> None:
    model = report.model("int_orders_enriched")
    assert model.new_text == model.old_text.replace(
        "        when orders.product_line in ('Enterprise', 'Federal') then 'direct'\n", ""
    )
    assert "erp.orders.business_unit is never 'Enterprise'" in model.cuts[0].facts


def test_the_segment_comes_through_the_join_with_the_dimension(report: ProjectReport) -> None:
    model = report.model("fct_orders")
    assert model.new_text is not None
    assert "o.amount as net_amount" in model.new_text
    assert "{% if is_incremental() %}" in model.new_text
    assert any("brand_segments.segment" in fact for cut in model.cuts for fact in cut.facts)


def test_what_readers_test_for_is_known_although_the_model_above_no_longer_makes_it(report: ProjectReport) -> None:
    assert "sum(0) as direct_amount" in (report.model("int_opportunities_won").new_text or "")


def test_a_column_that_became_null_goes_where_nothing_reads_it(report: ProjectReport) -> None:
    assert report.model("int_order_notes").columns_dropped == ("enterprise_note",)
    assert "enterprise_note" not in (report.model("int_order_notes").new_text or "")
    revenue = report.model("fct_revenue")
    assert revenue.columns_dropped == ()
    assert "enterprise_amount" in (revenue.new_text or "")


def test_unused_models_come_first_and_downstream_and_dashboards_are_named(report: ProjectReport) -> None:
    unused = [m.unused for m in report.models]
    assert unused == sorted(unused, reverse=True)
    assert report.model("mart_legacy_payments").unused
    assert not report.model("fct_revenue").unused
    assert report.model("int_orders_enriched").exposures == ("sales_dashboard",)
    assert report.model("int_contract_seats").downstream[-1:] != ()
    assert set(report.model("int_contract_seats").downstream) == {
        "fct_enterprise_seats",
        "int_account_seats",
        "mart_account_value",
    }


def test_literals_that_the_facts_do_not_know_are_listed(report: ProjectReport) -> None:
    found = {(u.line, u.literal, u.looks_like) for u in report.model("mart_misspelled").unknown_literals}
    assert found == {(3, "alpha", "Alpha"), (3, "Gamma", None)}
    assert report.model("mart_misspelled").new_text is None


@pytest.mark.parametrize(
    ("found_in", "path", "line"),
    [
        ("seed", "seeds/brand_segments.csv", 4),
        ("YAML", "models/staging/_sources.yml", 16),
        ("YAML", "models/marts/_marts.yml", 18),
        ("YAML", "models/marts/_marts.yml", 21),
        ("macro", "macros/segment_of.sql", 3),
        ("analysis", "analyses/enterprise_share.sql", 1),
        ("test", "tests/no_federal_without_contract.sql", 3),
        ("snapshot", "snapshots/direct_snapshot.sql", 5),
        ("variable", "dbt_project.yml", 13),
    ],
)
def test_enterprise_words_outside_the_models_are_found(
    report: ProjectReport, found_in: str, path: str, line: int
) -> None:
    assert (found_in, path, line) in {(m.found_in, m.path, m.line) for m in report.mentions}


def test_the_report_survives_json(report: ProjectReport) -> None:
    assert ProjectReport.model_validate_json(report.to_json()) == report


def test_models_come_after_what_they_read() -> None:
    seen: set[str] = set()
    names = {node.name for node in load().models}
    for node in load().models:
        assert set(node.refs) & names <= seen
        seen.add(node.name)


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    project = copied(tmp_path / "project")
    (project / "models/broken.yml").write_text("models:\n  - name: [a\n")
    (project / "models/latin.sql").write_bytes(b"select '\xe9' as a")
    (project / "models/open.sql").write_text("select 1 as a\n{% if true %}\n")
    (project / "models/staging/mart_weighted.sql").write_text("select 1 as a")
    found = load(project)
    assert {(p.path, p.line) for p in found.problems} >= {
        ("models/broken.yml", 3),
        ("models/latin.sql", 0),
    }
    assert any("a second model named mart_weighted" in p.message for p in found.problems)
    report = classify_project(found)
    assert report.model("open").kind is Kind.unknown
    assert report.model("open").left[0].line == 2
    assert report.model("fct_revenue").label == "mixed"


@pytest.mark.parametrize(("module", "name"), [(spans, "_close"), (engine, "mark")])
def test_an_error_that_nobody_foresaw_is_of_one_model_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: ModuleType, name: str
) -> None:
    project = copied(tmp_path / "project")
    (project / "models/odd.sql").write_text("select 1 as odd")
    works = getattr(module, name)

    def odd(of: Any, *rest: Any) -> Any:
        if "odd" in (of.root if isinstance(of, spans.Tree) else of).sql():
            raise KeyError("odd")
        return works(of, *rest)

    monkeypatch.setattr(module, name, odd)
    report = classify_project(load(project))
    assert report.model("odd").kind is Kind.unknown
    assert "fails with KeyError: 'odd'" in report.model("odd").left[0].reason
    assert report.model("fct_revenue").label == "mixed"


def test_a_circle_of_models_is_named(tmp_path: Path) -> None:
    project = copied(tmp_path / "project")
    (project / "models/a.sql").write_text("select * from {{ ref('b') }}")
    (project / "models/b.sql").write_text("select * from {{ ref('a') }}")
    assert any("in a circle" in p.message for p in load(project).problems)


def test_a_model_below_one_that_could_not_be_read_is_not_called_neutral(tmp_path: Path) -> None:
    project = copied(tmp_path / "project")
    (project / "models/below.sql").write_text("select order_id from {{ ref('mart_recent_orders') }}")
    below = classify_project(load(project)).model("below")
    assert below.kind is Kind.unknown
    assert "reads mart_recent_orders" in below.left[0].reason


def test_no_column_goes_from_under_a_macro_that_groups_by_the_first_ones(tmp_path: Path) -> None:
    project = copied(tmp_path / "project")
    n = "sum(case when product_line = 'Enterprise' then 1 else 2 end) as n"
    text = (
        f"select order_id, enterprise_note, {n} from {{{{ ref('int_order_notes') }}}} {{{{ dbt_utils.group_by(2) }}}}"
    )
    (project / "models/counted.sql").write_text(text)
    (project / "models/read.sql").write_text("select order_id, n from {{ ref('counted') }}")
    counted = classify_project(load(project)).model("counted")
    assert "sum(2) as n" in (counted.new_text or "")
    assert counted.columns_dropped == ()


@pytest.mark.parametrize("alias", ["", " as t"])
def test_of_a_model_that_is_a_macro_call_and_no_more_only_the_compiled_text_tells(tmp_path: Path, alias: str) -> None:
    project = copied(tmp_path / "project")
    text = "{{ config(materialized='view') }}\n{{ some_package.union_of(ref('int_orders_renamed')) }}"
    (project / "models/generated.sql").write_text(text + alias)
    found = classify_project(load(project)).model("generated")
    assert found.kind is Kind.unknown
    assert "compile the project" in found.left[0].reason


def test_jinja_that_nobody_has_seen_is_not_called_neutral(tmp_path: Path) -> None:
    project = copied(tmp_path / "project")
    text = "select order_id, {{ some_package.brand_columns() }} as b from {{ ref('int_orders_renamed') }}"
    (project / "models/packaged.sql").write_text(text)
    found = classify_project(load(project)).model("packaged")
    assert found.kind is Kind.unknown
    assert "some_package.brand_columns" in found.left[0].reason


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"dbt_project.yml: there is no such file"):
        load_project(tmp_path, facts=facts())


def test_columns_come_from_the_information_schema(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(
        '[{"TABLE_SCHEMA": "raw", "TABLE_NAME": "orders", "COLUMN_NAME": "B", "ORDINAL_POSITION": 2},'
        ' {"TABLE_SCHEMA": "raw", "TABLE_NAME": "orders", "COLUMN_NAME": "A", "ORDINAL_POSITION": 1}]'
    )
    project = copied(tmp_path / "project")
    assert load_project(project, facts=facts(), schema=file).schema["erp.orders"] == ("a", "b")
    file.write_text('[{"name": 1}]')
    with pytest.raises(ProjectError, match=r"schema.json: expected a JSON list of rows"):
        load_project(project, facts=facts(), schema=file)
