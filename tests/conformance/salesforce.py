"""Salesforce in the conformance suite."""

from __future__ import annotations

from typing import Any, ClassVar

from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.source import SalesforceSource
from sandbox.salesforce import SalesforceCredentials, SalesforceOptions, SalesforceOrg, create_app
from sandbox.server import Servers
from tests.conformance.hostile.salesforce import CLIENT, SECRET, HostileSalesforce
from tests.conformance.station import IMPATIENT, PAGE, Station
from tests.conformance.ware import Dialect
from tests.conformance.world import WareWorld


class SalesforceStation(Station):
    """An org with one object, read by bulk jobs."""

    source = "salesforce"
    dialect = Dialect("salesforce", "Id", "SystemModstamp", "IsDeleted", key_text="001{:012d}AAA")
    plain_object = "Account"
    data_call: ClassVar[str] = r"GET .*/results(\?|$)"
    login_call = "POST /services/oauth2/token"
    rest_below_rows = 0
    org: SalesforceOrg

    def serve(self, servers: Servers) -> None:
        """Start the server."""
        if self.server == "hostile":
            self.hostile = HostileSalesforce()
            self.hostile.faults = self.faults
            self.hostile.wares["ware"] = self.ware
            self._url = servers.serve(self.hostile.wrapped(self.hostile.app()), date_header=False)
            self._client, self._secret = CLIENT, SECRET
            return
        self._world = WareWorld("salesforce")
        credentials = SalesforceCredentials()
        app = create_app(self._world, credentials, self.faults, SalesforceOptions(bulk_page_rows=PAGE))
        self.org = app.state.org
        self._url = servers.serve(app, date_header=False)
        self._client, self._secret = credentials.client_id, credentials.client_secret

    def show(self) -> None:
        """Let the server show the ware as it is now."""
        if self.hostile is None:
            self._world.refresh(self.ware)
        else:
            self.hostile.wares["ware"] = self.ware

    def connect(self, **changes: Any) -> SalesforceSource:
        """A source with this server's settings."""
        given: dict[str, Any] = {
            "login_url": self._url, "client_id": self._client, "client_secret": self._secret,
            "rest_below_rows": self.rest_below_rows,
        }  # fmt: skip
        return SalesforceSource(SalesforceSettings(**{**given, **changes}), retry=IMPATIENT)

    def stranger(self) -> tuple[SalesforceSource, list[str]]:
        """A source with a wrong secret."""
        wrong = "wrong-secret-4711-salesforce"
        return self.connect(client_secret=wrong), [wrong, self._secret]

    def forbid(self) -> None:
        """Take the object away from our user."""
        if self.hostile is None:
            self.org.options.hidden = frozenset({self.ware.object})
        else:
            self.hostile.forbidden.add(self.ware.object)

    def lose_a_row(self) -> None:
        """Pages announce another number of rows than they hold."""
        if self.hostile is None:
            self.faults.arm(self.data_call, times=None, headers={"Sforce-NumberOfRecords": "6"})
        else:
            self.hostile.shape.miscount = 1

    def expire(self) -> None:
        """End all sessions."""
        if self.hostile is None:
            self.org.expire_sessions()
        else:
            self.hostile.tokens.clear()


class SalesforceRestStation(SalesforceStation):
    """The same, read by the REST API."""

    rest_below_rows = 2000
    data_call: ClassVar[str] = r"GET .*/queryAll/"
    says_json = True

    def lose_a_row(self) -> None:
        """Pages hold other rows than the query counted."""
        if self.hostile is None:
            body = {"totalSize": 2, "done": True, "records": []}
            self.faults.arm(self.data_call, times=None, body=body)
        else:
            self.hostile.shape.miscount = 1

    def calls_for(self, rows: int) -> int:
        """The sandbox's REST pages hold 2,000 rows, as Salesforce's do."""
        return 1 if self.hostile is None else super().calls_for(rows)
