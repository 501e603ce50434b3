"""Zuora in the conformance suite."""

from __future__ import annotations

import gzip
from typing import Any, ClassVar

from pydantic import SecretStr

from connectors.zuora.settings import ZuoraSettings
from connectors.zuora.source import ZuoraSource
from sandbox.server import Servers
from sandbox.zuora.app import create_app
from sandbox.zuora.credentials import ZuoraCredentials
from sandbox.zuora.options import ZuoraOptions
from sandbox.zuora.tenant import ZuoraTenant
from tests.conformance.hostile.text import csv_text
from tests.conformance.hostile.zuora import CLIENT, SECRET, HostileZuora
from tests.conformance.station import IMPATIENT, PAGE, Station
from tests.conformance.ware import Dialect
from tests.conformance.world import WareWorld


class ZuoraStation(Station):
    """A tenant with one object."""

    source = "zuora"
    dialect = Dialect("zuora", "Id", "UpdatedDate", key_text="2c92{:028d}")
    plain_object = "Account"
    data_call: ClassVar[str] = "GET /v1/file/"
    login_call = "POST /oauth/token"
    tenant: ZuoraTenant

    def serve(self, servers: Servers) -> None:
        """Start the server."""
        if self.server == "hostile":
            self.hostile = HostileZuora()
            self.hostile.faults = self.faults
            self.hostile.wares["ware"] = self.ware
            self._url = servers.serve(self.hostile.wrapped(self.hostile.app()), date_header=False)
            self._client, self._secret = CLIENT, SECRET
            return
        self._world = WareWorld("zuora")
        credentials = ZuoraCredentials()
        app = create_app(self._world, credentials, self.faults, ZuoraOptions(segment_rows=PAGE))
        self.tenant = app.state.tenant
        self._url = servers.serve(app, date_header=False)
        self._client, self._secret = credentials.client_id, credentials.client_secret

    def show(self) -> None:
        """Let the server show the ware as it is now."""
        if self.hostile is None:
            self._world.refresh(self.ware)
        else:
            self.hostile.wares["ware"] = self.ware

    def connect(self, **changes: Any) -> ZuoraSource:
        """A source with this server's settings."""
        given: dict[str, Any] = {
            "base_url": self._url, "client_id": self._client, "client_secret": SecretStr(self._secret),
            "lag_seconds": 0,
        }  # fmt: skip
        return ZuoraSource(ZuoraSettings(**{**given, **changes}), retry=IMPATIENT)

    def stranger(self) -> tuple[ZuoraSource, list[str]]:
        """A source with a wrong secret."""
        wrong = "wrong-secret-4711-zuora"
        return self.connect(client_secret=SecretStr(wrong)), [wrong, self._secret]

    def forbid(self) -> None:
        """Take the object away from our user."""
        if self.hostile is None:
            self.tenant.options.hidden = frozenset({self.ware.object})
        else:
            self.hostile.forbidden.add(self.ware.object)

    def lose_a_row(self) -> None:
        """Files hold other rows than the job counted."""
        if self.hostile is None:
            header = [*self.ware.all_fields, "Deleted"]
            self.faults.arm(self.data_call, times=None, body=gzip.compress(csv_text(header, [])))
        else:
            self.hostile.shape.miscount = 1

    def expire(self) -> None:
        """End all sessions."""
        if self.hostile is None:
            self.tenant.expire_sessions()
        else:
            self.hostile.tokens.clear()
