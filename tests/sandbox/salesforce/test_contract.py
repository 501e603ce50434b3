"""What the servers say is the business, value for value: every contract table over the wire against the model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest

from connectors.contract import Table, load_contract
from sandbox.faults import Faults
from sandbox.salesforce import SalesforceCredentials, SalesforceOptions, SalesforceOrg, create_app
from sandbox.server import Servers
from sandbox.world import World

TABLES = load_contract().of("salesforce")
DUCKDB_TYPES = {"STRING": "VARCHAR", "INT64": "BIGINT", "NUMERIC": "DECIMAL(38,9)", "BOOL": "BOOLEAN"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World.create(scale=0.2)
    world.advance(3)
    yield world
    world.close()


@pytest.fixture(scope="module")
def org(world: World) -> Iterator[tuple[SalesforceOrg, httpx.Client]]:
    app = create_app(world, SalesforceCredentials(), Faults(), SalesforceOptions(bulk_page_rows=500))
    with Servers() as servers:
        base = f"{servers.serve(app, date_header=False)}/services/data/v62.0"
        headers = {"Authorization": f"Bearer {app.state.org.log_in()}"}
        with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
            yield app.state.org, client


def typed(table: Table) -> str:
    def one(name: str, kind: str) -> str:
        target = DUCKDB_TYPES.get(kind, kind)
        return f"""CAST(nullif("{name}", '') AS {target}) AS "{name}\""""

    return ", ".join(one(column.field, column.type.value) for column in table.columns)


def native(table: Table) -> str:
    return ", ".join(
        f'CAST("{column.field}" AS {DUCKDB_TYPES.get(column.type.value, column.type.value)}) AS "{column.field}"'
        for column in table.columns
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_bulk_download_is_the_table(
    world: World, org: tuple[SalesforceOrg, httpx.Client], table: Table, tmp_path: Path
) -> None:
    _, client = org
    soql = f"SELECT {', '.join(table.fields)} FROM {table.object}"
    job = client.post("/jobs/query", json={"operation": "queryAll", "query": soql}).json()
    deadline = time.monotonic() + 10
    while client.get(f"/jobs/query/{job['id']}").json()["state"] != "JobComplete":
        assert time.monotonic() < deadline
    locator, counted = "", 0
    while locator != "null":
        answer = client.get(f"/jobs/query/{job['id']}/results", params={"locator": locator} if locator else {})
        locator = answer.headers["Sforce-Locator"]
        counted += int(answer.headers["Sforce-NumberOfRecords"])
        (tmp_path / f"{counted:08d}.csv").write_bytes(answer.content)
    options = "all_varchar=true, header=true, nullstr='\\x00', allow_quoted_nulls=false"
    read = f"read_csv('{tmp_path}/*.csv', {options})"
    served = duckdb.connect().execute(f"SELECT {typed(table)} FROM {read} ORDER BY 1").fetchall()
    held = f'SELECT {native(table)} FROM salesforce."{table.object}" WHERE "_deleted_at" IS NULL ORDER BY 1'
    assert served == world.sql(held).fetchall()
    assert len(served) == counted > 0


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rest_pages_hold_the_same_rows_and_fields_as_the_table(
    world: World, org: tuple[SalesforceOrg, httpx.Client], table: Table
) -> None:
    _, client = org
    soql = f"SELECT {', '.join(table.fields)} FROM {table.object} ORDER BY Id LIMIT 50"
    records = client.get("/queryAll", params={"q": soql}).json()["records"]
    held = world.sql(
        f'SELECT "Id", "SystemModstamp" FROM salesforce."{table.object}" '
        'WHERE "_deleted_at" IS NULL ORDER BY 1 LIMIT 50'
    ).fetchall()
    found = [(record["Id"], record["SystemModstamp"]) for record in records]
    assert found == [(row_id, stamp.strftime("%Y-%m-%dT%H:%M:%S.000+0000")) for row_id, stamp in held]
    assert all(set(record) == {"attributes", *table.fields} for record in records)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_describe_gives_every_field_the_type_the_contract_expects(
    org: tuple[SalesforceOrg, httpx.Client], table: Table
) -> None:
    expected = {
        "INT64": {"int"},
        "NUMERIC": {"double", "currency", "percent"},
        "BOOL": {"boolean"},
        "DATE": {"date"},
        "TIMESTAMP": {"datetime"},
        "STRING": {"id", "reference", "string", "textarea", "picklist", "multipicklist", "email", "phone", "url"},
    }
    fields = {field["name"]: field for field in org[1].get(f"/sobjects/{table.object}/describe").json()["fields"]}
    for column in table.columns:
        assert fields[column.field]["type"] in expected[column.type.value], column.field


def test_deleted_rows_are_named(world: World, org: tuple[SalesforceOrg, httpx.Client]) -> None:
    _, client = org
    span = {"start": "2026-06-10T00:00:00Z", "end": f"{world.now:%Y-%m-%dT%H:%M:%SZ}"}
    for name in ("Contact", "Lead"):
        found = {one["id"] for one in client.get(f"/sobjects/{name}/deleted", params=span).json()["deletedRecords"]}
        held = world.sql(f'SELECT "Id" FROM salesforce."{name}" WHERE "_deleted_at" >= TIMESTAMP \'2026-06-15\'')
        gone = {row[0] for row in held.fetchall()}
        assert gone and gone <= found
