"""Each unit test finds the mistake it is there for: one copy of the project with a mistake in every model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from tests.dbt.conftest import PROJECT, Dbt

MISTAKES = {
    "macros/rules/only_commercial.sql": ("in ('Commercial'", "in ('Commercial', 'Enterprise'"),
    "macros/cross_db/text.sql": ("';' || {{ item }} || ';'", "{{ item }}"),
    "models/intermediate/int_commercial_accounts.sql": ("else account_brands.first_brand", "else null"),
    "models/intermediate/int_commercial_users.sql": ("'division', allow_shared=true", "'division'"),
    "models/intermediate/int_customer_survivors.sql": ("third_merge.merged_into_account_id, ", ""),
    "models/intermediate/int_commercial_usage.sql": ("'Emma' as platform", "'Campaign Monitor' as platform"),
    "models/intermediate/int_finance_subscription_versions.sql": (
        "order by version nulls",
        "order by cast(version as string) nulls",
    ),
    "models/intermediate/int_commercial_netsuite_invoices.sql": ("and not is_voided", ""),
    "models/ods/dim_customer_ods.sql": ("where account_id <> customer_id", ""),
    "models/ods/dim_product_ods.sql": ("desc nulls last", "desc nulls first"),
    "models/ods/fct_opportunity_line_ods.sql": ("amount - line_item_amount", "amount"),
    "models/ods/fct_subscription_ods.sql": ("* 12", "* 11"),
    "models/ods/fct_opportunity_ods.sql": ("not opportunities.is_closed and", "opportunities.is_closed and"),
    "models/ods/fct_invoice_ods.sql": ("zuora.invoice_status = 'Posted'", "zuora.invoice_status <> 'Canceled'"),
    "models/ods/fct_payment_ods.sql": ("is_processed then amount", "is_processed then amount - refund_amount"),
    "models/edw/fct_arr_movement.sql": (
        "versions.active_to > months.measured_on",
        "versions.active_to >= months.measured_on",
    ),
    "models/edw/fct_sales.sql": ("    where is_won\n", "\n"),
    "models/edw/fct_pipeline.sql": ("< as_of.as_of_date", "<= as_of.as_of_date"),
    "models/edw/fct_campaign_performance.sql": (
        "        and campaign_currencies.currency = opportunities.currency\n",
        "",
    ),
    "models/marts/mart_executive.sql": (
        "        sum(net_amount) as collected\n    from {{ ref('fct_payment') }}\n    where is_processed",
        "        sum(net_amount) as collected\n    from {{ ref('fct_payment') }}",
    ),
    "models/marts/mart_finance.sql": ("invoiced - netsuite_invoiced", "netsuite_invoiced - netsuite_invoiced"),
    "models/marts/mart_sales.sql": ("then 0 else booking_amount", "then booking_amount else 0"),
    "models/marts/mart_marketing.sql": ("won_amount - actual_cost", "won_amount"),
    "models/marts/mart_customer_success.sql": ("where closing_arr <> 0", ""),
}
"""File -> (what is right, what is wrong)."""


def test_every_unit_test_finds_its_mistake(tmp_path: Path, day_one: Dbt) -> None:
    project = tmp_path / "dbt"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    for name, (right, wrong) in MISTAKES.items():
        file = project / name
        text = file.read_text()
        assert right in text, f"{name} no longer says {right!r}"
        file.write_text(text.replace(right, wrong, 1))
    dbt = replace(day_one.copy(tmp_path / "warehouse"), project=project, folder=tmp_path, manifest=None)
    dbt("test", "--select", "test_type:unit")
    passed = {name for name, status in dbt.outcome.items() if status == "pass"}
    assert dbt.outcome
    assert not passed
