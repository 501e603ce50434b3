"""Settings of the flows themselves; each outside system has its own in `connectors/<system>/settings.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from connectors.contract import Contract, load_contract
from connectors.settings import SystemSettings

PROJECT = Path(__file__).resolve().parent.parent

Folder = Annotated[Path, AfterValidator(Path.absolute)]
"""Absolute, because dbt takes a relative one from its own project."""


class FlowSettings(SystemSettings):
    """How the flows run here. Every field is an environment variable with the prefix `MGDW_`."""

    model_config = SettingsConfigDict(env_prefix="MGDW_")

    secrets: Literal["environment", "gcp"] = Field(
        default="environment",
        description="Where `secret://name` is looked up: `NAME` in the environment, or Google Secret Manager.",
    )
    gcp_credentials_block: str = Field(
        default="mg-dw", description="Prefect GcpCredentials block used for Secret Manager when secrets = gcp."
    )
    aws_credentials_block: str | None = Field(
        default=None, description="Prefect AwsCredentials block for the usage bucket; None takes keys from MGDW_S3_*."
    )
    salesforce_instance: Literal["present", "next"] = Field(
        default="present",
        description="Which org the salesforce flow reads: that of the settings below, or that of their twins, which "
        "say SALESFORCE_NEXT in the place of SALESFORCE.",
    )
    slack_webhook_url: SecretStr | None = Field(
        default=None, description="Incoming webhook that hears of failures; nothing is sent without it."
    )
    dbt_target: str = Field(default="local", description="dbt target: local (DuckDB), dev or prod (BigQuery).")
    dbt_project_dir: Folder = Field(default=PROJECT / "dbt", description="Folder of the dbt project.")
    dbt_target_path: Folder = Field(
        default=PROJECT / "dbt" / "target", description="Where dbt writes manifest.json, run_results.json and docs."
    )
    hyper_dir: Folder | None = Field(
        default=None, description="Folder for .hyper files of the marts, for people without a Tableau server."
    )

    def contract(self) -> Contract:
        """The contract of the dbt project these settings name. Raises ContractError."""
        return load_contract(self.dbt_project_dir / "models" / "staging")
