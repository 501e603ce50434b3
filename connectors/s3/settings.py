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
