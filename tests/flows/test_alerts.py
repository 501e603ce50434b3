"""The Slack message: what a person needs at four in the morning, and nothing secret."""

from __future__ import annotations

from flows.alerts import failure_text
from flows.failures import Failure

DOWN = "zuora: POST /v1/batch-query/ got no whole answer"
WAIT = "Run the flow again later."


def test_one_cause_is_told_once_with_all_its_tables() -> None:
    failures = tuple(Failure("zuora", table, DOWN, WAIT) for table in ("zuora_account", "zuora_invoice"))
    text = failure_text("daily-refresh / quiet-otter", failures, ("fct_invoice", "Tableau Finance"), "http://ui/runs/1")
    assert text.count(DOWN) == 1
    assert "`zuora_account`, `zuora_invoice`" in text
    assert "Skipped because of it:* `fct_invoice`, `Tableau Finance`" in text
    assert WAIT in text
    assert "<http://ui/runs/1|Open the run>" in text


def test_different_causes_are_told_apart() -> None:
    failures = (Failure("zuora", "zuora_account", DOWN, WAIT), Failure("s3", "", "bucket gone", "Create it."))
    text = failure_text("daily-refresh", failures, (), None)
    assert "*zuora*: `zuora_account`" in text
    assert "*s3*\n>bucket gone" in text
    assert "Open the run" not in text


def test_a_long_list_is_cut_and_counted() -> None:
    failures = tuple(Failure("salesforce", f"table_{n}", DOWN, WAIT) for n in range(20))
    text = failure_text("salesforce", failures, (), None)
    assert "and 8 more" in text
    assert "table_19" not in text


def test_only_the_first_line_of_a_cause_is_told() -> None:
    text = failure_text(
        "dbt", (Failure("dbt-ods", "dim_customer_ods", "Database Error\n  in model x", WAIT),), (), None
    )
    assert "Database Error" in text
    assert "in model x" not in text
