"""One HTTP session for every source: pooling, retries, Retry-After, token refresh, call counting.

A connector describes its API by two small objects: an `Auth` that fetches tokens, and a `classify` function
that turns an answer it does not like into an error of `connectors.errors`. The session does the rest:
retryable errors are tried again with exponential backoff and jitter, a 401 refreshes the token once behind a
lock, and every call is counted.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from connectors.errors import CredentialsRefused, MgdwError, RateLimited, RetryableError, SourceUnavailable

Classify = Callable[[httpx.Response], MgdwError | None]
_EXPIRY_MARGIN = 60.0
"""Seconds before its end at which a token counts as expired."""


@dataclass(frozen=True)
class Token:
    """A bearer token. `expires_at` is on the monotonic clock; None when the API does not say."""

    value: str
    expires_at: float | None = None
    base_url: str | None = None
    """Where the API told us to go (Salesforce's instance_url)."""

    def __repr__(self) -> str:
        return "Token(***)"

    @property
    def is_fresh(self) -> bool:
        return self.expires_at is None or time.monotonic() < self.expires_at - _EXPIRY_MARGIN


class Auth(ABC):
    """Fetches tokens. `fetch` is called under a lock, never twice at once."""

    @abstractmethod
    async def fetch(self, client: httpx.AsyncClient) -> Token:
        """Log in. Raises CredentialsRefused; transport errors may pass through as httpx raised them."""

    def headers(self, token: Token) -> dict[str, str]:
        """The headers that carry the token."""
        return {"Authorization": f"Bearer {token.value}"}


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a retryable error is tried again. Times in seconds."""

    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 60.0


def default_classify(response: httpx.Response) -> MgdwError | None:
    """What every API means by its status codes, for answers the connector does not explain better."""
    status = response.status_code
    where = f"{response.request.method} {response.request.url.path}"
    if status < 400:
        return None
    if status in (429, 420):
        return RateLimited(f"{where} answered {status}: too many requests", retry_after=retry_after(response))
    if status >= 500 or status in (406, 408, 425):
        return SourceUnavailable(f"{where} answered {status}", retry_after=retry_after(response))
    return MgdwError(f"{where} answered {status}: {response.text[:300]}", status=status)


def retry_after(response: httpx.Response) -> float | None:
    """Seconds from a `Retry-After` header, or None if absent or not a number."""
    try:
        return float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None


class HttpSession:
    """An authenticated session with one API. Closes with `aclose` or `async with`.

    Args:
        base_url: scheme and host; `Token.base_url` replaces it once logged in.
        auth: how to log in; None for open endpoints.
        classify: explains an answer as an error, or returns None if it is fine.
        name: of the source, for error texts.
        transport: replaces the wire in tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str,
        auth: Auth | None = None,
        classify: Classify = default_classify,
        retry: RetryPolicy | None = None,
        timeout: float = 120.0,
        connections: int = 10,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self.calls = 0
        self._auth = auth
        self._classify = classify
        self._retry = retry or RetryPolicy()
        self._token: Token | None = None
        self._login = asyncio.Lock()
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(timeout, connect=15.0),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            headers={"User-Agent": "mg-dw"},
            transport=transport,
        )

    async def __aenter__(self) -> HttpSession:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close pooled connections."""
        await self._client.aclose()

    async def token(self, *, stale: Token | None = None) -> Token | None:
        """The current token; logs in when there is none, it is about to expire, or it is the `stale` one."""
        if self._auth is None:
            return None
        async with self._login:
            if self._token is None or self._token is stale or not self._token.is_fresh:
                self._token = await self._retrying(lambda: self._fetch_token(self._auth))
            return self._token

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: Any = None,
        data: dict[str, str] | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One call, read whole, retried as the policy says. Raises what `classify` makes of a bad answer."""

        async def once() -> httpx.Response:
            async with self._send(
                method, path, params=params, json=json, data=data, content=content, headers=headers
            ) as response:
                return response

        return await self._retrying(once)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, params: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """One call whose body the caller reads (`aiter_raw` for bytes as sent). Not retried: see `retrying`."""
        async with self._send(method, path, params=params, headers=headers, streamed=True) as response:
            yield response

    async def retrying(self, work: Callable[[], Any]) -> Any:
        """Run `work` (a coroutine function) again while it raises RetryableError, as the policy says.

        For bodies streamed to the lake: each try starts a new part.
        """
        return await self._retrying(work)

    @asynccontextmanager
    async def _send(self, method: str, path: str, *, streamed: bool = False, **options: Any) -> AsyncIterator[httpx.Response]:
        token = await self.token()
        try:
            response = await self._exchange(method, path, token, streamed=streamed, **options)
            if response.status_code == 401 and token is not None:
                await response.aclose()
                token = await self.token(stale=token)
                response = await self._exchange(method, path, token, streamed=streamed, **options)
            try:
                if response.status_code >= 400:
                    await response.aread()
                problem = self._classify(response) if response.is_closed or not streamed else None
                if problem is None and response.status_code >= 400:
                    problem = default_classify(response)
                if problem is not None:
                    raise problem
                yield response
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise _explained(self.name, method, path, error) from error

    async def _exchange(
        self, method: str, path: str, token: Token | None, *, streamed: bool, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        url = path if path.startswith("http") or token is None or token.base_url is None else token.base_url + path
        carried = {**(headers or {}), **(self._auth.headers(token) if self._auth and token else {})}
        self.calls += 1
        request = self._client.build_request(method, url, headers=carried, **options)
        return await self._client.send(request, stream=streamed)

    async def _fetch_token(self, auth: Auth) -> Token:
        self.calls += 1
        try:
            return await auth.fetch(self._client)
        except httpx.TransportError as error:
            raise _explained(self.name, "POST", "token endpoint", error) from error

    async def _retrying(self, work: Callable[[], Any]) -> Any:
        backoff = wait_random_exponential(multiplier=self._retry.first_wait, max=self._retry.longest_wait)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, RetryableError) else None
            return asked if asked is not None else backoff(state)

        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(self._retry.attempts),
            wait=wait,
            retry=retry_if_exception_type(RetryableError),
            reraise=True,
        ):
            with attempt:
                return await work()


def _explained(name: str, method: str, path: str, error: httpx.TransportError) -> SourceUnavailable:
    return SourceUnavailable(
        f"{name}: {method} {path.split('?')[0]} got no whole answer ({type(error).__name__}: {error})",
        remedy=f"Check that {name} is up and reachable from here, then run the flow again: what was loaded stays.",
    )


__all__ = [
    "Auth", "Classify", "CredentialsRefused", "HttpSession", "RetryPolicy", "Token", "default_classify", "retry_after",
]  # fmt: skip
