"""Which models and data sources stand on a table that was not loaded."""

from __future__ import annotations

from typing import Any

from flows.lineage import models_above, tableau_exposures

ZUORA, SFDC = "source.mgdw.zuora.zuora_invoice", "source.mgdw.salesforce.sfdc_account"
MANIFEST: dict[str, Any] = {
    "parent_map": {
        "model.mgdw.stg_zuora_invoice": [ZUORA],
        "model.mgdw.fct_invoice": ["model.mgdw.stg_zuora_invoice"],
        "model.mgdw.dim_customer": [SFDC],
        "model.mgdw.mart_finance": ["model.mgdw.fct_invoice", "model.mgdw.dim_customer"],
        "model.mgdw.mart_sales": ["model.mgdw.dim_customer"],
        "exposure.mgdw.finance": ["model.mgdw.mart_finance"],
        "exposure.mgdw.sales": ["model.mgdw.mart_sales"],
        "exposure.mgdw.notebook": ["model.mgdw.mart_sales"],
    },
    "child_map": {
        ZUORA: ["model.mgdw.stg_zuora_invoice", "test.mgdw.not_null.abc"],
        SFDC: ["model.mgdw.dim_customer"],
        "model.mgdw.stg_zuora_invoice": ["model.mgdw.fct_invoice"],
        "model.mgdw.fct_invoice": ["model.mgdw.mart_finance"],
        "model.mgdw.dim_customer": ["model.mgdw.mart_finance", "model.mgdw.mart_sales"],
        "model.mgdw.mart_finance": ["exposure.mgdw.finance"],
        "model.mgdw.mart_sales": ["exposure.mgdw.sales"],
    },
    "exposures": {
        "exposure.mgdw.finance": {
            "name": "finance",
            "config": {"meta": {"tableau": {"name": "Finance"}}},
            "depends_on": {"nodes": ["model.mgdw.mart_finance"]},
        },
        "exposure.mgdw.sales": {
            "name": "sales",
            "config": {"meta": {"tableau": {"name": "Sales"}}},
            "depends_on": {"nodes": ["model.mgdw.mart_sales"]},
        },
        "exposure.mgdw.notebook": {
            "name": "notebook",
            "config": {},
            "depends_on": {"nodes": ["model.mgdw.mart_sales"]},
        },
    },
}


def test_everything_above_a_source_table_is_named_and_nothing_else() -> None:
    assert models_above(MANIFEST, ["zuora.zuora_invoice"]) == ["fct_invoice", "mart_finance", "stg_zuora_invoice"]


def test_the_models_asked_about_are_not_above_themselves() -> None:
    assert models_above(MANIFEST, ["fct_invoice"]) == ["mart_finance"]


def test_a_data_source_is_blocked_only_by_what_it_stands_on() -> None:
    blocked = {e.data_source: e.blocked_by(["zuora.zuora_invoice"]) for e in tableau_exposures(MANIFEST)}
    assert blocked == {"Finance": ["zuora.zuora_invoice"], "Sales": []}


def test_an_exposure_without_tableau_is_no_data_source() -> None:
    assert [e.name for e in tableau_exposures(MANIFEST)] == ["finance", "sales"]
