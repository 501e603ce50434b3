"""Builds a connector from its settings, secrets and, for S3, Prefect's AWS credentials."""

from __future__ import annotations

from typing import Literal

from connectors.zuora.settings import ZuoraSettings
from connectors.zuora.source import ZuoraSource

from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.source import NetSuiteSource
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.source import SalesforceSource
from connectors.secrets import resolved
from connectors.source import Source
from flows.secrets import resolver
from flows.settings import FlowSettings

SourceName = Literal["salesforce", "netsuite", "zuora", "s3"]
SOURCES: tuple[SourceName, ...] = ("salesforce", "netsuite", "zuora", "s3")


def build_source(name: SourceName) -> Source:
    """The connector for `name`, not yet logged in.

    Raises:
        SettingMissing: a secret the settings name is not there.
    """
    settings = FlowSettings()
    resolve = resolver(settings)
    match name:
        case "salesforce":
            return SalesforceSource(resolved(SalesforceSettings(), resolve))
        case "netsuite":
            return NetSuiteSource(resolved(NetSuiteSettings(), resolve))
        case "zuora":
            return ZuoraSource(resolved(ZuoraSettings(), resolve))
        case "s3":
            return S3Source(resolved(S3Settings(), resolve))
