"""The dbt project on BigQuery gives what it gives on DuckDB: every row, type, layout and description.

The `dbt` flow builds BigQuery, on two business days, from the STG that DuckDB has. These tests tell one story, in
order: what is compared of day 1 is read before day 2 is built.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner
from google.cloud.bigquery import Table

from connectors.google import GoogleAccess
from flows.dbt import DbtNode, status_counts
from sandbox.prefect_server import PrefectServer
from sandbox.world import World
from tests.bigquery.conftest import DATASETS
from tests.bigquery.dbt_builds import Both, Content
from tests.bigquery.googlesql.sent import analyzed
from tests.dbt.conftest import PROJECT

TYPES = {
    "VARCHAR": "STRING",
    "BIGINT": "INTEGER",
    "DECIMAL(38,9)": "NUMERIC",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
}
RELATIONS = 52
"""Models and seeds of ODS and EDW; the staging views are read through them."""


@pytest.fixture(scope="module")
def both(
    prefect_server: PrefectServer, new_google: Callable[[], GoogleAccess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    """Both warehouses, not built yet."""
    world = World.create(scale=0.25)
    yield Both(world, tmp_path_factory.mktemp("dbt"), new_google())
    world.close()


@pytest.fixture(scope="module")
def untested(both: Both) -> list[DbtNode]:
    """Day 1, without data tests."""
    return both.build(tests=False)


@pytest.fixture(scope="module")
def day_one(both: Both, untested: list[DbtNode]) -> Content:
    return both.content()


@pytest.fixture(scope="module")
def tested(both: Both, day_one: Content) -> list[DbtNode]:
    """Day 2, with all data tests on BigQuery."""
    both.world.advance()
    return both.build(tests=True)


@pytest.fixture(scope="module")
def day_two(both: Both, tested: list[DbtNode]) -> Content:
    return both.content()


@pytest.fixture(scope="module")
def tables(both: Both, tested: list[DbtNode]) -> dict[str, Table]:
    """Every model and seed as BigQuery describes it, by dbt's unique id."""
    client = both.google.bigquery()
    nodes = both.manifest()["nodes"].values()
    built = [n for n in nodes if n["resource_type"] in ("model", "seed")]
    return {n["unique_id"]: client.get_table(f"{n['database']}.{n['schema']}.{n['name']}") for n in built}


def test_every_row_of_day_one_is_the_same_in_both_warehouses(day_one: Content) -> None:
    assert_same(day_one)


def test_a_build_without_tests_builds_models_and_seeds_alone(untested: list[DbtNode]) -> None:
    assert {node.unique_id.partition(".")[0] for node in untested} == {"model", "seed"}


def test_every_data_test_passes_on_bigquery(tested: list[DbtNode]) -> None:
    counts = status_counts(tested)
    assert set(counts) <= {"success", "pass", "warn"}, counts
    assert counts["pass"] > 150
    assert {n.name for n in tested if n.status == "warn"} == {"unknown_brands_in_salesforce"}


def test_every_row_of_day_two_is_the_same_in_both_warehouses(day_one: Content, day_two: Content) -> None:
    assert_same(day_two)
    assert day_two.bigquery["EDW.mart_executive"] != day_one.bigquery["EDW.mart_executive"]


def test_every_column_has_the_type_that_it_has_in_duckdb(both: Both, tables: dict[str, Table]) -> None:
    for table in tables.values():
        wanted = {n: TYPES[t] for n, t in both.types(f"{table.dataset_id}.{table.table_id}").items()}
        assert {f.name: f.field_type for f in table.schema} == wanted, table.table_id


def test_big_tables_are_partitioned_by_month_and_clustered(tables: dict[str, Table]) -> None:
    usage = tables["model.mg_dw.fct_usage"]
    assert usage.time_partitioning is not None
    assert (usage.time_partitioning.field, usage.time_partitioning.type_) == ("usage_date", "MONTH")
    assert usage.clustering_fields == ["brand", "customer_key", "account_number"]
    facts = {name.split(".")[-1]: t for name, t in tables.items() if "fct_" in name}
    assert all(t.clustering_fields for n, t in facts.items() if "campaign" not in n and n != "fct_pipeline")


def test_the_layout_is_what_the_models_say(both: Both, tables: dict[str, Table]) -> None:
    nodes = both.manifest()["nodes"]
    for name, table in tables.items():
        config = nodes[name]["config"]
        wanted = config.get("partition_by") or {}
        found = table.time_partitioning
        assert (found.field if found else None) == wanted.get("field"), name
        assert (found.type_.lower() if found else None) == wanted.get("granularity"), name
        assert table.clustering_fields == config.get("cluster_by"), name


