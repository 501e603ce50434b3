"""What the models do when a source brought nothing, or took something away."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from connectors.contract import load_contract
from tests.dbt.conftest import Dbt
from tests.dbt.stg_from_world import create_stg


def count(dbt: Dbt, relation: str, condition: str = "true") -> int:
    with duckdb.connect(str(dbt.warehouse), read_only=True) as connection:
        return connection.execute(f"SELECT count(*) FROM {relation} WHERE {condition}").fetchall()[0][0]


def test_everything_builds_on_a_warehouse_without_a_row(tmp_path: Path, day_one: Dbt) -> None:
    dbt = day_one.copy(tmp_path)
    dbt.warehouse.unlink()
    with duckdb.connect(str(dbt.warehouse)) as connection:
        create_stg(connection, load_contract())
    dbt("build", "--exclude", "source:*", *["--exclude-resource-type", "unit_test"])
    assert not dbt.failed
    assert count(dbt, "EDW.mart_executive") == 0
    assert count(dbt, "EDW.dim_customer") == 1, "the unknown customer"


@pytest.mark.parametrize(
    ("source", "still_built", "left_alone"),
    [
        (
            "netsuite",
            {"fct_sales", "fct_subscription", "mart_sales", "mart_customer_success"},
            {"mart_finance", "fct_invoice"},
        ),
        ("s3", {"mart_executive", "mart_finance", "mart_sales"}, {"fct_usage", "mart_customer_success"}),
        ("zuora", {"fct_pipeline", "mart_marketing"}, {"fct_subscription", "mart_executive"}),
        ("salesforce", {"dim_product", "dim_date"}, {"dim_customer", "mart_executive"}),
    ],
)
def test_a_failed_source_stops_only_what_it_feeds(
    day_one: Dbt, source: str, still_built: set[str], left_alone: set[str]
) -> None:
    chosen = day_one("ls", "--select", "tag:edw", "--resource-type", "model", "--exclude", f"source:{source}+")
    names = {name.split(".")[-1] for name in chosen}
    assert still_built <= names
    assert not left_alone & names


def test_the_rest_builds_and_its_tests_pass_while_a_source_is_empty(tmp_path: Path, day_one: Dbt) -> None:
    dbt = day_one.tampered(tmp_path, *(f"DELETE FROM STG.{t.name}" for t in load_contract().of("netsuite")))
    before = count(dbt, "EDW.mart_finance")
    dbt.build_layer("edw", "source:netsuite+")
    assert not dbt.failed
    assert count(dbt, "EDW.mart_finance") == before > 0


def test_a_deleted_row_leaves_every_layer(tmp_path: Path, day_one: Dbt) -> None:
    with duckdb.connect(str(day_one.warehouse), read_only=True) as connection:
        won = connection.execute("SELECT min(opportunity_id) FROM EDW.fct_sales").fetchall()[0][0]
        customer = connection.execute("SELECT min(customer_id) FROM EDW.dim_customer").fetchall()[0][0]
    dbt = day_one.tampered(
        tmp_path,
        f"UPDATE STG.sfdc_opportunity SET _deleted = true WHERE id = '{won}'",
        f"UPDATE STG.sfdc_account SET _deleted = true WHERE id = '{customer}'",
    )
    assert count(dbt, "EDW.fct_sales", f"opportunity_id = '{won}'") > 0
    dbt(
        "run",
        "--select",
        "fct_opportunity_ods",
        "fct_opportunity_line_ods",
        "fct_sales",
        "dim_customer_ods",
        "dim_customer",
    )
    for relation in ("ODS.fct_opportunity_ods", "ODS.fct_opportunity_line_ods", "EDW.fct_sales"):
        assert count(dbt, relation, f"opportunity_id = '{won}'") == 0
    for relation in ("ODS.dim_customer_ods", "EDW.dim_customer"):
        assert count(dbt, relation, f"customer_id = '{customer}'") == 0


def test_money_of_a_merged_account_goes_to_the_account_that_stays(tmp_path: Path, day_one: Dbt) -> None:
    with duckdb.connect(str(day_one.warehouse), read_only=True) as connection:
        (gone, deals), (stays, _) = connection.execute(
            "SELECT customer_id, count(*) FROM ODS.fct_opportunity_ods GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 2"
        ).fetchall()
    dbt = day_one.tampered(
        tmp_path,
        f"UPDATE STG.sfdc_account SET _deleted = true, master_record_id = '{stays}' WHERE id = '{gone}'",
    )
    before = count(dbt, "ODS.fct_opportunity_ods", f"customer_id = '{stays}'")
    dbt("run", "--select", "fct_opportunity_ods")
    assert count(dbt, "ODS.fct_opportunity_ods", f"customer_id = '{stays}'") == before + deals
    assert count(dbt, "ODS.fct_opportunity_ods", f"customer_id = '{gone}'") == 0
