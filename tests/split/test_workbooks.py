"""What a workbook's calculations, queries, filters and parameters are about, under facts and a dbt project's marts."""

from __future__ import annotations

from pathlib import Path

import pytest

from split.facts import load_facts
from split.project import load_project
from split.sql.engine import Kind
from split.tableau.formulas import parse
from split.tableau.items import Item, ItemState
from split.tableau.markup import Document, read_markup
from split.tableau.package import read
from split.tableau.tables import Table, Tables
from split.tableau.workbook import Workbook, read_workbook

BOOKS = Path(__file__).with_name("workbooks")
PROJECT = Path(__file__).with_name("mixed_project")
FACTS = load_facts(PROJECT / "facts.yml")


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables(FACTS, load_project(PROJECT, facts=FACTS))


def _read(name: str, tables: Tables, published: dict[str, Table] | None = None) -> tuple[Document, Workbook]:
    document = read(BOOKS / name)[0].document
    return document, read_workbook(document, name, tables, published or {})


def _item(book: Workbook, name: str, what: str = "calculation") -> Item:
    return next(i for i in book.report.items if i.name == name and i.what == what)


@pytest.fixture(scope="module")
def orders(tables: Tables) -> Workbook:
    return _read("orders_2020_4.twb", tables)[1]


@pytest.mark.parametrize(
    ("name", "kind", "state", "new"),
    [
        (
            "Brand Label",
            Kind.mixed,
            ItemState.changed,
            'CASE [brand]\r\n  WHEN \'Alpha\' THEN "A"\r\n  ELSE "B"\r\nEND',
        ),
        ("Net", Kind.mixed, ItemState.changed, "[net_amount]"),
        ("Size", Kind.mixed, ItemState.changed, "IF [net_amount] > 1000 THEN 'large'\r\nELSE 'small' END"),
        ("Other Net", Kind.mixed, ItemState.changed, "ZN(SUM(FLOAT(NULL))) + SUM([net_amount])"),
        ("Is Big", Kind.mixed, ItemState.changed, "0 > 0"),
        ("Weighted", Kind.mixed, ItemState.changed, "'light'"),
        ("Is Enterprise", Kind.enterprise_only, ItemState.goes, None),
        ("Enterprise Net", Kind.enterprise_only, ItemState.goes, None),
        ("Per Account", Kind.neutral, ItemState.nothing, None),
        ("Chosen", Kind.neutral, ItemState.nothing, None),
        ("Calculation on the sheet", Kind.unknown, ItemState.by_hand, None),
        ("Cut Off", Kind.unknown, ItemState.by_hand, None),
        ("Invented", Kind.unknown, ItemState.by_hand, None),
    ],
)
def test_a_calculation_is_judged_by_what_the_marts_columns_can_be(
    orders: Workbook, name: str, kind: Kind, state: ItemState, new: str | None
) -> None:
    item = _item(orders, name)
    assert (item.kind, item.state) == (kind, state)
    assert (item.new or "").removeprefix("// what the legend says; see Q&A\r\n") == (new or "")


def test_calculations_that_no_sheet_uses_come_first(orders: Workbook) -> None:
    unused = [item.name for item in orders.report.items if item.unused]
    assert unused == ["Enterprise Net", "Per Account", "Forgotten", "Cut Off", "Invented", "Is Big", "Weighted"]
    assert [item.name for item in orders.report.items][: len(unused)] == unused
    assert _item(orders, "Is Enterprise").sheets == ("Enterprise Accounts", "Net by Brand")


def test_a_formula_that_is_not_understood_is_told_with_its_line(orders: Workbook) -> None:
    assert [(p.line, p.message.split(": ")[-1]) for p in orders.problems] == [
        (138, "the formula ends too early"),
        (141, "calls FROBNICATE, which is no function of Tableau's formulas"),
    ]


def test_a_text_in_no_set_is_listed(orders: Workbook) -> None:
    assert [(u.column, u.literal) for u in _item(orders, "Forgotten").literals] == [("[segment]", "Enterprize")]


def test_a_list_loses_the_values_that_are_gone(orders: Workbook) -> None:
    assert (_item(orders, "Brand", "filter").old, _item(orders, "Brand", "filter").new) == ("Alpha, Federal", "Alpha")
    assert _item(orders, "Brands Shown", "set").new == "Alpha, Beta"
    kept = _item(orders, "segment", "filter")
    assert (kept.kind, kept.state, kept.sheets) == (Kind.commercial_only, ItemState.owner, ("several sheets",))
    assert _item(orders, "Is Enterprise", "filter").kind is Kind.enterprise_only


def test_a_group_and_an_alias_are_listed_and_left(orders: Workbook) -> None:
    group = _item(orders, "Brand (group)", "group")
    assert (group.kind, group.new) == (Kind.mixed, None)
    assert "Big ← Federal" in group.left[0]
    assert _item(orders, "Brand", "alias").state is ItemState.goes


def test_a_parameter_offers_no_value_that_is_gone_unless_it_is_the_current_one(orders: Workbook) -> None:
    assert _item(orders, "Brand", "parameter").new == "Alpha, Beta"
    current = _item(orders, "Start Segment", "parameter")
    assert (current.new, current.state) == (None, ItemState.by_hand)


