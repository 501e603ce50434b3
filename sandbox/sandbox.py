"""The whole outside world in one object: the business, and every system's server on loopback."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox import control, slack, tableau
from sandbox.faults import FaultInjector, Faults
from sandbox.netsuite.account import NetSuiteAccount, NetSuiteOptions
from sandbox.netsuite.app import create_app as create_netsuite
from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.s3 import REGION, S3Server
from sandbox.salesforce import SalesforceCredentials, SalesforceOptions, SalesforceOrg
from sandbox.salesforce import create_app as create_salesforce
from sandbox.server import Servers
from sandbox.world import World
from sandbox.zuora.app import create_app as create_zuora
from sandbox.zuora.credentials import ZuoraCredentials
from sandbox.zuora.options import ZuoraOptions
from sandbox.zuora.tenant import ZuoraTenant

SYSTEMS = ("salesforce", "netsuite", "zuora", "s3", "tableau", "slack")
DATA_SOURCES = ("Executive", "Sales", "Marketing", "Finance", "Customer Success")
"""What is published on the Tableau site from the start."""


class Sandbox:
    """Use as `with Sandbox() as sandbox:`; everything runs in this process and ends with the block.

    Args:
        scale: 1.0 is the demo, about 50,000 rows.
        seed: equal seeds give equal businesses.
        database: a DuckDB file for businesses that do not fit in memory.
        control_port: where the control app listens; 0 for any free port.

    Attributes:
        world: the business itself; its books are what every mart has to equal.
        urls: where each system listens, and `control`.
        faults: what to arm to make a system misbehave, by system.
        salesforce: the org's switches: `expire_sessions`, `hold_transaction`, `jobs.arm`.
        netsuite: the account's switches.
        zuora: the tenant's switches: `expire_sessions`, `options`.
        s3: the bucket: `deliver`, `withdraw`.
        tableau: the site's switches: `fail_refreshes`, `expire_sessions`.
        slack: the workspace; `messages` holds what it received.
    """

    world: World
    salesforce: SalesforceOrg
    netsuite: NetSuiteAccount
    zuora: ZuoraTenant
    s3: S3Server
    tableau: tableau.TableauSiteModel
    slack: slack.SlackWorkspace

    def __init__(
        self,
        scale: float = 1.0,
        seed: int = 7,
        *,
        database: Path | None = None,
        salesforce_options: SalesforceOptions | None = None,
        netsuite_options: NetSuiteOptions | None = None,
        zuora_options: ZuoraOptions | None = None,
        control_port: int = 0,
    ) -> None:
        self.urls: dict[str, str] = {}
        self.faults = {system: Faults() for system in SYSTEMS}
        self._scale = scale
        self._seed = seed
        self._database = database
        self._salesforce_options = salesforce_options
        self._netsuite_options = netsuite_options
        self._zuora_options = zuora_options
        self._control_port = control_port
        self._stack = ExitStack()
        self._advancing = threading.Lock()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.world = World.create(scale=self._scale, seed=self._seed, database=self._database)
            stack.callback(self.world.close)
            servers = stack.enter_context(Servers())
            self._serve_sources(servers, stack)
            self._serve_targets(servers)
            self.urls["control"] = servers.serve(control.create_app(self), port=self._control_port)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def advance(self, days: int = 1) -> None:
        """Do so many days of business, and deliver their usage files."""
        with self._advancing:
            for _ in range(days):
                self.world.advance(1)
                arrived = set(self.world.file_events)
                self.s3.deliver(file for file in self.world.files() if file.key in arrived)

    @property
    def now(self) -> datetime:
        """The business clock (UTC)."""
        return self.world.now

    def environment(self) -> dict[str, str]:
        """The settings that point the connectors and flows at this sandbox."""
        sfdc, suite, zuora = self.salesforce.credentials, self.netsuite.credentials, self.zuora.credentials
        access_key, secret_key = self.s3.credentials
        return {
            "MGDW_SALESFORCE_LOGIN_URL": self.urls["salesforce"],
            "MGDW_SALESFORCE_AUTH": "client_credentials",
            "MGDW_SALESFORCE_CLIENT_ID": sfdc.client_id,
            "MGDW_SALESFORCE_CLIENT_SECRET": sfdc.client_secret,
            "MGDW_SALESFORCE_USERNAME": sfdc.username,
            "MGDW_SALESFORCE_PRIVATE_KEY": sfdc.private_key,
            "MGDW_NETSUITE_BASE_URL": self.urls["netsuite"],
            "MGDW_NETSUITE_ACCOUNT": suite.account,
            "MGDW_NETSUITE_CLIENT_ID": suite.client_id,
            "MGDW_NETSUITE_CERTIFICATE_ID": suite.certificate_id,
            "MGDW_NETSUITE_PRIVATE_KEY": suite.private_key,
            # The business clock stands still between advances, so nothing commits behind a window's end.
            "MGDW_NETSUITE_LAG_SECONDS": "0",
            "MGDW_ZUORA_LAG_SECONDS": "0",
            "MGDW_ZUORA_BASE_URL": self.urls["zuora"],
            "MGDW_ZUORA_CLIENT_ID": zuora.client_id,
            "MGDW_ZUORA_CLIENT_SECRET": zuora.client_secret,
            "MGDW_S3_BUCKET": self.s3.bucket,
            "MGDW_S3_REGION": REGION,
            "MGDW_S3_ENDPOINT_URL": self.urls["s3"],
            "MGDW_S3_ACCESS_KEY_ID": access_key,
            "MGDW_S3_SECRET_ACCESS_KEY": secret_key,
            "MGDW_TABLEAU_SERVER_URL": self.urls["tableau"],
            "MGDW_TABLEAU_SITE": self.tableau.site_url,
            "MGDW_TABLEAU_TOKEN_NAME": self.tableau.token_name,
            "MGDW_TABLEAU_TOKEN_SECRET": self.tableau.token_secret,
            "MGDW_SLACK_WEBHOOK_URL": self.urls["slack"] + self.slack.path,
        }

    def _serve_sources(self, servers: Servers, stack: ExitStack) -> None:
        org = create_salesforce(
            self.world, SalesforceCredentials(), self.faults["salesforce"], self._salesforce_options
        )
        self.salesforce = org.state.org
        self.urls["salesforce"] = servers.serve(org, date_header=False)
        account = create_netsuite(self.world, NetSuiteCredentials(), self.faults["netsuite"], self._netsuite_options)
        self.netsuite = account.state.account
        self.urls["netsuite"] = servers.serve(account)
        tenant = create_zuora(self.world, ZuoraCredentials(), self.faults["zuora"], self._zuora_options)
        self.zuora = tenant.state.tenant
        self.urls["zuora"] = servers.serve(tenant, date_header=False)
        self.s3 = stack.enter_context(S3Server(faults=self.faults["s3"], clock=lambda: self.world.now))
        self.s3.deliver(self.world.files())
        self.urls["s3"] = self.s3.url

    def _serve_targets(self, servers: Servers) -> None:
        self.tableau = tableau.TableauSiteModel(DATA_SOURCES)
        self.urls["tableau"] = servers.serve(FaultInjector(tableau.create_app(self.tableau), self.faults["tableau"]))
        self.slack = slack.SlackWorkspace()
        self.urls["slack"] = servers.serve(slack.create_app(self.slack, self.faults["slack"]))
