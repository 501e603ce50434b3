"""`doctor` on BigQuery and Cloud Storage, as far as the emulators go: what they lack is refused by a server of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from google.cloud.bigquery import Dataset

from connectors.google import GoogleAccess
from flows.checks import Diagnosis, Status
from flows.doctor import examined
from sandbox.prefect_server import PrefectServer
from tests.bigquery.conftest import bucket_of
from tests.bigquery.refusing import Refusing
from tests.bigquery.warehouse_faults import Fault, Faults

SOURCES = {
    "MGDW_SALESFORCE_LOGIN_URL": "https://login.salesforce.com",
    "MGDW_NETSUITE_ACCOUNT": "1234567",
    "MGDW_ZUORA_BASE_URL": "https://rest.zuora.com",
    "MGDW_S3_BUCKET": "usage-files",
}
"""Settings that must be there; nobody is asked by them here."""


@pytest.fixture(scope="module")
def house(new_google: Callable[[], GoogleAccess]) -> GoogleAccess:
    """One project for all tests that leave it as it was."""
    return new_google()


@pytest.fixture
def environment(prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[GoogleAccess], None]:
    def use(google: GoogleAccess) -> None:
        for name, value in SOURCES.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("MGDW_WAREHOUSE", "bigquery")
        monkeypatch.setenv("MGDW_GCP_PROJECT", google.project)
        monkeypatch.setenv("MGDW_LAKE", f"gs://{bucket_of(google)}/raw-data")

    return use


def _look(*groups: str) -> list[Diagnosis]:
    return asyncio.run(examined(groups))


def _only_failure(found: list[Diagnosis]) -> Diagnosis:
    (failure,) = [one for one in found if one.status is Status.FAILED]
    assert failure.remedy
    return failure


def test_a_sound_project_is_told_so_and_nothing_is_left_behind(
    house: GoogleAccess, environment: Callable[[GoogleAccess], None]
) -> None:
    environment(house)
    found = _look("settings", "lake", "warehouse")
    assert {one.status for one in found} == {Status.OK}, found
    assert [one.where for one in found if one.check == "warehouse"] == [
        house.project, f"{house.project}.STG", f"{house.project}.ODS", f"{house.project}.EDW",
    ]  # fmt: skip
    assert list(house.storage().list_blobs(bucket_of(house))) == []
    with house.bigquery() as client:
        assert [table.table_id for name in ("STG", "ODS", "EDW") for table in client.list_tables(name)] == []


def test_dbt_finds_the_project_of_the_settings(
    house: GoogleAccess, environment: Callable[[GoogleAccess], None]
) -> None:
    environment(house)
    (told,) = _look("dbt")
    assert told.status is Status.OK, told
    assert "target prod, whose connection works" in told.found


def test_a_missing_dataset_is_told_with_the_command_that_makes_it(
    google: GoogleAccess, environment: Callable[[GoogleAccess], None]
) -> None:
    environment(google)
    with google.bigquery() as client:
        client.delete_dataset("ODS")
    failure = _only_failure(_look("warehouse"))
    assert failure.found == f"there is no dataset {google.project}.ODS"
    assert f"bq --location=US mk --dataset {google.project}:ODS" in failure.remedy


def test_a_dataset_in_another_location_is_told_with_both(
    google: GoogleAccess, environment: Callable[[GoogleAccess], None]
) -> None:
    environment(google)
    with google.bigquery() as client:
        client.delete_dataset("EDW")
        dataset = Dataset(f"{google.project}.EDW")
        dataset.location = "EU"
        client.create_dataset(dataset)
    failure = _only_failure(_look("warehouse"))
    assert "lies in EU, and MGDW_GCP_LOCATION is US" in failure.found
    assert "MGDW_GCP_LOCATION=EU" in failure.remedy


def test_a_missing_bucket_is_told_with_the_command_that_makes_it(
    house: GoogleAccess, environment: Callable[[GoogleAccess], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(house)
    monkeypatch.setenv("MGDW_LAKE", "gs://mgdw-no-such-bucket")
    failure = _only_failure(_look("lake"))
    assert "no bucket mgdw-no-such-bucket" in failure.found
    assert "gcloud storage buckets create gs://mgdw-no-such-bucket" in failure.remedy


def test_datasets_of_dbt_that_can_only_be_read_are_a_warning_and_stg_is_not(
    house: GoogleAccess,
    environment: Callable[[GoogleAccess], None],
    bigquery_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment(house)
    said = "Access Denied: Permission bigquery.tables.create denied on dataset"
    closed = Fault(lambda method, path, _: method == "POST" and path.split("?")[0].endswith("/tables"), 403,
                   "accessDenied", said, times=3)  # fmt: skip
    with Faults(bigquery_url, [closed]) as proxy:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", proxy.url)
        found = {one.where.removeprefix(f"{house.project}."): one for one in _look("warehouse")}
    assert closed.seen == 3
    assert found.pop(house.project).status is Status.OK
    assert {name: one.status for name, one in found.items()} == {
        "STG": Status.FAILED, "ODS": Status.WARNING, "EDW": Status.WARNING,
    }  # fmt: skip
    for one in found.values():
        assert "create a table in" in one.found
        assert "roles/bigquery.dataEditor" in one.remedy
    assert "run doctor as that one too" in found["ODS"].remedy


def test_dev_needs_stg_tables_in_dev_as_well(
    house: GoogleAccess, environment: Callable[[GoogleAccess], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(house)
    monkeypatch.setenv("MGDW_DBT_TARGET", "dev")
    assert "Set MGDW_STG_DATASET=DEV" in _only_failure(_look("settings")).remedy
    monkeypatch.setenv("MGDW_STG_DATASET", "DEV")
    found = _look("settings", "warehouse")
    assert [one.where for one in found if one.check == "warehouse"] == [house.project, f"{house.project}.DEV"]


JOBS = "Access Denied: Project p: User does not have bigquery.jobs.create permission in project p."
REFUSALS = {
    "roles": (403, JOBS, ("roles/bigquery.jobUser", "roles/bigquery.dataEditor", "roles/storage.objectUser")),
    "API": (
        403,
        "BigQuery API has not been used in project 42 before or it is disabled.",
        ("gcloud services enable bigquery.googleapis.com", "roles/bigquery.dataEditor", "roles/storage.objectUser"),
    ),
    "quota": (
        403,
        "Quota exceeded: Your project exceeded quota for free query bytes scanned.",
        ("Quotas", "roles/bigquery.dataEditor", "roles/storage.objectUser"),
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_google_refuses_is_told_with_the_role_the_service_or_the_quota(
    refusal: str,
    house: GoogleAccess,
    environment: Callable[[GoogleAccess], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status, said, (jobs, datasets, lake) = REFUSALS[refusal]
    environment(house)
    with Refusing(status, said) as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        found = _look("warehouse", "lake")
    assert {one.status for one in found} == {Status.FAILED}
    remedies = {one.where: one.remedy for one in found}
    assert jobs in remedies[house.project]
    assert all(datasets in remedies[name] for name in ("STG", "ODS", "EDW"))
    assert lake in remedies["MGDW_LAKE"]
