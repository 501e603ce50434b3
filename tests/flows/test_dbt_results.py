"""What dbt's artifacts say about which models are not to be trusted. No dbt runs here."""

from __future__ import annotations

import pytest

from flows.dbt import DbtFailed, DbtNode, untrusted_models

SOURCE, MODEL = "source.mg_dw.zuora.zuora_invoice", "model.mg_dw.fct_invoice_ods"
PARENTS = {
    "test.mg_dw.unique_invoice.1": [SOURCE],
    "test.mg_dw.ties.2": [MODEL, SOURCE, "seed.mg_dw.brands"],
}


def _node(unique_id: str, status: str) -> DbtNode:
    return DbtNode(unique_id, status, "Got 1 result,\n  configured to fail if != 0", 0.1)


@pytest.mark.parametrize(
    ("failed", "untrusted"),
    [
        (MODEL, ["fct_invoice_ods"]),
        ("test.mg_dw.unique_invoice.1", ["zuora.zuora_invoice"]),
        ("test.mg_dw.ties.2", ["fct_invoice_ods"]),
    ],
)
def test_a_failed_test_speaks_of_its_model_and_of_a_source_only_without_one(failed: str, untrusted: list[str]) -> None:
    nodes = [_node(failed, "fail"), _node("model.mg_dw.dim_date", "success"), _node("test.mg_dw.other.3", "warn")]
    assert untrusted_models(nodes, {"parent_map": PARENTS}) == untrusted


def test_only_models_count_as_skipped_and_a_message_is_one_line() -> None:
    nodes = [_node(MODEL, "error"), _node("model.mg_dw.mart_finance", "skipped"), _node("test.mg_dw.x.4", "skipped")]
    error = DbtFailed("dbt-ods", nodes, ["fct_invoice_ods"])
    assert error.skipped == ("mart_finance",)
    (failure,) = error.failures
    assert (failure.what, failure.cause) == ("fct_invoice_ods", "Got 1 result, configured to fail if != 0")
