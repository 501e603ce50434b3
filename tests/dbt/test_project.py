"""The house rules of the dbt project, read from its manifest."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dbt.conftest import PROJECT, Dbt

LAYERS = {
    "staging": {"source"},
    "intermediate": {"staging", "intermediate", "seeds"},
    "ods": {"intermediate", "ods", "staging"},
    "edw": {"ods", "edw", "seeds"},
    "marts": {"edw", "marts"},
}
PREFIXES = {
    "staging": ("stg_",),
    "intermediate": ("int_",),
    "ods": ("dim_", "fct_"),
    "edw": ("dim_", "fct_"),
    "marts": ("mart_",),
}
MARTS = {"executive", "finance", "sales", "marketing", "customer_success"}


@pytest.fixture(scope="module")
def manifest(day_one: Dbt) -> Any:
    return day_one.manifest


@pytest.fixture(scope="module")
def models(manifest: Any) -> list[Any]:
    return [n for n in manifest.nodes.values() if n.resource_type == "model"]


def layer(node: Any) -> str:
    return "seeds" if node.resource_type == "seed" else node.path.split("/")[0]


def test_every_model_says_its_grain_and_has_a_key_test(manifest: Any, models: list[Any]) -> None:
    keyed = {
        n.attached_node
        for n in manifest.nodes.values()
        if n.resource_type == "test" and getattr(n, "test_metadata", None) and n.test_metadata.name == "unique_key"
    }
    for model in models:
        assert model.description.startswith("One row per "), model.name
        assert model.unique_id in keyed, model.name


def test_every_column_past_staging_that_people_use_is_described(day_one: Dbt, models: list[Any]) -> None:
    for model in models:
        if layer(model) in ("ods", "edw", "marts"):
            built = day_one.columns(model.schema, model.name)
            assert set(model.columns) == built, model.name
        assert all(c.description for c in model.columns.values()), model.name


def test_edw_and_marts_keep_contracts(models: list[Any]) -> None:
    for model in models:
        if layer(model) in ("edw", "marts"):
            assert model.config.contract.enforced, model.name
            assert all(c.data_type for c in model.columns.values()), model.name


def test_a_model_reads_only_from_its_own_layer_or_the_one_before(manifest: Any, models: list[Any]) -> None:
    for model in models:
        for parent in model.depends_on.nodes:
            kind = "source" if parent.startswith("source.") else layer(manifest.nodes[parent])
            assert kind in LAYERS[layer(model)], f"{model.name} reads {parent}"


def test_every_staging_table_has_its_view_and_brands_are_not_filtered_there(manifest: Any, models: list[Any]) -> None:
    staged = {s for m in models if layer(m) == "staging" for s in m.depends_on.nodes}
    assert staged == set(manifest.sources)
    assert all("only_commercial" not in m.raw_code for m in models if layer(m) == "staging")


def test_the_brand_rule_is_applied_on_the_way_into_ods_and_nowhere_later(models: list[Any]) -> None:
    users = {layer(m) for m in models if "only_commercial" in m.raw_code}
    assert users == {"intermediate"}
    assert all("segment" not in m.raw_code for m in models), "the seed's segment is read by the rule alone"


def test_names_tell_the_layer_and_files_stay_short(models: list[Any]) -> None:
    for model in models:
        assert model.name.startswith(PREFIXES[layer(model)]), model.name
        assert layer(model) != "ods" or model.name.endswith("_ods"), model.name
        assert model.raw_code.count("\n") < 150, model.name
        assert model.raw_code.rstrip().rsplit("\n", 1)[-1] in ("select * from final", "select * from renamed"), (
            model.name
        )


def test_each_mart_is_one_tableau_data_source(manifest: Any) -> None:
    exposures = {e.name: e for e in manifest.exposures.values()}
    assert set(exposures) == {f"tableau_{mart}" for mart in MARTS}
    for mart in MARTS:
        exposure = exposures[f"tableau_{mart}"]
        assert exposure.depends_on.nodes == [f"model.mg_dw.mart_{mart}"]
        assert exposure.config.meta["tableau"]["kind"] == "datasource"
        assert exposure.config.meta["tableau"]["name"] == mart.replace("_", " ").title()


def test_no_figure_depends_on_todays_date(models: list[Any]) -> None:
    for model in models:
        assert not any(word in model.raw_code for word in ("current_date", "current_timestamp", "now()")), model.name


def test_the_layers_together_build_everything_once(day_one: Dbt) -> None:
    everything = set(
        day_one("ls", "--exclude", "source:*", "--exclude-resource-type", "unit_test", "exposure", "source")
    )
    ods, edw = (
        set(day_one("ls", "--selector", name, "--exclude-resource-type", "unit_test")) for name in ("ods", "edw")
    )
    assert not ods & edw
    assert ods | edw == everything


def test_the_decision_log_names_every_figure_of_the_executive_mart() -> None:
    log = (PROJECT / "DECISIONLOG.md").read_text().lower()
    for figure in ("arr", "bookings", "invoiced", "collected", "active customers", "pipeline", "open balance"):
        assert figure in log
