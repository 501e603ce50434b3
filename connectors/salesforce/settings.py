"""Settings of the Salesforce org."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from connectors.settings import SafeUrl, SystemSettings


class SalesforceSettings(SystemSettings):
    """One org and the integration user that reads it. Every field is an environment variable `MGDW_SALESFORCE_…`."""

    model_config = SettingsConfigDict(env_prefix="MGDW_SALESFORCE_")

    login_url: SafeUrl = Field(
        description="https://<My Domain>.my.salesforce.com; with auth=jwt also https://login.salesforce.com."
    )
    auth: Literal["client_credentials", "jwt"] = Field(
        default="client_credentials", description="OAuth flow: client credentials, or JWT bearer with a certificate."
    )
    client_id: str = Field(default="secret://sfdc-client-id", description="Consumer key of the connected app.")
    client_secret: SecretStr | None = Field(
        default=None, description="Consumer secret; default secret://sfdc-client-secret. auth=client_credentials only."
    )
    username: str | None = Field(
        default=None, description="The integration user; default secret://sfdc-username. auth=jwt only."
    )
    private_key: SecretStr | None = Field(
        default=None, description="RSA key (PEM) of the app's certificate; default secret://sfdc-private-key. jwt only."
    )
    audience: str | None = Field(default=None, description="`aud` of the JWT; the login URL by default.")
    api_version: str = Field(
        default="62.0",
        pattern=r"^\d{2}\.0$",
        description="Version of the REST and Bulk API; from 58.0 pages come in parallel.",
    )
    lag_seconds: float = Field(
        default=0,
        ge=0,
        le=86_400,
        description="How far windows stay behind what Salesforce itself says is complete (`latestDateCovered`).",
    )
    overlap_seconds: float = Field(
        default=1800, ge=0, le=86_400, description="How far a window reads back, for rows committed late."
    )
    keep_new_fields: bool = Field(
        default=True, description="Fetch fields that the contract does not name as well, so that the lake has them."
    )
    rest_below_rows: int = Field(
        default=2000,
        ge=0,
        le=50_000,
        description="Results of up to so many rows come by the REST API, which is quicker; 0 for bulk jobs only.",
    )
    tables_at_once: int = Field(default=4, ge=1, le=25, description="Bulk jobs that run side by side.")
    pages_at_once: int = Field(default=3, ge=1, le=10, description="Result pages of one job fetched side by side.")
    page_rows: int | None = Field(
        default=None, ge=1, description="Rows a result page, fetched one after the other; None lets Salesforce choose."
    )
    first_poll_seconds: float = Field(default=0.2, gt=0, description="Wait after the first look at a job; it doubles.")
    longest_poll_seconds: float = Field(default=15, gt=0, description="Longest wait between two looks at a job.")
    job_deadline_seconds: float = Field(default=7200, gt=0, description="How long one job may take before we give up.")
    quota_share: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Part of the org's daily API calls, bulk jobs and bulk results after which we stop, whoever used "
        "them. The rest is for people.",
    )

    @model_validator(mode="after")
    def _name_the_usual_secrets(self) -> Self:
        usual = (
            {"client_secret": SecretStr("secret://sfdc-client-secret")}
            if self.auth == "client_credentials"
            else {"username": "secret://sfdc-username", "private_key": SecretStr("secret://sfdc-private-key")}
        )
        for name, value in usual.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        return self


class NextSalesforceSettings(SalesforceSettings):
    """The org that takes over one day: the same fields, as `MGDW_SALESFORCE_NEXT_…`."""

    model_config = SettingsConfigDict(env_prefix="MGDW_SALESFORCE_NEXT_")
