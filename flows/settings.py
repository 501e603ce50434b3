"""Settings of the flows themselves; each outside system has its own in `connectors/<system>/settings.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from connectors.contract import Contract, load_contract
from connectors.errors import ConfigurationError
from connectors.settings import SafeUrl, SystemSettings
from connectors.warehouse.settings import WarehouseSettings

PROJECT = Path(__file__).resolve().parent.parent

DbtTarget = Literal["local", "dev", "prod"]
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
        default="mg-dw",
        description="Prefect GcpCredentials block for BigQuery, Cloud Storage and Secret Manager; without a block of "
        "the usual name, application default credentials.",
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
    dbt_target: DbtTarget | None = Field(
        default=None,
        description="dbt target: local (DuckDB), dev (BigQuery, everything in the dataset DEV) or prod (BigQuery). Not "
        "set it follows MGDW_WAREHOUSE: local or prod.",
    )
    dbt_maximum_bytes_billed: int = Field(
        default=100 * 2**30,
        ge=10 * 2**20,
        description="Bytes that one statement of dbt may bill on BigQuery; it refuses one that would read more.",
    )
    dbt_project_dir: Folder = Field(default=PROJECT / "dbt", description="Folder of the dbt project.")
    dbt_target_path: Folder = Field(
        default=PROJECT / "dbt" / "target", description="Where dbt writes manifest.json, run_results.json and docs."
    )
    dbt_manifest: Folder | None = Field(
        default=None,
        description="A manifest.json made beforehand (`dbt parse`), as an image has it, for what is built from what; "
        "not set, it is that of MGDW_DBT_TARGET_PATH.",
    )
    children: Literal["here", "deployments"] = Field(
        default="here",
        description="Where daily-refresh runs its steps: in its own process, or each as a deployment on the work pool.",
    )
    alerts: Literal["flow", "automations"] = Field(
        default="flow",
        description="Who tells Slack of a failed run: the flow itself, or automations of the Prefect server, which "
        "hear of runs that died without a word, too.",
    )
    time_limit: float | None = Field(
        default=None,
        ge=1,
        le=86400,
        description="Seconds after which a flow run is stopped and ends TimedOut; not set, it may take as long as it "
        "takes. `prefect.yaml` sets it for each deployment, below the age at which Kubernetes ends the Job.",
    )
    dbt_docs_url: SafeUrl | None = Field(
        default=None, description="Where dbt's docs are served, for the link in the daily refresh's summary."
    )
    hyper_dir: Folder | None = Field(
        default=None, description="Folder for .hyper files of the marts, for people without a Tableau server."
    )

    @property
    def target(self) -> DbtTarget:
        """The dbt target for the warehouse. Raises ConfigurationError when the two do not belong together."""
        warehouse = WarehouseSettings.from_environment().warehouse
        usual: DbtTarget = "local" if warehouse == "duckdb" else "prod"
        target = self.dbt_target or usual
        if (target == "local") != (usual == "local"):
            raise ConfigurationError(
                f"MGDW_DBT_TARGET is {target}, and MGDW_WAREHOUSE is {warehouse}: dbt would build in another warehouse",
                remedy="Unset MGDW_DBT_TARGET (it follows the warehouse), or set MGDW_WAREHOUSE to the one meant.",
            )
        return target

    @property
    def mart_dataset(self) -> str:
        """Dataset (schema) that dbt builds the marts in."""
        return "DEV" if self.target == "dev" else "EDW"

    def contract(self) -> Contract:
        """The contract of the dbt project these settings name. Raises ContractError."""
        return load_contract(self.dbt_project_dir / "models" / "staging")
