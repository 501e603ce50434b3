"""Prefect blocks for Google Cloud, made from the settings: credentials, buckets of lake and results, secrets in use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
from google.auth.exceptions import DefaultCredentialsError
from prefect.blocks.core import Block
from prefect_gcp import GcpCredentials, GcpSecret
from prefect_gcp.cloud_storage import GcsBucket

from connectors.errors import ConfigurationError, SourceUnavailable
from connectors.google import GoogleSettings
from connectors.secrets import named_in, parse
from connectors.warehouse.settings import WarehouseSettings
from flows.checks.configuration import readable_settings
from flows.settings import FlowSettings

BUCKET_BLOCK = "mg-dw-lake"
RESULTS_BLOCK = "mg-dw-results"
"""What PREFECT_DEFAULT_RESULT_STORAGE_BLOCK names (`gcs-bucket/mg-dw-results`): what a parent and its children tell
each other. Its bucket is one of deployments/gcp. It has no folder: Prefect has put one before a name twice
(PrefectHQ/prefect #18227, #20174)."""


def write_blocks(key_file: Path | None = None) -> list[str]:
    """Create or update the blocks; returns them as `type/name`.

    The credentials block is what the flows use, that of the results is where Prefect keeps what they return. The lake's
    bucket and the secrets are for people: flows of their own, the UI.

    Args:
        key_file: a service account's key, kept encrypted in Prefect's database. None: the block holds the project only,
            and whoever loads it has application default credentials (Workload Identity).

    Raises:
        ConfigurationError: the key is not readable; or there is none, and no credentials here either.
        SourceUnavailable: Prefect's API gave no answer.
    """
    flow, google, warehouse = (
        FlowSettings.from_environment(), GoogleSettings.from_environment(), WarehouseSettings.from_environment(),
    )  # fmt: skip
    try:
        credentials = GcpCredentials(project=google.project, service_account_info=_key(key_file))  # pyright: ignore[reportArgumentType]
    except (DefaultCredentialsError, ValueError) as error:
        raise ConfigurationError(
            f"no credentials could be made of {key_file or 'what this machine has'} ({type(error).__name__})",
            remedy="Give the JSON key of a service account (`--key-file KEY.json`), or log in here first: `gcloud auth "
            "application-default login`.",
        ) from None  # the key stands in the cause's text
    blocks: list[tuple[Block, str]] = [(credentials, flow.gcp_credentials_block)]
    if warehouse.lake.startswith("gs://"):
        bucket, _, folder = warehouse.lake.removeprefix("gs://").partition("/")
        blocks.append((GcsBucket(bucket=bucket, bucket_folder=folder, gcp_credentials=credentials), BUCKET_BLOCK))
    if warehouse.warehouse == "bigquery":
        blocks.append((GcsBucket(bucket=f"{google.project}-results", gcp_credentials=credentials), RESULTS_BLOCK))
    if flow.secrets == "gcp":
        for reference in sorted({name for settings in readable_settings() for name in named_in(settings).values()}):
            name, version = parse(reference)
            secret = GcpSecret(gcp_credentials=credentials, secret_name=name, secret_version=version or "latest")
            blocks.append((secret, _slug(reference)))
    return [_saved(block, name) for block, name in blocks]


def _key(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} is not readable as a service account's key ({type(error).__name__})",
            remedy="`gcloud iam service-accounts keys create KEY.json --iam-account ACCOUNT` makes one.",
        ) from None


def _slug(reference: str) -> str:
    """Names of blocks are lower-case letters, digits and dashes."""
    return reference.lower().replace("_", "-").replace("@", "-v")


def _saved(block: Block, name: str) -> str:
    try:
        block.save(name, overwrite=True, _sync=True)  # pyright: ignore[reportCallIssue]
    except httpx.HTTPError as error:
        raise SourceUnavailable(
            f"Prefect's API gave no answer ({type(error).__name__})",
            remedy="Start the server, or correct PREFECT_API_URL and PREFECT_API_KEY.",
        ) from error
    return f"{block.get_block_type_slug()}/{name}"
