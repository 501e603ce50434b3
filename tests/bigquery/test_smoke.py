"""`mgdw smoke` as on a real project: everything looked at, a day loaded, the marts built, and only DEV touched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from connectors.contract import load_contract
from connectors.errors import ConfigurationError
from connectors.google import GoogleAccess
from flows.failures import StepFailed
from flows.smoke import DATASET, FOLDER, SmokeReport, settings_for, smoke
from sandbox.prefect_server import PrefectServer
from sandbox.sandbox import Sandbox
from tests.bigquery.conftest import bucket_of
from tests.flows.conftest import Stage


@pytest.fixture(scope="module")
def stage(prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Sandbox(scale=0.05) as sandbox:
        yield Stage(tmp_path_factory.mktemp("smoke"), sandbox)


@pytest.fixture(scope="module")
def project(new_google: Callable[[], GoogleAccess]) -> GoogleAccess:
    return new_google()


def _settings(stage: Stage, project: GoogleAccess) -> dict[str, str]:
    """What `mgdw smoke` sets, over the sandbox's addresses."""
    return {
        **stage.environment(),
        "MGDW_DBT_TARGET": "dev",
        "MGDW_STG_DATASET": "DEV",
        "MGDW_WAREHOUSE": "bigquery",
        "MGDW_GCP_PROJECT": project.project,
        "MGDW_LAKE": f"gs://{bucket_of(project)}/{FOLDER}",
    }


@pytest.fixture(scope="module")
def report(stage: Stage, project: GoogleAccess) -> SmokeReport:
    with stage.settings(**_settings(stage, project)):
        return asyncio.run(smoke())


def test_a_day_of_every_source_is_loaded_into_dev_alone(
    stage: Stage, project: GoogleAccess, report: SmokeReport
) -> None:
    assert {load.table for load in report.loads} == {table.name for table in load_contract().tables}
    assert sum(load.read for load in report.loads) > 0
    with project.bigquery() as client:
        loaded = {table.table_id for table in client.list_tables(DATASET)}
        assert {load.table for load in report.loads} <= loaded
        assert [table.table_id for name in ("STG", "ODS", "EDW") for table in client.list_tables(name)] == []
    names = [blob.name for blob in project.storage().list_blobs(bucket_of(project))]
    assert names
    assert all(name.startswith(f"{FOLDER}/") for name in names)


def test_every_mart_is_built_and_counted(report: SmokeReport) -> None:
    assert len(report.marts) == 5
    assert "Cost of the loads" in report.markdown()
    assert all(mart in report.markdown() for mart in report.marts)


def test_another_run_loads_the_same_day_again_without_a_row_more(
    stage: Stage, project: GoogleAccess, report: SmokeReport
) -> None:
    with stage.settings(**_settings(stage, project)):
        again = asyncio.run(smoke())
    assert sum(load.changed for load in again.loads) == 0
    assert again.marts == report.marts


def test_what_is_broken_stops_it_before_anything_is_loaded(
    stage: Stage, new_google: Callable[[], GoogleAccess]
) -> None:
    fresh = new_google()
    wrong = _settings(stage, fresh) | {"MGDW_ZUORA_CLIENT_SECRET": "wrong"}
    with stage.settings(**wrong), pytest.raises(StepFailed) as caught:
        asyncio.run(smoke())
    assert {failure.step for failure in caught.value.failures} == {"zuora"}
    assert caught.value.skipped == ("loads", "marts")
    assert list(fresh.storage().list_blobs(bucket_of(fresh))) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("MGDW_STG_DATASET", "STG"), ("MGDW_DBT_TARGET", "prod"), ("MGDW_LAKE", "gs://mg-dw-datalake")],
)
def test_the_flow_refuses_the_datasets_and_the_lake_of_production(
    stage: Stage, project: GoogleAccess, name: str, value: str
) -> None:
    wrong = _settings(stage, project) | {name: value}
    with stage.settings(**wrong), pytest.raises(ConfigurationError, match="must not touch production") as caught:
        asyncio.run(smoke())
    assert name in caught.value.cause


@pytest.mark.parametrize(("name", "value"), [("MGDW_STG_DATASET", "STG"), ("MGDW_DBT_TARGET", "prod")])
def test_the_command_refuses_an_environment_that_names_production(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name} is {value}"):
        settings_for("mg-dw-workbench", "mg-dw-datalake")


def test_the_command_sets_everything_that_keeps_it_in_dev() -> None:
    assert settings_for("my-project", "my-bucket") == {
        "MGDW_WAREHOUSE": "bigquery",
        "MGDW_STG_DATASET": "DEV",
        "MGDW_DBT_TARGET": "dev",
        "MGDW_GCP_PROJECT": "my-project",
        "MGDW_LAKE": "gs://my-bucket/smoke",
    }
