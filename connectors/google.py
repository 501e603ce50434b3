"""Google Cloud: one project, one place, one set of credentials, and the clients made from them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from connectors.settings import SystemSettings

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud import bigquery, storage

_EMULATORS = {"bigquery": "BIGQUERY_EMULATOR_HOST", "storage": "STORAGE_EMULATOR_HOST"}
"""Where Google's own clients look for a server in the place of the real one."""


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

    def _credentials_for(self, service: str) -> Credentials | None:
        """An emulator gets no real token."""
        if not os.environ.get(_EMULATORS[service]):
            return self.credentials
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials()
