"""One SQL for two warehouses: no raw dialect function in a model, and every model read as BigQuery reads it.

Nothing here talks to BigQuery: the project is compiled for its targets without a connection, and each statement is
parsed, its columns resolved and its types inferred in BigQuery's dialect.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from dbt.config.profile import Profile, read_profile
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import set_invocation_context
from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from connectors.contract import load_contract
from flows.settings import FlowSettings
from tests.dbt import dialect
from tests.dbt.conftest import PROJECT, Dbt

TYPES = {
    "string": "TEXT",
    "int64": "BIGINT",
    "bool": "BOOLEAN",
    "date": "DATE",
    "numeric(38,9)": "DECIMAL",
    "timestamp": "TIMESTAMPTZ",
}
LONGEST_TABLE_DESCRIPTION, LONGEST_COLUMN_DESCRIPTION = 16_384, 1_024
"""Characters that BigQuery keeps (documentation, "Quotas and limits")."""
MOST_CLUSTER_COLUMNS = 4
META = {"_batch_id": "STRING", "_loaded_at": "TIMESTAMP", "_deleted": "BOOL", "_deleted_at": "TIMESTAMP"}
LEDGER = {
    "batch_id": "STRING",
    "source": "STRING",
    "table_name": "STRING",
    "rows_read": "INT64",
    "window_hi": "TIMESTAMP",
    "loaded_at": "TIMESTAMP",
}


def test_models_call_no_function_that_only_one_warehouse_knows() -> None:
    found = [
        str(problem)
        for path in sorted((PROJECT / "models").rglob("*.sql"))
        for problem in dialect.in_source(path.relative_to(PROJECT), path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("date_trunc('month', closed_on) as month_start", "date_trunc( is not the same in both warehouses. Write mon"),
        ("amount::numeric as amount", "`::` is DuckDB's alone. Write cast("),
        ("regexp_replace (name, 'a', 'b') as name", "regexp_replace( is not the same in both warehouses. Add a macro"),
    ],
)  # fmt: skip
def test_a_function_of_one_warehouse_is_told_with_file_line_and_what_to_write(line: str, words: str) -> None:
    text = f"-- date_trunc(\nselect {{{{ month_start('x') }}}}, 'date_trunc(',\n    {line}\nfrom some"
    (problem,) = dialect.in_source(Path("models/m.sql"), text)
    assert str(problem).startswith(f"models/m.sql:3: {words}")


def test_what_is_sent_calls_only_functions_on_the_list(day_one: Dbt, bigquery: Dbt) -> None:
    for warehouse, folder in (("duckdb", day_one.folder), ("bigquery", bigquery.folder)):
        compiled = folder / "target" / "compiled"
        # Unit tests are dbt's own casts around made-up rows.
        files = [path for path in sorted(compiled.rglob("*.sql")) if "__unit_tests.yml" not in str(path)]
        texts = {path.relative_to(compiled): path.read_text() for path in files}
        assert len(texts) > 200
        assert [str(p) for path, text in texts.items() for p in dialect.in_compiled(path, text, warehouse)] == []
        # A list that names more than is in use lets more through than was looked at.
        assert set().union(*map(dialect.functions, texts.values())) >= dialect.WRITTEN_BY_MACROS[warehouse]


@pytest.fixture(scope="module")
def bigquery(day_one: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    """The project compiled for `prod`; with an emulator's address, dbt does not look for credentials."""
    dbt = replace(day_one, folder=tmp_path_factory.mktemp("bigquery"), manifest=None, outcome={})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:9")
        dbt.manifest = dbt("parse", "--target", "prod")
        dbt("compile", "--target", "prod", "--no-populate-cache", "--no-introspect")
        yield dbt


def test_every_model_and_test_is_sql_to_both_parsers(day_one: Dbt, bigquery: Dbt) -> None:
    for warehouse, folder in (("duckdb", day_one.folder), ("bigquery", bigquery.folder)):
        files = sorted((folder / "target" / "compiled").rglob("*.sql"))
        assert len(files) > 250
        for path in files:
            tree = sqlglot.parse_one(path.read_text(), dialect=warehouse)
            unknown = {f.name.lower() for f in tree.find_all(exp.Anonymous)}
            assert not unknown, f"{warehouse}: {path.name}"


def test_bigquery_resolves_every_column_and_the_types_keep_the_contract(bigquery: Dbt) -> None:
    assert bigquery.manifest is not None
    known: dict[str, dict[str, dict[str, str]]] = {"STG": {}, "ODS": {}, "EDW": {}}
    for table in load_contract().tables:
        known["STG"][table.name] = {c.name: c.type.value for c in table.columns} | META
    known["STG"]["_ledger"] = LEDGER
    known["ODS"]["brands"] = dict.fromkeys(("brand", "brand_code", "segment"), "STRING")
    known["ODS"]["countries"] = dict.fromkeys(("country_code", "country", "region"), "STRING")
    models = _in_build_order(bigquery.manifest)
    assert len(models) > 60
    for model in models:
        schema = MappingSchema({"mg-dw-workbench": known}, dialect="bigquery", normalize=False)
        tree = sqlglot.parse_one(model.compiled_code, dialect="bigquery")
        tree = annotate_types(qualify(tree, schema=schema, dialect="bigquery", quote_identifiers=False), schema=schema)
        columns = {c.alias_or_name: c.type for c in tree.selects}
        known[model.schema][model.name] = {
            n: (t or exp.DataType.build("UNKNOWN")).sql("bigquery") for n, t in columns.items()
        }
        if model.config.contract.enforced:
            wanted = {c.name: TYPES[c.data_type] for c in model.columns.values()}
            assert list(columns) == list(wanted), model.name
            found = {
                n: t.this.name for n, t in columns.items() if t is not None and t.this.name not in ("UNKNOWN", "NULL")
            }
            assert {n: t for n, t in found.items() if not _fits(t, wanted[n])} == {}, model.name


