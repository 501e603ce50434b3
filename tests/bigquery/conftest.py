"""What tests with Google's clients share: servers on loopback, and for each test a project of its own.

`google` is access to a fresh project with the datasets and the lake bucket that `deployments/gcp` would have made;
`new_google` makes more of them, or one for a whole module. Everything here is marked `bigquery`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud.bigquery import retry as bigquery_retry
from google.cloud.storage import retry as storage_retry

from connectors.google import GoogleAccess
from tests.bigquery.emulators.servers import Emulators

DATASETS = ("STG", "ODS", "EDW", "DEV")
_PATIENCE = 15.0
"""Seconds. Google's clients ask for ten minutes when a server answers 500, as the emulator does to what it lacks."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.bigquery)


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    """The three servers; for a test's own use of them see `google`."""
    with Emulators(tmp_path_factory.mktemp("emulators")) as servers:
        yield servers


@pytest.fixture(scope="session")
def bigquery_url(emulators: Emulators) -> str:
    return emulators.bigquery_url


@pytest.fixture(scope="session")
def gcs_url(emulators: Emulators) -> str:
    return emulators.gcs_url


@pytest.fixture(scope="session")
def secrets_url(emulators: Emulators) -> str:
    """Secret Manager, over REST only."""
    return emulators.secrets_url


@pytest.fixture(scope="module")
def emulated(bigquery_url: str, gcs_url: str) -> Iterator[None]:
    """Google's clients speak to the emulators, and give up soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIGQUERY_EMULATOR_HOST", bigquery_url)
        patch.setenv("STORAGE_EMULATOR_HOST", gcs_url)
        for policy in _default_retries():
            patch.setattr(policy, "_timeout", _PATIENCE)
        yield


@pytest.fixture(scope="module")
def new_google(emulated: None) -> Callable[[], GoogleAccess]:
    """Makes a project with empty datasets and an empty lake bucket (`bucket_of`)."""

    def make() -> GoogleAccess:
        access = GoogleAccess(f"mgdw-test-{secrets.token_hex(4)}", "US")
        with access.bigquery() as bigquery:
            for dataset in DATASETS:
                bigquery.create_dataset(dataset)
        access.storage().create_bucket(bucket_of(access))
        return access

    return make


@pytest.fixture
def google(new_google: Callable[[], GoogleAccess]) -> GoogleAccess:
    """Access to a project that no other test knows."""
    return new_google()


@pytest.fixture
def lake_bucket(google: GoogleAccess) -> str:
    """Name of the bucket of `google`'s lake."""
    return bucket_of(google)


def bucket_of(access: GoogleAccess) -> str:
    """Name of the lake bucket of a project."""
    return f"{access.project}-datalake"


def _default_retries() -> list[Any]:
    return [
        bigquery_retry.DEFAULT_RETRY,
        bigquery_retry.DEFAULT_JOB_RETRY,
        bigquery_retry._DEFAULT_GET_JOB_CONFLICT_RETRY,
        storage_retry.DEFAULT_RETRY,
    ]
