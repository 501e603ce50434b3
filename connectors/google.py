"""Google Cloud: one project, one place, one set of credentials, and the clients made from them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from connectors.settings import SystemSettings

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud import bigquery, storage
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

_EMULATORS = {
    "bigquery": "BIGQUERY_EMULATOR_HOST",
    "storage": "STORAGE_EMULATOR_HOST",
    "secretmanager": "SECRET_MANAGER_EMULATOR_HOST",
}
"""Where a server stands in the place of the real one: `http://host:port`. Google's own clients read the first two."""


class GoogleSettings(SystemSettings):
    """Which project, and where its data lies."""

    model_config = SettingsConfigDict(env_prefix="MGDW_GCP_", extra="ignore", frozen=True, hide_input_in_errors=True)

    project: str = Field(
        "mg-dw-workbench",
        pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$",
        description="Google Cloud project of the datasets, the bucket and the secrets.",
    )
    location: str = Field(
        "US", pattern=r"^[A-Za-z0-9-]{2,30}$", description="Location of the datasets and of all BigQuery jobs."
    )


@dataclass(frozen=True)
class GoogleAccess:
    """How to reach Google Cloud. Its repr shows no credentials.

    Args:
        credentials: None for application default credentials (Workload Identity on GKE, `gcloud auth` on a laptop).
    """

    project: str
    location: str
    credentials: Credentials | None = None

    def __repr__(self) -> str:
        return f"GoogleAccess({self.project!r}, {self.location!r})"

    def bigquery(self) -> bigquery.Client:
        """A BigQuery client. Raises google.auth.exceptions.DefaultCredentialsError without any credentials."""
        from google.cloud import bigquery

        return bigquery.Client(
            project=self.project, location=self.location, credentials=self._credentials_for("bigquery")
        )

    def storage(self) -> storage.Client:
        """A Cloud Storage client. Raises google.auth.exceptions.DefaultCredentialsError without any credentials."""
        from google.cloud import storage

        return storage.Client(project=self.project, credentials=self._credentials_for("storage"))

    def secret_manager(self) -> SecretManagerServiceClient:
        """A Secret Manager client that speaks REST, as an emulator does: what is tested is what runs.

        Raises google.auth.exceptions.DefaultCredentialsError without any credentials.
        """
        from google.cloud.secretmanager_v1 import SecretManagerServiceClient
        from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
            SecretManagerServiceRestTransport,
        )

        credentials = self._credentials_for("secretmanager")
        if emulator := os.environ.get(_EMULATORS["secretmanager"]):
            place = urlsplit(emulator)
            transport = SecretManagerServiceRestTransport(
                host=place.netloc, url_scheme=place.scheme, credentials=credentials
            )
            return SecretManagerServiceClient(transport=transport)
        return SecretManagerServiceClient(credentials=credentials, transport="rest")

    def _credentials_for(self, service: str) -> Credentials | None:
        """An emulator gets no real token."""
        if not os.environ.get(_EMULATORS[service]):
            return self.credentials
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials()
