"""Salesforce: OAuth, REST and Bulk API 2.0, answered from the business model."""

from sandbox.salesforce.app import create_app
from sandbox.salesforce.credentials import SalesforceCredentials
from sandbox.salesforce.options import SalesforceOptions
from sandbox.salesforce.org import SalesforceOrg

__all__ = ["SalesforceCredentials", "SalesforceOptions", "SalesforceOrg", "create_app"]
