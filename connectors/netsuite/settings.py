"""Settings of the NetSuite account."""

from __future__ import annotations

from typing import Literal, Self

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
    auth: Literal["certificate", "token"] = Field(
        default="certificate",
        description="OAuth 2.0 with a certificate (M2M), or token-based authentication (OAuth 1.0a), which NetSuite "
        "gives to no new integration from release 2027.1 on.",
    )
    client_id: str = Field(
        default="secret://netsuite-client-id",
        description="Client id of the integration record; its consumer key with auth=token.",
    )
    certificate_id: str | None = Field(
        default=None,
        description="Certificate ID from the OAuth 2.0 client credentials mapping (the JWT's `kid`); default "
        "secret://netsuite-certificate-id. auth=certificate only.",
    )
    private_key: SecretStr | None = Field(
        default=None,
        description="RSA or EC key (PEM) whose certificate was uploaded with the mapping; default "
        "secret://netsuite-private-key. auth=certificate only.",
    )
    consumer_secret: SecretStr | None = Field(
        default=None,
        description="Consumer secret of the integration; default secret://netsuite-consumer-secret. auth=token only.",
    )
    token_id: str | None = Field(
        default=None, description="Access token's id; default secret://netsuite-token-id. auth=token only."
    )
    token_secret: SecretStr | None = Field(
        default=None, description="Access token's secret; default secret://netsuite-token-secret. auth=token only."
    )
    time_zone: str = Field(
        default="UTC",
        description="Time zone of the integration user (Set Preferences) by its IANA name, for example "
        "America/New_York; checked against the account's clock.",
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
        description="Requests in flight at once, at most; fewer while the account turns requests away. Its limit "
        "(5, or 15 and more) is shared with all others.",
    )
    page_rows: int = Field(default=1000, ge=5, le=1000, description="Rows a SuiteQL page; NetSuite allows 1,000.")
    part_rows: int = Field(default=50_000, ge=1, description="Rows after which a new object starts in the lake.")
    keep_new_fields: bool = Field(
        default=True, description="Fetch fields that the contract does not name for the lake, once they are reported."
    )
    delete_log_days: int = Field(
        default=60,
        ge=1,
        le=3650,
        description="How far back the log of deleted records is trusted; a window that starts earlier compares keys.",
    )
    most_keys: int = Field(
        default=100_000,
        ge=0,
        le=10_000_000,
        description="Largest table whose keys are all read to find deletions where no log tells them; deletions from a "
        "larger one wait for the next full run. 1,000 keys a call.",
    )
    unlogged_tables: frozenset[str] = Field(
        default=frozenset(),
        description='Tables whose deletions NetSuite does not log, as JSON: ["netsuite_subscriptions"]. Keys are '
        "compared instead.",
    )

    @model_validator(mode="after")
    def _name_the_usual_secrets(self) -> Self:
        usual: dict[str, str | SecretStr] = (
            {
                "certificate_id": "secret://netsuite-certificate-id",
                "private_key": SecretStr("secret://netsuite-private-key"),
            }
            if self.auth == "certificate"
            else {
                "consumer_secret": SecretStr("secret://netsuite-consumer-secret"),
                "token_id": "secret://netsuite-token-id",
                "token_secret": SecretStr("secret://netsuite-token-secret"),
            }
        )
        for name, value in usual.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        return self

    @model_validator(mode="after")
    def _derive_the_address(self) -> Self:
        if self.base_url is None:
            host = self.account.lower().replace("_", "-")
            object.__setattr__(self, "base_url", f"https://{host}.suitetalk.api.netsuite.com")
        return self
