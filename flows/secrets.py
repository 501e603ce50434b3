"""Where `secret://name` is looked up: the environment on a laptop, Google Secret Manager in the cloud."""

from __future__ import annotations

import functools

from prefect_gcp import GcpCredentials, GcpSecret

from connectors.errors import SettingMissing
from connectors.secrets import SecretResolver, from_environment
from flows.settings import FlowSettings


def resolver(settings: FlowSettings) -> SecretResolver:
    """The resolver that the settings ask for."""
    if settings.secrets == "environment":
        return from_environment
    credentials = GcpCredentials.load(settings.gcp_credentials_block, _sync=True)  # pyright: ignore[reportCallIssue]
    return functools.partial(from_secret_manager, credentials)


def from_secret_manager(credentials: GcpCredentials, name: str) -> str:
    """The newest version of the secret `name`. Raises SettingMissing, naming the secret and never its value."""
    try:
        secret = GcpSecret(gcp_credentials=credentials, secret_name=name)
        return secret.read_secret(_sync=True).decode()  # pyright: ignore[reportCallIssue]
    except Exception as error:  # the client raises a dozen kinds; all mean the same here
        raise SettingMissing(
            f"secret {name!r} could not be read from Secret Manager ({type(error).__name__})",
            remedy=f"Create it and grant the flow's service account access: `gcloud secrets create {name}`.",
        ) from error
