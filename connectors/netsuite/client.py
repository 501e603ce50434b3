"""One account's REST services: SuiteQL queries and the metadata catalog, under the account's limit on requests."""

from __future__ import annotations

from typing import Any

import httpx

from connectors.errors import MgdwError, RateLimited, RetryableError, UnreadableFile
from connectors.http import HttpSession, RetryPolicy
from connectors.json_lines import Page, cut
from connectors.netsuite.auth import CertificateAuth
from connectors.netsuite.catalog import CATALOG_PATH, JSON_SCHEMA
from connectors.netsuite.classify import classify
from connectors.netsuite.clock import CLOCK_QUERY, ClockReading, read_clock
from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.tba import SigningTransport, TokenKeys
from connectors.netsuite.turns import Turns

SUITEQL_PATH = "/services/rest/query/v1/suiteql"
_TIMEOUT = 900.0
"""NetSuite cuts a request after 15 minutes (Oracle help, subsection 1559222360)."""
_MOST_CELLS = 400_000
"""Values a page: an answer may have 104 MB (Oracle help, chapter 161251386312), and a text field 4,000 characters."""


class _TurnedAway(MgdwError):
    """RateLimited in a coat that the session does not retry: the turn must be given back first."""

    def __init__(self, problem: RateLimited) -> None:
        super().__init__(problem.cause)
        self.problem = problem


class NetSuiteClient:
    """Sends queries. Close it with `aclose`.

    Attributes:
        turns: how many requests may be under way now.
    """

    def __init__(
        self, settings: NetSuiteSettings, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy | None
    ) -> None:
        self.turns = Turns(settings.concurrency)
        self._page_rows = settings.page_rows
        signed = settings.auth == "token"
        self._session = HttpSession(
            settings.base_url or "",
            name="netsuite",
            auth=None if signed else CertificateAuth(settings),
            classify=self._classified,
            retry=retry,
            timeout=_TIMEOUT,
            connections=settings.concurrency,
            transport=_signing(settings, transport) if signed else transport,
        )

    @property
    def calls(self) -> int:
        """API calls made so far."""
        return self._session.calls

    async def log_in(self) -> None:
        """Get a token, where there is one to get. Raises CredentialsRefused, SourceUnavailable."""
        await self._session.token()

    async def aclose(self) -> None:
        """Close connections."""
        await self._session.aclose()

    def page_rows(self, columns: int) -> int:
        """Rows a page of so many columns may have."""
        return max(1, min(self._page_rows, _MOST_CELLS // max(1, columns)))

    async def query(self, suiteql: str, rows: int | None = None) -> Page:
        """The first page of a query.

        Args:
            rows: most rows of it.
        """
        response = await self._send(
            "POST",
            SUITEQL_PATH,
            params={"limit": rows or self._page_rows, "offset": 0},
            json={"q": suiteql},
            headers={"Prefer": "transient"},
        )
        try:
            return cut(response.content, records="items", opening='{"links":')
        except ValueError as error:
            raise UnreadableFile(
                f"netsuite: {SUITEQL_PATH} answered 200 with something else than a page of rows: {error}",
                remedy="Run again; if it stays, look at what stands between here and NetSuite (a proxy?).",
            ) from None

    async def number(self, suiteql: str, name: str = "rowcount") -> int | None:
        """The one whole number that a query answers with; None for NULL. Raises UnreadableFile."""
        row = (await self.query(suiteql)).last or {}
        try:
            return None if row.get(name) is None else int(row[name])
        except (TypeError, ValueError):
            raise UnreadableFile(f"netsuite: {name} is no number: {row.get(name)!r}") from None

    async def count(self, suiteql: str) -> int:
        """The count that a query answers with. Raises UnreadableFile."""
        found = await self.number(suiteql)
        if found is None:
            raise UnreadableFile("netsuite: a count was answered without one")
        return found

    async def clock(self) -> ClockReading:
        """The account's clock now."""
        return read_clock((await self.query(CLOCK_QUERY)).last or {})

    async def schema(self, record_type: str) -> dict[str, Any]:
        """The JSON Schema of a record type, from the metadata catalog. Raises UnknownObject, PermissionMissing."""
        response = await self._send("GET", CATALOG_PATH + record_type, headers={"Accept": JSON_SCHEMA})
        try:
            found: Any = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise UnreadableFile(f"netsuite: the metadata catalog has no JSON Schema of {record_type}")
        return found  # pyright: ignore[reportUnknownVariableType]

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One call. When it is turned away it gives its turn back, and waits for another one."""

        async def once() -> httpx.Response | RetryableError:
            async with self.turns.turn():
                try:
                    return await self._session.request(method, path, **options)
                except _TurnedAway as refusal:
                    raise refusal.problem from None
                except RetryableError as error:
                    return error  # the session tried it often enough

        found = await self._session.retrying(once)
        if isinstance(found, RetryableError):
            raise found
        return found

    def _classified(self, response: httpx.Response) -> MgdwError | None:
        problem = classify(response)
        if isinstance(problem, RateLimited):
            self.turns.refused()
            return _TurnedAway(problem)
        if problem is None:
            self.turns.answered()
        return problem


def _signing(settings: NetSuiteSettings, transport: httpx.AsyncBaseTransport | None) -> SigningTransport:
    limits = httpx.Limits(max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency)
    keys = TokenKeys(
        realm=settings.account.upper().replace("-", "_"),
        consumer_key=settings.client_id or "",
        consumer_secret=settings.consumer_secret.get_secret_value() if settings.consumer_secret else "",
        token_id=settings.token_id or "",
        token_secret=settings.token_secret.get_secret_value() if settings.token_secret else "",
    )
    return SigningTransport(transport or httpx.AsyncHTTPTransport(limits=limits), keys)
