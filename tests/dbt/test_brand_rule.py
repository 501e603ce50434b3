"""Nothing of another segment is past the rule, and the tests that say so would notice if it were."""

from __future__ import annotations

from pathlib import Path

import duckdb

from sandbox.world import World
from tests.dbt.conftest import Dbt

ENTERPRISE = ("Sailthru", "Cheetah Digital", "Selligent")
KEYS = {
    'salesforce."Account"': ("Id", "NOT list_has_any(string_split(coalesce(Brands__c, ''), ';'), $commercial)"),
    'salesforce."Opportunity"': ("Id", "Brand__c IS NULL OR Brand__c NOT IN $commercial"),
    'salesforce."Lead"': ("Id", "Brand__c IS NULL OR Brand__c NOT IN $commercial"),
    'salesforce."Campaign"': ("Id", "Brand__c IS NULL OR Brand__c NOT IN $commercial"),
    'salesforce."User"': ("Id", "Division IS NULL OR Division NOT IN $commercial AND Division <> 'Corporate'"),
    'zuora."Account"': ("Id, AccountNumber", "Brand__c NOT IN $commercial"),
    'zuora."Subscription"': ("Id, Name", "Brand__c NOT IN $commercial"),
    'zuora."Invoice"': ("Id, InvoiceNumber", "Brand__c NOT IN $commercial"),
    'zuora."Payment"': ("Id, PaymentNumber", "Brand__c NOT IN $commercial"),
    'zuora."Product"': ("Id, SKU", "Brand__c NOT IN $commercial"),
    'netsuite."transaction"': ("Id, tranid", "custbody_brand NOT IN $commercial"),
}


def enterprise_keys(world: World) -> set[str]:
    """Every key of every source row that must stay in STG, read from the sources themselves."""
    keys: set[str] = set()
    for table, (columns, condition) in KEYS.items():
        stays = condition.replace("$commercial", "['Campaign Monitor', 'Emma']")
        rows = world.sql(f"SELECT {columns} FROM {table} WHERE {stays}").fetchall()
        assert rows, f"{table} has no row of another segment: the test would prove nothing"
        keys |= {str(value) for row in rows for value in row if value is not None}
    return keys


def test_no_column_past_staging_holds_a_key_or_a_brand_of_another_segment(day_one: Dbt, world: World) -> None:
    forbidden = sorted(enterprise_keys(world))
    with duckdb.connect(str(day_one.warehouse), read_only=True) as connection:
        connection.execute("CREATE TEMP TABLE forbidden AS SELECT unnest(?) AS key", [forbidden])
        columns = connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns"
            " WHERE table_schema IN ('ODS', 'EDW') AND data_type IN ('VARCHAR', 'BIGINT')"
            " AND table_name NOT IN ('brands', 'countries') AND (data_type = 'VARCHAR' OR column_name LIKE '%_id')"
        ).fetchall()
        assert len(columns) > 300
        for schema, table, column in columns:
            text = f'CAST("{column}" AS VARCHAR)'
            brands = " OR ".join(f"{text} LIKE '%{brand}%'" for brand in ENTERPRISE)
            leaks = connection.execute(
                f"SELECT {text} FROM {schema}.{table} WHERE {text} IN (SELECT key FROM forbidden) OR {brands} LIMIT 3"
            ).fetchall()
            assert not leaks, f"{schema}.{table}.{column}"


def test_an_enterprise_key_in_any_fact_is_found_by_its_test(tmp_path: Path, day_one: Dbt) -> None:
    def one_of(table: str, column: str, brand: str = "brand") -> str:
        return f"(SELECT min({column}) FROM STG.{table} WHERE {brand} = 'Sailthru')"

    planted = {
        "ODS.dim_customer_ods": ("customer_id", one_of("sfdc_account", "id", "brands")),
        "ODS.fct_opportunity_ods": ("owner_user_id", one_of("sfdc_user", "id", "division")),
        "ODS.fct_usage_ods": ("account_number", one_of("zuora_account", "account_number")),
        "EDW.dim_product": ("product_code", one_of("zuora_product", "sku")),
        "EDW.fct_sales": ("opportunity_id", one_of("sfdc_opportunity", "id")),
        "EDW.fct_invoice": ("netsuite_invoice_id", one_of("netsuite_invoices", "id")),
        "EDW.fct_payment": ("payment_number", one_of("zuora_payment", "payment_number")),
        "EDW.fct_arr_movement": ("subscription_number", one_of("zuora_subscription", "name")),
        "EDW.mart_marketing": ("campaign_id", one_of("sfdc_campaign", "id")),
    }
    dbt = day_one.tampered(
        tmp_path,
        *(
            f"UPDATE {table} SET {column} = {key} WHERE rowid = (SELECT min(rowid) FROM {table})"
            for table, (column, key) in planted.items()
        ),
        "UPDATE ODS.fct_subscription_ods SET brand = 'Corporate' WHERE rowid = 0",
    )
    dbt("test", "--select", "test_name:no_enterprise_keys", "test_name:no_enterprise_brands")
    found = {name for name in dbt.failed if name.startswith("no_enterprise_keys")}
    for table, (column, _) in planted.items():
        start = f"no_enterprise_keys {table.split('.')[1]} "
        assert any(name.startswith(start) and column in name for name in found), table
    assert len(found) == len(planted), "and in no other table"
    assert "no_enterprise_brands fct_subscription_ods brand" in dbt.failed


def test_brands_that_nobody_knows_stay_out_and_are_reported(tmp_path: Path, day_one: Dbt) -> None:
    dbt = day_one.tampered(
        tmp_path,
        "UPDATE STG.zuora_invoice SET brand = 'Sendgrid' WHERE invoice_number ="
        " (SELECT min(invoice_number) FROM ODS.fct_invoice_ods WHERE is_posted)",
        "UPDATE STG.sfdc_account SET brands = 'Emma;Litmus'"
        " WHERE id = (SELECT min(customer_id) FROM ODS.dim_customer_ods)",
        "UPDATE STG.s3_emma_usage_data SET brand_code = NULL WHERE rowid = 0",
    )
    dbt("test", "--select", "unknown_brands_in_*")
    assert dbt.ended("warn") == {f"unknown_brands_in_{source}" for source in ("zuora", "salesforce", "usage")}
    with duckdb.connect(str(dbt.warehouse), read_only=True) as connection:
        passed = connection.execute(
            "SELECT brand FROM ODS.int_commercial_invoices WHERE brand = 'Sendgrid'"
            " UNION ALL SELECT brands FROM ODS.int_commercial_accounts WHERE brands LIKE '%Litmus%'"
        ).fetchall()
    assert not passed
