"""BigQuery: jobs run, datasets are where they should be, tables can be made in them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound
from google.auth.exceptions import DefaultCredentialsError

from connectors.errors import ConfigurationError, MgdwError, PermissionMissing, UnknownObject
from connectors.google import GoogleAccess, GoogleSettings
from connectors.warehouse.settings import WarehouseSettings
from flows.checks import Check, Diagnosis, Status, in_thread
from flows.checks.lake import NO_CREDENTIALS, ONCE
from flows.gcp import project_access
from flows.settings import FlowSettings

if TYPE_CHECKING:
    from google.cloud import bigquery

_TIMEOUT = 30.0
BUILT_BY_DBT = ("ODS", "EDW")
_LABELS = {"app": "mgdw", "step": "doctor"}


def bigquery_checks(settings: WarehouseSettings) -> list[Check]:
    """One check for jobs, one a dataset."""
    try:
        target = FlowSettings.from_environment().target
    except ConfigurationError:
        target = "prod"
    datasets = [settings.stg_dataset] if target == "dev" else [settings.stg_dataset, *BUILT_BY_DBT]
    jobs = _check(GoogleSettings.from_environment().project, lambda client, google: _jobs(client, google, settings))
    return [jobs, *(_dataset_check(name) for name in dict.fromkeys(datasets))]


def _check(where: str, work: Callable[[bigquery.Client, GoogleAccess], Sequence[Diagnosis]]) -> Check:
    async def look() -> Sequence[Diagnosis]:
        google = await in_thread(project_access)
        return await in_thread(lambda: work(google.bigquery(), google))

    return Check("warehouse", where, look, remedies={DefaultCredentialsError: NO_CREDENTIALS})


def _jobs(client: bigquery.Client, google: GoogleAccess, settings: WarehouseSettings) -> list[Diagnosis]:
    """A dry run, and a query that reads nothing: the API is enabled, and jobs may be made."""
    from google.cloud.bigquery import QueryJobConfig

    project = google.project
    try:
        client.query("SELECT 1 AS one", QueryJobConfig(dry_run=True), timeout=_TIMEOUT, retry=ONCE, job_retry=None)
        config = QueryJobConfig(maximum_bytes_billed=10 * 2**20, labels=_LABELS)
        job = client.query("SELECT 1 AS one", config, timeout=_TIMEOUT, retry=ONCE, job_retry=None)
        rows = list(job.result(timeout=_TIMEOUT))
    except Forbidden as error:
        raise _job_refused(project, error) from error
    except GoogleAPICallError as error:
        raise _strange("run a query in", project, error) from error
    if [row["one"] for row in rows] != [1]:
        raise ConfigurationError(
            f"{project} answered SELECT 1 with something else", remedy="Look at what answers there."
        )
    dbt = FlowSettings.from_environment().dbt_maximum_bytes_billed
    cap = f"a job may bill {settings.maximum_bytes_billed / 2**30:,.0f} GiB, one of dbt {dbt / 2**30:,.0f} GiB"
    return [Diagnosis("warehouse", project, Status.OK, f"BigQuery: a dry run and a query ran in {job.location}; {cap}")]


def _job_refused(project: str, error: Forbidden) -> MgdwError:
    said = error.message or ""
    if error.reason == "SERVICE_DISABLED" or "has not been used in project" in said or "accessNotConfigured" in said:
        return PermissionMissing(
            f"the BigQuery API is not enabled in {project}",
            remedy=f"`gcloud services enable bigquery.googleapis.com --project {project}`.",
        )
    if "uota" in said:
        return ConfigurationError(
            f"a quota of BigQuery in {project} is used up: {said[:200]}",
            remedy="Wait until it is renewed (a daily one: midnight Pacific), or raise it under IAM & Admin, Quotas.",
        )
    return PermissionMissing(
        f"the account this runs as may not run jobs in {project}",
        remedy=f"Grant roles/bigquery.jobUser: `gcloud projects add-iam-policy-binding {project} --member "
        "serviceAccount:ACCOUNT --role roles/bigquery.jobUser`.",
    )


def _dataset_check(dataset: str) -> Check:
    def work(client: bigquery.Client, google: GoogleAccess) -> list[Diagnosis]:
        return [_dataset(client, google, dataset)]

    return _check(dataset, work)


def _dataset(client: bigquery.Client, google: GoogleAccess, name: str) -> Diagnosis:
    """It exists, lies where the settings say, and a table can be made and dropped in it."""
    from google.cloud.bigquery import SchemaField, Table

    whole = f"{google.project}.{name}"
    doing = "see"
    try:
        found = client.get_dataset(whole, timeout=_TIMEOUT, retry=ONCE)
        if str(found.location).upper() != google.location.upper():
            raise ConfigurationError(
                f"{whole} lies in {found.location}, and MGDW_GCP_LOCATION is {google.location}: jobs would not find it",
                remedy=f"Set MGDW_GCP_LOCATION={found.location} if all datasets and the bucket are there; otherwise "
                "create the dataset anew where the others are (a dataset cannot be moved).",
            )
        doing = "create a table in"
        probe = Table(f"{whole}._doctor_{uuid.uuid4().hex}", schema=[SchemaField("probe", "STRING")])
        probe.expires = datetime.now(UTC) + timedelta(hours=1)  # should the deletion below never happen
        probe.labels = _LABELS
        client.create_table(probe, timeout=_TIMEOUT, retry=ONCE)
        doing = "delete a table in"
        client.delete_table(probe, timeout=_TIMEOUT, retry=ONCE)
    except NotFound as error:
        raise UnknownObject(
            f"there is no dataset {whole}",
            remedy=f"Create it: `tofu apply` in deployments/gcp, or `bq --location={google.location} mk --dataset "
            f"{google.project}:{name}`.",
        ) from error
    except Forbidden as error:
        if doing != "see" and name in BUILT_BY_DBT:
            return Diagnosis(
                "warehouse", whole, Status.WARNING, f"the account this runs as may see {whole}, not {doing} it",
                "Right where dbt runs as an account of its own: run doctor as that one too. Otherwise grant this one "
                "roles/bigquery.dataEditor on the dataset.",
            )  # fmt: skip
        raise PermissionMissing(
            f"the account this runs as may not {doing} {whole}",
            remedy="Grant roles/bigquery.dataEditor on the dataset: `bq add-iam-policy-binding --member "
            f"serviceAccount:ACCOUNT --role roles/bigquery.dataEditor {google.project}:{name}`.",
        ) from error
    except GoogleAPICallError as error:
        raise _strange(doing, whole, error) from error
    return Diagnosis("warehouse", whole, Status.OK, f"in {found.location}; a table was made and deleted")


def _strange(doing: str, where: str, error: GoogleAPICallError) -> ConfigurationError:
    return ConfigurationError(
        f"BigQuery did not {doing} {where}: {error.code} {(error.message or '')[:200]}",
        remedy="Look the reason up in Google's page on BigQuery error messages; 5xx passes: run again later.",
    )
