"""NetSuite in the conformance suite."""

from __future__ import annotations

import base64
from typing import Any, ClassVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from connectors.contract import DataType
from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.source import NetSuiteSource
from sandbox.netsuite.account import NetSuiteAccount
from sandbox.netsuite.app import create_app
from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.server import Servers
from tests.conformance.hostile.netsuite import HostileNetSuite
from tests.conformance.station import IMPATIENT, PAGE, Station
from tests.conformance.ware import Dialect
from tests.conformance.world import WareWorld


class NetSuiteStation(Station):
    """An account with one record type."""

    source = "netsuite"
    dialect = Dialect("netsuite", "id", "lastmodifieddate", key_type=DataType.INT64)
    plain_object = "customer"
    data_call: ClassVar[str] = r"POST .*/suiteql"
    login_call = "POST .*/oauth2/v1/token"
    says_json = True
    account: NetSuiteAccount

    def spelled(self, fields: dict[str, DataType]) -> dict[str, DataType]:
        """SuiteQL names are lower case."""
        return {name.lower(): of for name, of in fields.items()}

    def serve(self, servers: Servers) -> None:
        """Start the server."""
        if self.server == "hostile":
            self.hostile = HostileNetSuite()
            self.hostile.faults = self.faults
            self.hostile.wares["ware"] = self.ware
            self._url = servers.serve(self.hostile.wrapped(self.hostile.app()), date_header=False)
            self._credentials = self.hostile.credentials
            return
        self._world = WareWorld("netsuite")
        self._credentials = NetSuiteCredentials()
        app = create_app(self._world, self._credentials, self.faults)
        self.account = app.state.account
        self._url = servers.serve(app)

    def show(self) -> None:
        """Let the server show the ware as it is now."""
        if self.hostile is None:
            self._world.refresh(self.ware)
        else:
            self.hostile.wares["ware"] = self.ware

    def connect(self, **changes: Any) -> NetSuiteSource:
        """A source with this server's settings."""
        given: dict[str, Any] = {
            "account": self._credentials.account, "base_url": self._url, "client_id": self._credentials.client_id,
            "certificate_id": self._credentials.certificate_id, "lag_seconds": 0, "page_rows": PAGE,
            "private_key": SecretStr(self._credentials.private_key),
        }  # fmt: skip
        return NetSuiteSource(NetSuiteSettings(**{**given, **changes}), retry=IMPATIENT)

    def stranger(self) -> tuple[NetSuiteSource, list[str]]:
        """A source with a key that belongs to no certificate."""
        key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        secrets = key.decode().splitlines()[1:-1]
        # An assertion would begin with this header, whatever it claims.
        return self.connect(private_key=SecretStr(key.decode())), [*secrets, base64.b64encode(b'{"alg"').decode()[:8]]

    def forbid(self) -> None:
        """Take the record type away from our role."""
        if self.hostile is None:
            self.account.options.hidden = frozenset({self.ware.object.lower()})
        else:
            self.hostile.forbidden.add(self.ware.object)

    def lose_a_row(self) -> None:
        """Pages say that the query has more rows than they hold."""
        if self.hostile is None:
            row = '{"links":[],"id":"1"}'
            body = f'{{"links":[],"count":2,"hasMore":false,"items":[{row}],"offset":0,"totalResults":2}}'
            self.faults.arm(self.data_call, times=None, body=body)
        else:
            self.hostile.shape.miscount = 1

    def expire(self) -> None:
        """End all sessions."""
        if self.hostile is None:
            self.account.expire_sessions()
        else:
            assert isinstance(self.hostile, HostileNetSuite)
            self.hostile.issuer.expire_all()