def test_a_parameter_that_a_formula_tests_for_the_value_is_left(tables: Tables) -> None:
    text = (BOOKS / "orders_2020_4.twb").read_text()
    tested = text.replace("FROBNICATE([segment])", "[Parameters].[Parameter 1] = &apos;Enterprise&apos;")
    book = read_workbook(read_markup(tested.encode()), "b", tables, {})
    item = _item(book, "Brand", "parameter")
    assert (item.new, item.left) == (None, ("[Invented] tests it for Enterprise",))


def test_words_in_titles_are_listed(orders: Workbook) -> None:
    assert ("run", 255, "Enterprise") in {(w.element, w.line, w.word) for w in orders.report.words}


def test_custom_sql_is_cut_in_every_copy_in_tableaus_writing(tables: Tables) -> None:
    document, book = _read("orders_2020_4.twb", tables)
    assert _item(book, "Custom SQL Query", "custom SQL").kind is Kind.mixed
    new = document.patched(book.patches).decode()
    assert new.count("  0 as weight&#13;\nfrom marts.fct_orders") == 3
    assert new.count("&lt;&lt;&gt;&gt; 0 and o.net_amount &gt;&gt;= &lt;[Parameters].[Parameter 3]&gt;") == 3


@pytest.mark.parametrize("dialect", ["bigquery", None])
def test_custom_sql_of_a_connection_without_a_dialect_needs_one(tables: Tables, dialect: str | None) -> None:
    text = (BOOKS / "orders_2020_4.twb").read_bytes().replace(b"class='bigquery'", b"class='genericodbc'")
    item = _item(read_workbook(read_markup(text), "b", tables, {}, dialect=dialect), "Custom SQL Query", "custom SQL")
    assert item.kind is (Kind.mixed if dialect else Kind.unknown)
    assert dialect or "--dialect" in item.left[0]


def test_the_side_of_a_left_join_that_may_be_missing_has_null(tables: Tables) -> None:
    _, book = _read("accounts_10_5.twb", tables)
    assert _item(book, "Not Enterprise").new == "[amount]"  # brand is declared not null, and stands on the left
    assert _item(book, "Orders Only").new == "IF NOT ISNULL([business_unit]) THEN [amount] END"
    text = (BOOKS / "accounts_10_5.twb").read_bytes().replace(b"join='left'", b"join='right'")
    turned = read_workbook(read_markup(text), "b", tables, {})
    assert _item(turned, "Not Enterprise").new == "IF NOT ISNULL([brand]) THEN [amount] END"


def test_the_calculation_that_an_extract_repeats_changes_with_its_field(tables: Tables) -> None:
    document, book = _read("accounts_10_5.twb", tables)
    assert document.patched(book.patches).count(b"formula='[amount]'") == 3


def test_a_published_source_is_known_where_its_file_is_given(tables: Tables) -> None:
    alone = _item(_read("tiers_2018_3.twb", tables)[1], "Tier Name")
    assert alone.kind is Kind.unknown
    assert "DimAccount is in none of the files" in alone.left[0]
    published = _read("published.tds", tables)[1].published
    known = _item(_read("tiers_2018_3.twb", tables, published)[1], "Tier Name")
    assert known.new == "CASE [Calculation_700] WHEN 'std' THEN 'Standard' END"


def test_without_a_project_a_mart_is_not_known_and_nothing_on_it_is_called_neutral() -> None:
    _, book = _read("orders_2020_4.twb", Tables(FACTS))
    assert {_item(book, name).kind for name in ("Net", "Per Account", "Is Enterprise")} == {Kind.unknown}
    assert "--project" in _item(book, "Net").left[0]
    assert not [item for item in book.report.items if item.new is not None]


def test_calculations_that_read_each_other_are_told(tables: Tables) -> None:
    text = (BOOKS / "orders_2020_4.twb").read_text().replace(
        "FROBNICATE([segment])", "[Calculation_1000000000000000008] + 1"
    ).replace("{ FIXED [account_id] : SUM([net_amount]) }", "[Calculation_1000000000000000011]")  # fmt: skip
    book = read_workbook(read_markup(text.encode()), "b", tables, {})
    assert "in a circle" in _item(book, "Invented").left[0]
    assert _item(book, "Net").new == "[net_amount]"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["orders_2020_4.twb", "accounts_10_5.twb", "published.tds"])
def test_the_result_is_patched_in_place_and_changes_no_more(tables: Tables, name: str, ends: str) -> None:
    old = (BOOKS / name).read_text().replace("\n", ends).encode()
    document = read_markup(old)
    book = read_workbook(document, name, tables, {})
    new = document.patched(book.patches)
    assert len(new.splitlines()) <= len(old.splitlines())
    changed = set(new.splitlines(keepends=True)) - set(old.splitlines(keepends=True))
    assert all(b"formula=" in line or b"0 as weight" in line or b"groupfilter" in line for line in changed)
    again = read_markup(new)
    for element in again.root.walk():
        if element.tag == "calculation" and element.get("formula") and "'e'" not in element.get("formula"):
            parse(element.get("formula"))
    assert read_workbook(again, name, tables, {}).patches == []
