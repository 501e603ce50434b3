"""One SQL for two warehouses: no raw dialect function in a model, and every model read as BigQuery reads it.

Nothing here talks to BigQuery: the project is compiled for the target `prod` without a connection, and each statement
is parsed, its columns resolved and its types inferred in BigQuery's dialect.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import Any

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from connectors.contract import load_contract
from tests.dbt.conftest import PROJECT, Dbt

COMMON = {
    "cast", "coalesce", "concat", "count", "extract", "lag", "lead", "least", "lower", "max", "min", "row_number",
    "sum", "trim", "upper",
}  # fmt: skip
"""Functions that mean the same in both warehouses (`least` where no argument can be NULL)."""
NOT_FUNCTIONS = {
    "as", "and", "or", "in", "on", "over", "by", "when", "then", "select", "where", "not", "is", "from", "join",
    "exists",
}  # fmt: skip
TYPES = {
    "string": "TEXT",
    "int64": "BIGINT",
    "bool": "BOOLEAN",
    "date": "DATE",
    "numeric(38,9)": "DECIMAL",
    "timestamp": "TIMESTAMPTZ",
}
META = {"_batch_id": "STRING", "_loaded_at": "TIMESTAMP", "_deleted": "BOOL", "_deleted_at": "TIMESTAMP"}
LEDGER = {
    "batch_id": "STRING",
    "source": "STRING",
    "table_name": "STRING",
    "rows_read": "INT64",
    "window_hi": "TIMESTAMP",
    "loaded_at": "TIMESTAMP",
}


def test_models_use_no_function_that_only_one_warehouse_knows() -> None:
    for path in sorted((PROJECT / "models").rglob("*.sql")):
        plain = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|--[^\n]*|'[^']*'", " ", path.read_text(), flags=re.DOTALL)
        used = {name.lower() for name in re.findall(r"\b([A-Za-z_][A-Za-z_0-9]*)\s*\(", plain)} - NOT_FUNCTIONS
        ctes = {name.lower() for name in re.findall(r"\b(\w+) as \(", plain)}
        assert used - ctes <= COMMON, path.name
        assert "::" not in plain, path.name


@pytest.fixture(scope="module")
def bigquery(day_one: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """The project compiled for `prod` with a token that is never sent."""
    folder = tmp_path_factory.mktemp("bigquery")
    project = folder / "dbt"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    profiles = project / "profiles.yml"
    profiles.write_text(profiles.read_text().replace("method: oauth\n", "method: oauth-secrets\n      token: none\n"))
    dbt = replace(day_one, project=project, folder=folder, manifest=None, outcome={})
    dbt.manifest = dbt("parse", "--target", "prod")
    dbt("compile", "--target", "prod", "--no-populate-cache", "--no-introspect")
    return dbt


def test_every_model_and_test_is_sql_to_both_parsers(day_one: Dbt, bigquery: Dbt) -> None:
    for dialect, folder in (("duckdb", day_one.folder), ("bigquery", bigquery.folder)):
        files = sorted((folder / "target" / "compiled").rglob("*.sql"))
        assert len(files) > 250
        for path in files:
            tree = sqlglot.parse_one(path.read_text(), dialect=dialect)
            unknown = {f.name.lower() for f in tree.find_all(exp.Anonymous)}
            assert not unknown, f"{dialect}: {path.name}"


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
    assert bigquery.manifest is not None
    models = [n for n in bigquery.manifest.nodes.values() if n.resource_type == "model"]
    assert {(n.path.split("/")[0], n.schema) for n in models} == {
        ("staging", "STG"), ("intermediate", "ODS"), ("ods", "ODS"), ("edw", "EDW"), ("marts", "EDW"),
    }  # fmt: skip
    assert {n.database for n in models} == {"mg-dw-workbench"}


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
