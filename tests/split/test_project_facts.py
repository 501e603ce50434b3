"""The facts held against tables in DuckDB, and as dbt tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from ruamel.yaml import YAML

from split.check_facts import check_facts, facts_tests
from split.facts import Facts, load_facts
from split.report_model import FactsCheck
from tests.split.mixed import ROOT, facts, fill

TEXT = """\
version: 1
tables:
  orders:
    columns:
      brand: {commercial: [Alpha], enterprise: [Ent]}
      code: {commercial: [1], enterprise: [2], nullable: false}
  contracts:
    only: enterprise
    columns:
      brand: {commercial: [Alpha], enterprise: [Ent]}
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("create table orders (brand varchar, code integer)")
        connection.execute("create table contracts (brand varchar)")
        yield connection


def _checked(connection: duckdb.DuckDBPyConnection, tmp_path: Path, text: str = TEXT) -> FactsCheck:
    file = tmp_path / "facts.yml"
    file.write_text(text)
    return check_facts(lambda sql: connection.execute(sql).fetchall(), load_facts(file), file=file)


def test_facts_that_hold_are_said_to_hold(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    connection.execute("insert into orders values ('Alpha', 1), ('Ent', 2), (null, 1)")
    found = _checked(connection, tmp_path)
    assert found.holds
    assert found.columns == 3


def test_values_that_nobody_declared_are_listed_with_their_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    connection.execute("insert into orders values ('alpha', 1), ('Alpha ', 1), ('Alpha ', 3), ('Gamma', 1)")
    found = _checked(connection, tmp_path)
    assert {(u.column, u.value, u.rows, u.looks_like) for u in found.unknown} == {
        ("brand", "alpha", 1, "Alpha"),
        ("brand", "Alpha ", 2, "Alpha"),
        ("brand", "Gamma", 1, None),
        ("code", "3", 1, None),
    }


def test_what_the_data_denies_is_named_with_its_line(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    connection.execute("insert into orders values ('Alpha', null)")
    connection.execute("insert into contracts values ('Alpha')")
    found = _checked(connection, tmp_path)
    assert [(Path(c.path).name, c.line) for c in found.contradictions] == [("facts.yml", 6), ("facts.yml", 8)]
    assert "1 rows have no value" in found.contradictions[0].message
    assert "declared to hold enterprise rows only" in found.contradictions[1].message


def test_a_table_or_column_that_is_not_there_is_named_and_the_rest_goes_on(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    connection.execute("insert into orders values ('Alpha', 1)")
    text = TEXT.replace("      code:", "      kode:").replace("  contracts:\n", "  contracts_2023:\n")
    found = _checked(connection, tmp_path, text)
    assert [c.line for c in found.contradictions] == [6, 10]
    assert all("cannot be read" in c.message for c in found.contradictions)
    assert found.columns == 1


def test_a_number_declared_as_text_is_not_the_same_value(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    connection.execute("insert into orders values ('Alpha', 1)")
    found = _checked(connection, tmp_path, TEXT.replace("commercial: [1]", "commercial: ['1']"))
    assert [(u.value, u.looks_like) for u in found.unknown] == [("1", "1")]


def test_the_facts_of_the_fixture_hold(tmp_path: Path) -> None:
    fill(tmp_path / "mixed.duckdb", mixed=True)
    with duckdb.connect(str(tmp_path / "mixed.duckdb")) as connection:
        connection.execute(f"create table brand_segments as from read_csv('{ROOT}/seeds/brand_segments.csv')")
        found = check_facts(
            lambda sql: connection.execute(sql).fetchall(),
            facts(),
            file=ROOT / "facts.yml",
            relation=lambda name: f"raw.{name.rpartition('.')[2]}" if "." in name else name,
        )
    assert found.holds, found


def test_the_dbt_tests_admit_commercial_values_only() -> None:
    content = YAML(typ="safe").load(facts_tests(facts()))
    [erp] = [s for s in content["sources"] if s["name"] == "erp"]
    assert [t["name"] for t in erp["tables"]] == ["accounts", "orders"]
    brand = next(c for c in erp["tables"][0]["columns"] if c["name"] == "brand")
    assert brand["data_tests"] == [{"accepted_values": {"arguments": {"values": ["Alpha", "Beta"]}}}, "not_null"]
    assert [m["name"] for m in content["models"]] == ["brand_segments"]
    assert "Enterprise" not in facts_tests(facts())


def test_numbers_are_not_quoted_in_dbt_tests() -> None:
    found = facts_tests(
        Facts.model_validate({"tables": {"m": {"columns": {"code": {"commercial": [1], "enterprise": [2]}}}}})
    )
    [column] = YAML(typ="safe").load(found)["models"][0]["columns"]
    assert column["data_tests"] == [{"accepted_values": {"arguments": {"values": [1], "quote": False}}}]
