"""Each cross-warehouse macro has one answer in DuckDB, the emulator, Google's reference implementation and Python.

Python computes it from BigQuery's documentation (`nasty.py`). The emulator has DuckDB inside, so that its answer
says little of meaning; Google's own says most.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from google.cloud.bigquery import LoadJobConfig, SchemaField

from connectors.google import GoogleAccess
from tests.bigquery.googlesql.client import GoogleSql
from tests.bigquery.googlesql.nasty import CASES, INPUTS, RELATIONS, WITHOUT_VALUES, decimal_text
from tests.dbt.conftest import PROJECT, Dbt

DUCKDB_TYPES = {"STRING": "VARCHAR", "INT64": "BIGINT", "BOOL": "BOOLEAN", "NUMERIC": "DECIMAL(38, 9)"}
SETTINGS = """
name: mg_dw
profile: mg_dw
macro-paths: [macros]
model-paths: [models]
flags: {send_anonymous_usage_stats: false}
"""

Answers = dict[str, list[list[Any]]]


@dataclass(frozen=True)
class Compiled:
    """The queries, by macro, in each dialect."""

    duckdb: dict[str, str]
    bigquery: dict[str, str]


@pytest.fixture(scope="module")
def project(new_google: Callable[[], GoogleAccess]) -> GoogleAccess:
    """A project whose dataset STG has the tables of inputs."""
    access = new_google()
    with access.bigquery() as client:
        for name, inputs in INPUTS.items():
            schema = [SchemaField("id", "INT64"), *(SchemaField(c, t) for c, t in inputs.columns.items())]
            rows = [dict(zip(["id", *inputs.columns], [n, *row], strict=True)) for n, row in enumerate(inputs.rows)]
            client.load_table_from_json(rows, f"STG.{name}", job_config=LoadJobConfig(schema=schema)).result()
    return access


@pytest.fixture(scope="module")
def queries(project: GoogleAccess, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """A project of the macros and one model for each, compiled for both warehouses."""
    folder = tmp_path_factory.mktemp("nasty")
    shutil.copytree(PROJECT / "macros", folder / "macros")
    shutil.copy(PROJECT / "profiles.yml", folder)
    (folder / "dbt_project.yml").write_text(SETTINGS)
    (folder / "models").mkdir()
    tables = "".join(f"      - name: {name}\n" for name in INPUTS)
    (folder / "models" / "sources.yml").write_text(f"sources:\n  - name: nasty\n    schema: STG\n    tables:\n{tables}")
    for name, case in CASES.items():
        sql = f"select id, {{{{ {case.call} }}}} as answer from {{{{ source('nasty', '{case.inputs}') }}}}"
        (folder / "models" / f"{name}.sql").write_text(sql)
    for name, (sql, _) in RELATIONS.items():
        (folder / "models" / f"{name}.sql").write_text(sql)
    compiled: list[dict[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MGDW_GCP_PROJECT", project.project)
        for target in ("local", "prod"):
            dbt = Dbt(folder / "inputs.duckdb", folder / target, folder)
            dbt.manifest = dbt("parse", "--target", target)
            dbt("compile", "--target", target, "--no-populate-cache", "--no-introspect")
            nodes = dbt.manifest.nodes.values()
            compiled.append({n.name: n.compiled_code for n in nodes if n.resource_type == "model"})
    return Compiled(*compiled)


@pytest.fixture(scope="module")
def duckdb_answers(queries: Compiled) -> Answers:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; ATTACH ':memory:' AS inputs; CREATE SCHEMA inputs.STG")
        for name, inputs in INPUTS.items():
            columns = ", ".join(f'"{c}" {DUCKDB_TYPES.get(t, t)}' for c, t in inputs.columns.items())
            connection.execute(f"CREATE TABLE inputs.STG.{name} (id BIGINT, {columns})")
            marks = ", ".join("?" * (len(inputs.columns) + 1))
            for n, row in enumerate(inputs.rows):
                values = [
                    _naive(v) if t == "TIMESTAMP" else v for v, t in zip(row, inputs.columns.values(), strict=True)
                ]
                connection.execute(f"INSERT INTO inputs.STG.{name} VALUES ({marks})", [n, *values])
        return {name: _canonical(connection.execute(sql).fetchall()) for name, sql in queries.duckdb.items()}


@pytest.fixture(scope="module")
def emulator_answers(project: GoogleAccess, queries: Compiled) -> Answers:
    with project.bigquery() as client:
        found = {name: client.query_and_wait(sql) for name, sql in queries.bigquery.items()}
        return {name: _canonical([row.values() for row in rows]) for name, rows in found.items()}


@pytest.fixture(scope="module")
def google_answers(project: GoogleAccess, queries: Compiled, google_sql: GoogleSql) -> Answers:
    for name, inputs in INPUTS.items():
        google_sql.table(f"{project.project}.STG.{name}", [("id", "INT64"), *inputs.columns.items()])
        google_sql.fill(f"{project.project}.STG.{name}", [[n, *row] for n, row in enumerate(inputs.rows)])
    return {name: google_sql.evaluate(sql) for name, sql in queries.bigquery.items()}


@pytest.mark.parametrize("macro", CASES)
@pytest.mark.parametrize("warehouse", ["duckdb_answers", "emulator_answers", "google_answers"])
def test_a_macro_gives_what_bigquery_documents(request: pytest.FixtureRequest, warehouse: str, macro: str) -> None:
    case = CASES[macro]
    answers = {row[0]: row[1] for row in request.getfixturevalue(warehouse)[macro]}
    expected = {n: case.expected(*row) for n, row in enumerate(INPUTS[case.inputs].rows)}
    assert {n: (INPUTS[case.inputs].rows[n], answers.get(n), e) for n, e in expected.items() if answers[n] != e} == {}


@pytest.mark.parametrize("macro", RELATIONS)
@pytest.mark.parametrize("warehouse", ["duckdb_answers", "emulator_answers", "google_answers"])
def test_a_macro_gives_the_rows_it_should(request: pytest.FixtureRequest, warehouse: str, macro: str) -> None:
    _, expected = RELATIONS[macro]
    assert sorted(request.getfixturevalue(warehouse)[macro], key=repr) == sorted(expected, key=repr)


def test_keys_that_only_their_joint_tells_apart_differ(google_answers: Answers) -> None:
    keys = [key for _, key in google_answers["surrogate_key"]]
    assert len(set(keys)) == len(keys)


def test_every_macro_is_asked() -> None:
    text = "".join(path.read_text() for path in sorted(Path(PROJECT / "macros" / "cross_db").glob("*.sql")))
    named = re.findall(r"\{%-? macro (?:default__|bigquery__|duckdb__)?(\w+)", text)
    assert set(named) == CASES.keys() | RELATIONS.keys() | WITHOUT_VALUES


def _naive(text: str | None) -> str | None:
    return text and text.removesuffix("Z")


def _canonical(rows: list[Any]) -> list[list[Any]]:
    return [[_value(value) for value in row] for row in rows]


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return decimal_text(value)
    return value.isoformat() if isinstance(value, dt.date) else value