def test_descriptions_are_kept_on_tables_views_and_columns(both: Both, tables: dict[str, Table]) -> None:
    nodes = both.manifest()["nodes"]
    for name, table in tables.items():
        assert table.description == nodes[name]["description"], name
        wanted = {c["name"]: c["description"] for c in nodes[name]["columns"].values()}
        assert {f.name: f.description for f in table.schema if f.name in wanted} == wanted, name


def test_tables_and_views_are_labelled_with_their_layer(tables: dict[str, Table]) -> None:
    for name, layer in {
        "model.mg_dw.stg_sfdc_account": "staging",
        "model.mg_dw.int_commercial_usage": "intermediate",
        "model.mg_dw.fct_usage_ods": "ods",
        "seed.mg_dw.brands": "ods",
        "model.mg_dw.fct_usage": "edw",
        "model.mg_dw.mart_finance": "marts",
    }.items():
        assert tables[name].labels == {"app": "mgdw", "layer": layer}


def test_keys_are_required_columns(tables: dict[str, Table]) -> None:
    required = {f.name for f in tables["model.mg_dw.fct_usage"].schema if f.mode == "REQUIRED"}
    assert required == {"usage_key", "usage_date_key", "customer_key", "geography_key"}


def test_every_job_says_which_model_of_which_run_it_worked_for(both: Both, tested: list[DbtNode]) -> None:
    client = both.google.bigquery()
    labels = [job.labels for job in client.list_jobs(max_results=2000) if job.labels.get("table") == "mart_finance"]
    assert labels
    for found in labels:
        assert found.items() >= {"app": "mgdw", "step": "dbt", "target": "prod", "layer": "marts"}.items()
        assert found["run"]
        assert found["dbt_invocation_id"]


def test_a_type_other_than_the_contract_says_stops_the_model(both: Both, tested: list[DbtNode], tmp_path: Path) -> None:
    project = tmp_path / "dbt"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs", ".demo"))
    models = project / "models/edw/_edw__models.yml"
    said = "- name: list_price\n        data_type: numeric(38,9)"
    assert said in models.read_text()
    models.write_text(models.read_text().replace(said, "- name: list_price\n        data_type: int64"))
    answer = run_dbt(both, project, "run", "--select", "dim_product")
    assert [str(r.status) for r in answer.result.results] == ["error"]
    assert "contract" in answer.result.results[0].message


def test_freshness_and_documentation_are_read_from_bigquery(both: Both, tested: list[DbtNode]) -> None:
    run_dbt(both, PROJECT, "source", "freshness")
    sources = json.loads((both.target_path / "sources.json").read_text())["results"]
    assert len(sources) == 21
    assert {s["max_loaded_at"][:19] for s in sources} == {both.world.now.isoformat()[:19]}
    assert run_dbt(both, PROJECT, "docs", "generate", "--no-compile").success
    catalog = json.loads((both.target_path / "catalog.json").read_text())
    assert not catalog["errors"]
    assert len(catalog["nodes"]) > RELATIONS
    assert catalog["nodes"]["model.mg_dw.fct_usage"]["columns"]["overage_amount"]["type"].startswith("NUMERIC")


def test_every_statement_that_dbt_sends_is_sql_that_bigquery_takes(both: Both, tested: list[DbtNode]) -> None:
    """Tables and views with their options, data tests, freshness, what documentation reads: all of the tests above."""
    with both.google.bigquery() as client:
        answers = analyzed(client, DATASETS)
    assert answers.refused == {}
    assert {"CreateTableStatement", "CreateViewStatement", "AlterTableStatement", "QueryStatement"} <= set(
        answers.kinds
    )


def assert_same(content: Content) -> None:
    assert len(content.duckdb) == RELATIONS
    for relation, rows in content.duckdb.items():
        found = content.bigquery[relation]
        only = {"DuckDB": list(rows - found)[:2], "BigQuery": list(found - rows)[:2]}
        assert not any(only.values()), f"{relation}: only in {only}"
    assert sum(rows.total() for rows in content.duckdb.values()) > 30_000


def run_dbt(both: Both, project: Path, *arguments: str) -> Any:
    """dbt in this process for the target prod."""
    places = {"project-dir": project, "profiles-dir": project}
    places |= {"target-path": both.target_path, "log-path": both.folder / "logs"}
    flags = [f"--{name}={path}" for name, path in places.items()]
    with both.settings():
        return dbtRunner().invoke(["--quiet", "--log-level=none", *arguments, "--target=prod", *flags])
