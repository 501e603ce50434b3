"""Settings of the Zuora tenant."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from connectors.settings import SafeUrl, SystemSettings


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is no time zone: write it like America/Los_Angeles")
    return name


class ZuoraSettings(SystemSettings):
    """One tenant and the OAuth client that reads it. Every field is an environment variable `MGDW_ZUORA_…`."""

    model_config = SettingsConfigDict(env_prefix="MGDW_ZUORA_")

    base_url: SafeUrl = Field(
        description="The tenant's data centre: https://rest.zuora.com, https://rest.na.zuora.com, …eu…, …ap…."
    )
    client_id: str = Field(default="secret://zuora-client-id", description="Id of the OAuth client.")
    client_secret: SecretStr = Field(
        default=SecretStr("secret://zuora-client-secret"), description="Secret of the OAuth client."
    )
    entity_id: str | None = Field(
        default=None, description="Entity to read in a multi-entity tenant (header Zuora-Entity-Ids)."
    )
    system_time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="America/Los_Angeles",
        description="Zone whose midnight Zuora prints as a bare date; Zuora's own system time is Pacific.",
    )
    lag_seconds: float = Field(
        default=300, ge=0, le=86_400, description="How far windows stay behind Zuora's clock, for late commits."
    )
    overlap_seconds: float = Field(
        default=1800, ge=0, le=86_400, description="How far a window reads back, for rows committed late."
    )
    keep_new_fields: bool = Field(
        default=True, description="Fetch fields the contract does not name yet along with the others, for the lake."
    )
    keys_every_hours: float = Field(
        default=24,
        ge=0,
        le=720,
        description="Where Zuora does not show deleted rows: how often the keys of all living rows are fetched to find "
        "what was deleted, in hours; 0 for each run. It costs some 30 bytes per living row.",
    )
    data_query: bool = Field(
        default=True,
        description="Where the user may not use AQuA: read by Data Query instead. Each object is then read at a moment "
        "of its own, and a query may take an hour at most.",
    )
    data_queries_at_once: int = Field(default=3, ge=1, le=20, description="Data queries run side by side.")
    downloads_at_once: int = Field(default=4, ge=1, le=20, description="Result files fetched side by side.")
    first_poll_seconds: float = Field(
        default=0.2, gt=0, le=60, description="Wait after the first look at a job; it doubles."
    )
    longest_poll_seconds: float = Field(
        default=15, gt=0, le=600, description="Longest wait between two looks at a job."
    )
    job_deadline_seconds: float = Field(
        default=10_800,
        gt=0,
        le=86_400,
        description="How long one job may take; Zuora ends a query after 3 hours itself.",
    )
