"""Settings of the NetSuite account."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from connectors.settings import SafeUrl, SystemSettings


class NetSuiteSettings(SystemSettings):
    """One account and the integration that reads it. Every field is an environment variable `MGDW_NETSUITE_…`."""

    model_config = SettingsConfigDict(env_prefix="MGDW_NETSUITE_")

    account: str = Field(min_length=1, description="Account id as NetSuite shows it: 1234567, or 1234567_SB1.")
    base_url: SafeUrl | None = Field(
        default=None, description="Where the API is; by default https://<account>.suitetalk.api.netsuite.com."
    )
    client_id: str = Field(default="secret://netsuite-client-id", description="Client id of the integration record.")
    certificate_id: str = Field(
        default="secret://netsuite-certificate-id",
        description="Certificate ID from the OAuth 2.0 client credentials mapping (the JWT's `kid`).",
    )
    private_key: SecretStr = Field(
        default=SecretStr("secret://netsuite-private-key"),
        description="RSA or EC key (PEM) whose certificate was uploaded with the mapping.",
    )
    time_zone: str = Field(
        default="UTC",
        description="Time zone of the integration user (Set Preferences); checked against the account's clock. "
        "Must not change its clocks twice a year.",
    )
    lag_seconds: float = Field(
        default=300, ge=0, le=86_400, description="How far windows stay behind the account's clock, for late commits."
    )
    overlap_seconds: float = Field(
        default=1800, ge=0, le=86_400, description="How far a window reads back, for rows committed late."
    )
    concurrency: int = Field(
        default=4,
        ge=1,
        le=50,
        description="Requests in flight at once. The account's limit (5, or 15 and more) is shared with all others.",
    )
    page_rows: int = Field(default=1000, ge=5, le=1000, description="Rows a SuiteQL page; NetSuite allows 1,000.")
    part_rows: int = Field(default=50_000, ge=1, description="Rows after which a new object starts in the lake.")

    @model_validator(mode="after")
    def _derive_the_address(self) -> Self:
        if self.base_url is None:
            host = self.account.lower().replace("_", "-")
            object.__setattr__(self, "base_url", f"https://{host}.suitetalk.api.netsuite.com")
        return self
