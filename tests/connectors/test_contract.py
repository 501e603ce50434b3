"""The contract of the 21 STG tables: complete, described, and what the connectors ask for."""

from __future__ import annotations

import re

import pytest
import sqlglot

from connectors.contract import Contract, load_contract

TABLES = {
    "netsuite": {"customers", "invoices", "payments", "subscriptions", "products"},
    "sfdc": {
        "account", "opportunity", "contact", "lead", "campaign", "campaign_member", "opportunity_line_item", "user",
    },
    "zuora": {"account", "subscription", "invoice", "payment", "product", "rate_plan"},
    "s3": {"cm_usage_data", "emma_usage_data"},
}  # fmt: skip


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


def test_the_contract_declares_the_21_tables_of_the_roadmap(contract: Contract) -> None:
    wanted = {f"{system}_{entity}" for system, entities in TABLES.items() for entity in entities}
    assert {t.name for t in contract.tables} == wanted


def test_every_table_says_what_a_row_is(contract: Contract) -> None:
    assert [t.name for t in contract.tables if not t.description.startswith("One row per ")] == []


def test_every_column_has_a_description_of_its_own(contract: Contract) -> None:
    for table in contract.tables:
        for column in table.columns:
            words = set(re.findall(r"\w+", column.description.lower()))
            assert words - set(column.name.split("_")), f"{table.name}.{column.name} only repeats its name"


@pytest.mark.parametrize(
    ("table", "column", "field"),
    [
        ("sfdc_account", "billing_country_code", "BillingCountryCode"),
        ("sfdc_account", "primary_brand", "Primary_Brand__c"),
        ("sfdc_opportunity", "pricebook2_id", "Pricebook2Id"),
        ("sfdc_opportunity", "system_modstamp", "SystemModstamp"),
        ("zuora_subscription", "term_start_date", "TermStartDate"),
        ("zuora_account", "mrr", "Mrr"),
        ("zuora_product", "sku", "SKU"),
        ("netsuite_invoices", "last_modified_date", "lastmodifieddate"),
        ("netsuite_invoices", "total", "foreigntotal"),
        ("s3_cm_usage_data", "emails_sent", "emails_sent"),
    ],
)
def test_a_column_has_its_source_field(contract: Contract, table: str, column: str, field: str) -> None:
    assert contract.table(table).column(column).field == field


def test_key_columns_are_required_and_no_others(contract: Contract) -> None:
    for table in contract.tables:
        assert {c.name for c in table.columns if c.required} == set(table.primary_key)


def test_quality_rules_parse_in_bigquery_too(contract: Contract) -> None:
    rules = [rule for table in contract.tables for rule in table.quality]
    assert len(rules) > len(contract.tables)
    for rule in rules:
        sqlglot.parse_one(rule.expression, dialect="bigquery")
