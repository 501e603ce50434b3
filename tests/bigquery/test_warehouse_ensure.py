"""STG in BigQuery: tables from the contract, drift, and what a person changed by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from connectors.contract import Column, Contract, DataType
from connectors.errors import ConfigurationError, TypeChanged
from connectors.google import GoogleAccess
from connectors.warehouse.bigquery import BigQueryWarehouse
from tests.connectors.warehouse.batches import ACCOUNT

ACCOUNTS = replace(ACCOUNT, partition_by=("since", "month"), cluster_by=("id",))
CONTRACT = Contract((ACCOUNTS,))


@pytest.fixture
async def warehouse(google: GoogleAccess) -> AsyncIterator[BigQueryWarehouse]:
    async with BigQueryWarehouse(google, patience=60) as opened:
        await opened.ensure(CONTRACT)
        yield opened


async def test_tables_are_as_the_contract_says_and_then_there_is_nothing_to_do(
    warehouse: BigQueryWarehouse, google: GoogleAccess
) -> None:
    assert await warehouse.ensure(CONTRACT) == []
    with google.bigquery() as client:
        table = client.get_table("STG.sfdc_account")
    assert table.description == ACCOUNT.description
    assert table.time_partitioning.field == "since" and table.time_partitioning.type_ == "MONTH"
    assert table.clustering_fields == ["id"]
    assert table.labels == {"app": "mgdw", "table": "sfdc_account"}
    columns = {f.name: (f.field_type, f.description) for f in table.schema}
    assert columns["revenue"] == ("NUMERIC", "Money.") and columns["system_modstamp"][0] == "TIMESTAMP"
    assert columns["_deleted_at"][1] == "When the source deleted it, as far as is known (UTC)."


async def test_drift_is_followed_and_a_changed_type_refused(warehouse: BigQueryWarehouse, google: GoogleAccess) -> None:
    columns = [replace(c, type=DataType.NUMERIC) if c.name == "employees" else c for c in ACCOUNTS.columns]
    columns[2] = replace(columns[2], description="Its name.")
    wider = replace(ACCOUNTS, columns=(*columns, Column("site", DataType.STRING, "Site", "Where it's.")))
    said = "\n".join(await warehouse.ensure(Contract((wider,))))
    assert "ALTER COLUMN `employees` SET DATA TYPE NUMERIC" in said
    assert "ADD COLUMN IF NOT EXISTS `site` STRING OPTIONS (description = 'Where it\\'s.')" in said
    assert "ALTER COLUMN `name` SET OPTIONS (description = 'Its name.')" in said
    assert await warehouse.ensure(Contract((wider,))) == []
    with google.bigquery() as client:
        found = {f.name: (f.field_type, f.description) for f in client.get_table("STG.sfdc_account").schema}
    assert found["employees"][0] == "NUMERIC" and found["name"][1] == "Its name."
    assert found["site"] == ("STRING", "Where it's.")
    with pytest.raises(TypeChanged, match=r"employees is NUMERIC, the contract says INT64"):
        await warehouse.ensure(CONTRACT)


async def test_what_a_person_changed_is_refused_or_repaired(warehouse: BigQueryWarehouse, google: GoogleAccess) -> None:
    with google.bigquery() as client:
        table = client.get_table("STG.sfdc_account")
        table.clustering_fields = None
        client.update_table(table, ["clustering_fields"])
        [said] = await warehouse.ensure(CONTRACT)
        assert "clustered by id again" in said
        assert client.get_table("STG.sfdc_account").clustering_fields == ["id"]
        with pytest.raises(ConfigurationError, match=r"partitioned by since \(month\), the contract says nothing"):
            await warehouse.ensure(Contract((replace(ACCOUNTS, partition_by=None),)))
        client.query("ALTER TABLE STG.sfdc_account DROP COLUMN system_modstamp").result()
    with pytest.raises(ConfigurationError, match="changed by hand: it has no column system_modstamp"):
        await warehouse.ensure(CONTRACT)


async def test_a_dataset_elsewhere_is_refused_with_the_setting(google: GoogleAccess, emulated: None) -> None:
    async with BigQueryWarehouse(replace(google, location="EU"), patience=60) as elsewhere:
        with pytest.raises(ConfigurationError, match="lies in US, jobs are to run in EU") as caught:
            await elsewhere.ensure(CONTRACT)
    assert "MGDW_GCP_LOCATION=US" in caught.value.remedy
