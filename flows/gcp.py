"""How the flows reach Google Cloud: settings say where, the GcpCredentials block (or the environment) says as whom."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
from google.auth.exceptions import DefaultCredentialsError
from prefect_gcp import GcpCredentials

from connectors.errors import ConfigurationError, SettingMissing, SourceUnavailable
from connectors.google import GoogleAccess, GoogleSettings
from connectors.warehouse.settings import WarehouseSettings
from flows.settings import FlowSettings


def google_access() -> GoogleAccess | None:
    """Access for the warehouse and the lake; None when neither of them is in Google Cloud.

    Raises:
        SettingMissing: MGDW_GCP_CREDENTIALS_BLOCK names a block that is not there.
        ConfigurationError: the block's key is not readable.
        SourceUnavailable: Prefect's API gave no answer.
    """
    settings = WarehouseSettings.from_environment()
    if settings.warehouse == "duckdb" and not settings.lake.startswith("gs://"):
        return None
    return project_access()


def project_access() -> GoogleAccess:
    """Access to the project, whatever for; see `google_access`."""
    google = GoogleSettings.from_environment()
    block = credentials_block()
    if block is None or not _has_key(block):
        # Application default credentials: each client looks for them itself, with the scopes it needs.
        return GoogleAccess(google.project, google.location)
    return GoogleAccess(google.project, google.location, block.get_credentials_from_service_account())


def credentials_block() -> GcpCredentials | None:
    """The block the settings name; None when they only mean the usual one, and there is none."""
    settings = FlowSettings.from_environment()
    name = settings.gcp_credentials_block
    try:
        return GcpCredentials.load(name, _sync=True)  # pyright: ignore[reportCallIssue]
    except httpx.HTTPError as error:
        raise SourceUnavailable(
            f"Prefect's API gave no answer for the block gcp-credentials/{name} ({type(error).__name__})",
            remedy="Check PREFECT_API_URL and that the server is up, then run again.",
        ) from error
    except DefaultCredentialsError as error:
        raise ConfigurationError(
            f"the Prefect block gcp-credentials/{name} has no key, and this machine has no credentials of its own",
            remedy="On GKE bind the pod's service account to a Google one (Workload Identity); on a laptop run `gcloud "
            "auth application-default login`; or give the block a key: `mgdw blocks --key-file KEY.json`.",
        ) from error
    except ValueError as error:
        if "Unable to find block document" not in str(error):
            raise ConfigurationError(
                f"the Prefect block gcp-credentials/{name} is not usable ({type(error).__name__})",
                remedy="Write it again: `mgdw blocks --key-file KEY.json`.",
            ) from None  # the key stands in the cause's text
        if "gcp_credentials_block" in settings.model_fields_set:
            raise SettingMissing(
                f"there is no Prefect block gcp-credentials/{name}",
                remedy="Create it with `mgdw blocks`, or unset MGDW_GCP_CREDENTIALS_BLOCK to use application default "
                "credentials.",
            ) from None
        return None


@contextmanager
def key_file() -> Generator[dict[str, str]]:
    """For a program that finds credentials by itself (dbt): the variable that names the block's key, while it runs.

    Empty where the block has no key: then the program finds what we would find.
    """
    block = credentials_block() if google_access() else None
    if block is None or not _has_key(block):
        yield {}
        return
    if block.service_account_file:
        yield {"GOOGLE_APPLICATION_CREDENTIALS": str(block.service_account_file)}
        return
    assert block.service_account_info is not None
    # mkstemp's file is readable by this user alone.
    descriptor, name = tempfile.mkstemp(prefix="mgdw-key-", suffix=".json")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(block.service_account_info.get_secret_value(), file)
        yield {"GOOGLE_APPLICATION_CREDENTIALS": name}
    finally:
        Path(name).unlink(missing_ok=True)


def _has_key(block: GcpCredentials) -> bool:
    return bool(block.service_account_info or block.service_account_file)