def test_production_has_the_datasets_of_the_roadmap(bigquery: Dbt) -> None:
    assert places(bigquery.manifest) == {
        ("sources", "STG"), ("staging", "STG"), ("seeds", "ODS"), ("intermediate", "ODS"), ("ods", "ODS"),
        ("edw", "EDW"), ("marts", "EDW"),
    }  # fmt: skip


def test_a_developer_has_everything_in_one_dataset(bigquery: Dbt) -> None:
    assert {dataset for _, dataset in places(parsed(bigquery, "dev"))} == {"DEV"}


def test_the_staging_dataset_follows_its_setting(bigquery: Dbt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MGDW_STG_DATASET", "STG_2027")
    found = places(parsed(bigquery, "prod"))
    assert {("sources", "STG_2027"), ("staging", "STG_2027"), ("ods", "ODS")} <= found
    # A developer may read production's STG and still writes to DEV alone.
    found = places(parsed(bigquery, "dev"))
    assert found - {("sources", "STG_2027")} == {(layer, "DEV") for layer, _ in found if layer != "sources"}


def test_descriptions_fit_into_bigquery(bigquery: Dbt) -> None:
    assert bigquery.manifest is not None
    for node in (*bigquery.manifest.nodes.values(), *bigquery.manifest.sources.values()):
        assert len(node.description) <= LONGEST_TABLE_DESCRIPTION, node.name
        assert all(len(c.description) <= LONGEST_COLUMN_DESCRIPTION for c in node.columns.values()), node.name


def test_partition_and_cluster_columns_are_columns_of_their_table(day_one: Dbt, bigquery: Dbt) -> None:
    assert bigquery.manifest is not None
    laid_out = 0
    for node in bigquery.manifest.nodes.values():
        partition, cluster = node.config.get("partition_by"), node.config.get("cluster_by") or []
        if not (partition or cluster):
            continue
        laid_out += 1
        assert node.config.materialized == "table", node.name
        assert len(cluster) <= MOST_CLUSTER_COLUMNS, node.name
        columns = {partition["field"], *cluster} if partition else set(cluster)
        assert columns <= day_one.columns(node.schema, node.name), node.name
    assert laid_out > 10


def test_the_profile_limits_what_a_statement_may_cost_and_how_long_it_may_take(
    day_one: Dbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("MGDW_GCP_PROJECT", "other-project")
    monkeypatch.setenv("MGDW_GCP_LOCATION", "EU")
    for target, dataset in (("dev", "DEV"), ("prod", "EDW")):
        found = credentials(target)
        assert (found.database, found.location, found.schema) == ("other-project", "EU", dataset)
        assert found.method == "oauth"
        assert found.maximum_bytes_billed == FlowSettings().dbt_maximum_bytes_billed
        assert found.job_execution_timeout_seconds in (600, 1800)
        assert found.job_retries == 2
    monkeypatch.setenv("MGDW_DBT_MAXIMUM_BYTES_BILLED", "123000000")
    assert credentials("prod").maximum_bytes_billed == 123_000_000


def parsed(dbt: Dbt, target: str) -> Any:
    """The manifest for a target, in the environment as it is now."""
    return replace(dbt, manifest=None)("parse", "--target", target)


def credentials(target: str) -> Any:
    """A target's connection, as dbt reads it from the profile in the environment as it is now."""
    set_invocation_context(os.environ)
    raw = read_profile(str(PROJECT))
    return Profile.from_raw_profiles(raw, "mg_dw", ProfileRenderer({}), target_override=target).credentials


def places(manifest: Any) -> set[tuple[str, str]]:
    """Which layer goes to which dataset."""
    found = {("sources", s.schema) for s in manifest.sources.values()}
    for node in manifest.nodes.values():
        if node.resource_type in ("model", "seed"):
            found.add((node.path.split("/")[0] if node.resource_type == "model" else "seeds", node.schema))
    return found


def _in_build_order(manifest: Any) -> list[Any]:
    left = {i: n for i, n in manifest.nodes.items() if n.resource_type == "model"}
    done: list[Any] = []
    while left:
        ready = [i for i, n in left.items() if not any(d in left for d in n.depends_on.nodes)]
        assert ready
        done += [left.pop(i) for i in ready]
    return done


def _fits(found: str, wanted: str) -> bool:
    return found == wanted or {found, wanted} <= {"BIGINT", "INT"} or {found, wanted} <= {"TEXT", "VARCHAR"}
