"""Settings of the Tableau site."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from connectors.settings import SafeUrl, SystemSettings


class TableauSettings(SystemSettings):
    """One site of Tableau Cloud or Server, with a personal access token."""

    model_config = SettingsConfigDict(env_prefix="MGDW_TABLEAU_")

    server_url: SafeUrl | None = Field(default=None, description="https://…; None: no server, only .hyper files.")
    site: str = Field(default="", description="Content URL of the site; empty is the default site of a Server.")
    token_name: str = Field(default="mg-dw", description="Name of the personal access token. One session per token.")
    token_secret: SecretStr = Field(
        default=SecretStr("secret://tableau-token-secret"), description="Secret of the personal access token."
    )
    deadline_seconds: float = Field(
        default=7200, gt=0, description="How long refreshes may take in all; Tableau Cloud stops one after 2 h."
    )
    poll_seconds: float = Field(
        default=10, gt=0, description="Pause between two looks at the running jobs; a site allows 20,000 looks a day."
    )
    throttle_seconds: float = Field(
        default=300, gt=0, description="Pause before a refresh is asked again after 429000, when the site names none."
    )
