"""Settings of the bucket that usage files are delivered into."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from connectors.settings import SafeUrl, SystemSettings


class S3Settings(SystemSettings):
    """One bucket. Every field is an environment variable with the prefix `MGDW_S3_`."""

    model_config = SettingsConfigDict(env_prefix="MGDW_S3_")

    bucket: str = Field(min_length=3, description="Name of the bucket.")
    region: str = Field(default="us-east-1", description="AWS region of the bucket.")
    endpoint_url: SafeUrl | None = Field(
        default=None, description="Address of an S3 that is not Amazon's; plain http only to this machine."
    )
    access_key_id: str | None = Field(
        default=None, description="Access key id, with s3:ListBucket and s3:GetObject. None: credentials are passed in."
    )
    secret_access_key: SecretStr | None = Field(default=None, description="Secret of the access key.")
    session_token: SecretStr | None = Field(default=None, description="Token that belongs to temporary keys.")
    role_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$",
        description="Role in the bucket owner's account to take on (sts:AssumeRole). Without keys of ours, AWS's own "
        "places are looked at for them (environment, web identity, instance).",
    )
    external_id: SecretStr | None = Field(
        default=None, min_length=2, description="ExternalId that the role's owner asks for."
    )
    role_seconds: int = Field(
        default=3600,
        ge=900,
        le=43_200,
        description="Length of a session with the role; 3600 at most for chained roles.",
    )
    sts_endpoint_url: SafeUrl | None = Field(
        default=None, description="Address of an STS that is not the region's own; plain http only to this machine."
    )
    requester_pays: bool = Field(
        default=False, description="True where the bucket's owner lets the reader pay for requests and transfer."
    )
    minimum_age_seconds: int = Field(
        default=60,
        ge=0,
        le=86_400,
        description="A file younger than this waits for the next run: who writes in steps replaces it in seconds.",
    )
    incomplete_hours: float = Field(
        default=6, gt=0, le=240, description="After so long a file that waits for the rest of its set is an alert."
    )
    concurrency: int = Field(default=8, ge=1, le=64, description="Files downloaded at the same time.")
    batch_files: int = Field(default=200, ge=1, le=10_000, description="Most files in one batch.")
    batch_bytes: int = Field(
        default=256_000_000, ge=1, description="Most bytes (as stored) in one batch; a larger file gets its own."
    )
    retries: int = Field(default=5, ge=0, le=20, description="How often a request that failed is sent again.")
    retry_seconds: float = Field(
        default=120, gt=0, le=280, description="After so long a request is not sent again; signatures end at 300."
    )
    timeout_seconds: float = Field(default=600, gt=0, description="Longest time for one request with its whole body.")
