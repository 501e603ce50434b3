"""A bucket on loopback, a source that reads it, a lake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.contract import Table, load_contract
from connectors.lake.local import LocalLake
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from sandbox.s3 import S3Server


@pytest.fixture
def bucket() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def settings(bucket: S3Server) -> S3Settings:
    access_key, secret_key = bucket.credentials
    return S3Settings(
        bucket=bucket.bucket,
        endpoint_url=bucket.url,
        access_key_id=access_key,
        secret_access_key=SecretStr(secret_key),
        retries=2,
        retry_seconds=3,
    )


@pytest.fixture
async def source(settings: S3Settings) -> AsyncIterator[S3Source]:
    async with S3Source(settings) as opened:
        yield opened


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
def cm() -> Table:
    return load_contract().table("s3_cm_usage_data")


@pytest.fixture
def emma() -> Table:
    return load_contract().table("s3_emma_usage_data")
