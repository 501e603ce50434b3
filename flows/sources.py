"""Builds a connector from its settings, secrets and, for S3, Prefect's AWS credentials."""

from __future__ import annotations

from typing import Literal

from obstore.auth.boto3 import Boto3CredentialProvider
from prefect_aws import AwsCredentials

from connectors.errors import SettingMissing
from connectors.http import RetryPolicy
from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.source import NetSuiteSource
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.salesforce.settings import NextSalesforceSettings, SalesforceSettings
from connectors.salesforce.source import SalesforceSource
from connectors.secrets import resolved
from connectors.source import Source
from connectors.zuora.settings import ZuoraSettings
from connectors.zuora.source import ZuoraSource
from flows.secrets import resolver
from flows.settings import FlowSettings

SourceName = Literal["salesforce", "netsuite", "zuora", "s3"]
SOURCES: tuple[SourceName, ...] = ("salesforce", "netsuite", "zuora", "s3")


def build_source(name: SourceName, *, retry: RetryPolicy | None = None) -> Source:
    """The connector for `name`, not yet logged in.

    Args:
        retry: how patiently to ask again, if not as usual; S3 has settings for it.

    Raises:
        SettingMissing: a secret the settings name is not there.
    """
    settings = FlowSettings.from_environment()
    resolve = resolver(settings)
    match name:
        case "salesforce":
            instance = {"present": SalesforceSettings, "next": NextSalesforceSettings}[settings.salesforce_instance]
            return SalesforceSource(resolved(instance.from_environment(), resolve), retry=retry)
        case "netsuite":
            return NetSuiteSource(resolved(NetSuiteSettings.from_environment(), resolve), retry=retry)
        case "zuora":
            return ZuoraSource(resolved(ZuoraSettings.from_environment(), resolve), retry=retry)
        case "s3":
            bucket = resolved(S3Settings.from_environment(), resolve)
            if retry is not None:
                bucket = bucket.model_copy(update={"retries": retry.attempts - 1, "retry_seconds": retry.longest_wait})
            return S3Source(bucket, credentials=_aws(settings))


def _aws(settings: FlowSettings) -> Boto3CredentialProvider | None:
    """Credentials of the Prefect block the settings name, refreshed as boto3 does; None for the keys of MGDW_S3_*."""
    block = aws_block(settings)
    return Boto3CredentialProvider(block.get_boto3_session()) if block else None


def aws_block(settings: FlowSettings) -> AwsCredentials | None:
    """The block for the usage bucket, where the settings name one. Raises SettingMissing when it is not there."""
    if settings.aws_credentials_block is None:
        return None
    try:
        return AwsCredentials.load(settings.aws_credentials_block, _sync=True)  # pyright: ignore[reportCallIssue]
    except ValueError as error:
        raise SettingMissing(
            f"there is no Prefect block aws-credentials/{settings.aws_credentials_block}",
            remedy="Create it in the UI under Blocks, or unset MGDW_AWS_CREDENTIALS_BLOCK to use MGDW_S3_*.",
        ) from error
