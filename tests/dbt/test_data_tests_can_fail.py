"""Each kind of data test finds the mistake it is there for: one tampered warehouse, one run of all tests."""

from __future__ import annotations

from pathlib import Path

from tests.dbt.conftest import Dbt

MISTAKES = {
    # a cent more in a fact than in the mart
    "UPDATE EDW.fct_invoice SET amount = amount + 0.01, tax_amount = tax_amount + 0.01 WHERE rowid = 5 AND is_posted": [
        "money_ties mart_executive fct_invoice",
    ],
    # a posted invoice differs from NetSuite's by a cent
    "UPDATE ODS.fct_invoice_ods SET netsuite_difference = 0.01 WHERE rowid = 7": ["netsuite_invoices_equal_zuora"],
    # a payment that NetSuite has twice
    "UPDATE ODS.fct_payment_ods SET netsuite_payment_count = 2 WHERE rowid = 7": ["netsuite_payments_equal_zuora"],
    "UPDATE STG.netsuite_subscriptions SET monthly_amount = monthly_amount + 1": [
        "netsuite_subscriptions_tie_to_zuora"
    ],
    "UPDATE STG.netsuite_customers SET currency = 'EUR'": ["netsuite_customers_tie_to_zuora"],
    "UPDATE STG.netsuite_products SET product_code = product_code || 'x'": ["netsuite_products_tie_to_zuora"],
    # a deal whose line items explain a cent too little
    "UPDATE ODS.fct_opportunity_ods SET line_item_amount = line_item_amount - 0.01 WHERE line_item_count > 0": [
        "line_items_tie_to_their_opportunity",
    ],
    "UPDATE ODS.fct_subscription_ods SET arr = arr + 0.01 WHERE rowid = 3": ["arr_is_twelve_times_mrr"],
    "UPDATE ODS.fct_subscription_ods SET rate_plan_mrr = rate_plan_mrr + 0.01 WHERE rowid = 4": [
        "rate_plans_add_up_to_the_mrr_of_their_version",
    ],
    # a subscription's month opens with another ARR than the month before closed with
    "UPDATE EDW.fct_arr_movement SET opening_arr = opening_arr + 12, new_arr = new_arr - 12 WHERE rowid = 0": [
        "arr_of_a_month_opens_with_the_close_before",
    ],
    "UPDATE EDW.fct_subscription SET customer_key = 'nobody' WHERE rowid = 0": ["joins_dimensions fct_subscription"],
    "INSERT INTO EDW.fct_usage SELECT * FROM EDW.fct_usage LIMIT 1": [
        "unique_key fct_usage usage_key", "money_ties fct_usage fct_usage_ods",
    ],
    "UPDATE EDW.mart_finance SET invoiced_difference = 0.01 WHERE rowid = 0": [
        "mart_finance_differs_nowhere_from_netsuite"
    ],
    "UPDATE EDW.fct_pipeline SET open_amount = open_amount + 1 WHERE rowid = 0": [
        "money_ties fct_pipeline fct_opportunity_ods", "money_ties mart_executive fct_pipeline",
        "money_ties mart_sales fct_pipeline",
    ],
    "UPDATE EDW.fct_sales SET close_date = NULL WHERE rowid = 0": [
        "not_null_where fct_sales close_date, booking_amount, currency",
    ],
    "UPDATE EDW.mart_customer_success SET emails_sent = emails_sent + 1 WHERE rowid = 0": [
        "money_ties mart_customer_success fct_usage",
    ],
    "UPDATE ODS.dim_user_ods SET user_id = (SELECT max(user_id) FROM ODS.dim_user_ods)": [
        "unique_key dim_user_ods user_id",
    ],
}  # fmt: skip


def test_every_kind_of_mistake_is_found(tmp_path: Path, day_one: Dbt) -> None:
    dbt = day_one.tampered(tmp_path, *MISTAKES)
    dbt("test", "--select", "tag:ods", "tag:edw", "--exclude", "test_name:no_enterprise_keys", "test_type:unit")
    for mistake, tests in MISTAKES.items():
        for test in tests:
            assert test in dbt.failed, f"{test} did not find: {mistake}"
