"""The state of one NetSuite account: sessions, governance, and the switches that tests turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.netsuite.errors import RestError
from sandbox.netsuite.oauth import TokenIssuer
from sandbox.netsuite.schema import Schema, World
from sandbox.netsuite.suiteql import Session
from sandbox.netsuite.tba import SignatureCheck

_GOVERNANCE_PAGE = "Setup > Integration > Integration Management > Integration Governance"


@dataclass
class NetSuiteOptions:
    """What an account's set-up decides. Fields may be changed while the server runs.

    Attributes:
        time_zone: IANA name of the integration user's zone; stamps are shown and read in it.
        date_format: the user's date preference, in `strftime` terms.
        concurrency_limit: REST calls at once.
        concurrency_status: accounts answer 429 or 400 when it is exceeded; both occur.
        hidden: records (`subscription`) and fields (`customer.email`) the role may not see, in lower case.
        unqueryable: fields (`customer.custentity_secret`) that the catalog shows and SuiteQL refuses, in lower case.
        has_catalog: whether the role may read the metadata catalog.
    """

    time_zone: str = "UTC"
    date_format: str = "%-m/%-d/%Y"
    concurrency_limit: int = 15
    concurrency_status: Literal[400, 429] = 429
    hidden: frozenset[str] = frozenset()
    unqueryable: frozenset[str] = frozenset()
    has_catalog: bool = True


@dataclass
class NetSuiteAccount:
    """One account. Every method may be called from any thread.

    Attributes:
        peak_calls: most REST calls that were under way at once.
    """

    world: World
    credentials: NetSuiteCredentials
    options: NetSuiteOptions = field(default_factory=NetSuiteOptions)
    peak_calls: int = 0
    _calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.tokens = TokenIssuer(self.credentials)
        self.signatures = SignatureCheck(self.credentials)

    @property
    def schema(self) -> Schema:
        """Records and fields as the role sees them now."""
        return Schema(self.world, self.options.hidden)

    def session(self) -> Session:
        """The surroundings of a query that is asked now."""
        schema = Schema(self.world, self.options.hidden | self.options.unqueryable)
        return Session(schema, self.world.now, self.options.time_zone, self.options.date_format)

    def admit(self, authorization: str, method: str, url: str) -> None:
        """Raises RestError 401 unless the header carries a living token, or signs the request to `url`."""
        if authorization.lower().startswith("oauth "):
            self.signatures.check(authorization, method, url)
        else:
            self.tokens.check(authorization)

    def expire_sessions(self) -> None:
        """End every access token, as a revoked one would in mid-run."""
        self.tokens.expire_all()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count one REST call. Raises RestError when too many are under way."""
        with self._lock:
            if self._calls >= self.options.concurrency_limit:
                raise self._too_many()
            self._calls += 1
            self.peak_calls = max(self.peak_calls, self._calls)
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1

    def governance(self) -> dict[str, object]:
        """The account's limits as `governanceLimits` tells them."""
        limit = self.options.concurrency_limit
        return {
            "links": [],
            "accountConcurrencyLimit": limit,
            "accountUnallocatedConcurrencyLimit": limit,
            "accountLimitType": "_accountLimit",
        }

    def _too_many(self) -> RestError:
        detail = "Concurrent request limit exceeded. Request blocked."
        if self.options.concurrency_status == 400:
            detail += f" Verify your concurrency limits at {_GOVERNANCE_PAGE}."
        return RestError(self.options.concurrency_status, "CONCURRENCY_LIMIT_EXCEEDED", detail)
