"""One HTTP session for every source: pooling, retries, Retry-After, token refresh, call budget.

A connector describes its API by two small objects: an `Auth` that fetches tokens, and a `classify` function
that turns an answer it does not like into an error of `connectors.errors`. The session does the rest:
retryable errors are tried again with exponential backoff and jitter, a 401 refreshes the token once however
many calls met it, tokens go to the API's own host only, and every call is counted.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from connectors.answers import Classify, default_classify, retry_after, said
from connectors.errors import CredentialsRefused, RateLimited, RetryableError, SourceUnavailable, TruncatedBody

ResultT = TypeVar("ResultT")
_EXPIRY_MARGIN = 60.0
"""Seconds before its end at which a token counts as expired."""
_CONNECT_TIMEOUT = 15.0
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Token:
    """A bearer token. `expires_at` is on the monotonic clock; None when the API does not say."""

    value: str
    expires_at: float | None = None
    base_url: str | None = None
    """Where the API told us to go (Salesforce's instance_url)."""
    origin: str = ""
    """Which instance of the system it opens, where the login tells (Salesforce's organization)."""

    def __repr__(self) -> str:
        return "Token(***)"

    @property
    def is_fresh(self) -> bool:
        """False from a minute before its end."""
        return self.expires_at is None or time.monotonic() < self.expires_at - _EXPIRY_MARGIN


class Auth(ABC):
    """Fetches tokens. The session never runs `fetch` twice at once."""

    @abstractmethod
    async def fetch(self, client: httpx.AsyncClient) -> Token:
        """Log in. Raises CredentialsRefused; transport errors may pass through as httpx raised them."""

    def headers(self, token: Token) -> dict[str, str]:
        """The headers that carry the token."""
        return {"Authorization": f"Bearer {token.value}"}


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a retryable error is tried again. Times in seconds.

    Attributes:
        attempts: tries in all.
        first_wait: upper bound of the first wait; it doubles from try to try, each wait drawn at random below it.
        longest_wait: upper bound of any wait the other side did not ask for.
        patience: the longest wait the other side may ask for; an error that asks for more surfaces at once.
        sleep: how to wait.
    """

    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 60.0
    patience: float = 300.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass
class CallBudget:
    """Stops before a quota is gone, so that others who share it can still work.

    Attributes:
        most: calls this session may make; None for no limit of its own.
        share: the part (0 to 1) of the API's own quota that may be used, by whomever, when we still call.
        read_usage: (calls used, calls allowed) from an answer's headers, or None if they do not say.
    """

    most: int | None = None
    share: float = 1.0
    read_usage: Callable[[httpx.Headers], tuple[int, int] | None] = lambda _: None
    usage: tuple[int, int] | None = None

    def check(self, name: str, calls: int) -> None:
        """Raise RateLimited if one more call than `calls` is too many."""
        if self.most is not None and calls >= self.most:
            raise _spent(f"{name}: this run has made the {self.most} calls it may make")
        if self.usage and self.usage[0] >= self.share * self.usage[1]:
            used, allowed = self.usage
            reserved = allowed - int(self.share * allowed)
            raise _spent(
                f"{name}: {used} of {allowed} API calls are used, and the last {reserved} are kept for others",
                used=used, allowed=allowed, reserved=reserved,
            )  # fmt: skip

    def learn(self, response: httpx.Response) -> None:
        """Read the API's own count from an answer."""
        self.usage = self.read_usage(response.headers) or self.usage


class HttpSession:
    """An authenticated session with one API. Use as `async with`, or close with `aclose`.

    Args:
        base_url: scheme and host; `Token.base_url` replaces it once logged in.
        name: of the source, for error texts.
        auth: how to log in; None for open endpoints.
        classify: explains an answer as an error, or returns None if it is fine.
        timeout: seconds without a byte from the other side.
        connections: calls at once; more wait for their turn.
        budget: stops before a quota is gone.
        transport: replaces the wire in tests.

    Attributes:
        calls: requests sent so far, logins and retries included.
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
        budget: CallBudget | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self.calls = 0
        self.retry = retry or RetryPolicy()
        self._base_url = httpx.URL(base_url)
        self._auth = auth
        self._classify = classify
        self._budget = budget or CallBudget()
        self._token: Token | None = None
        self._login: asyncio.Task[Token] | None = None
        self._refused: CredentialsRefused | None = None
        self._client = httpx.AsyncClient(
            base_url=base_url,
            # No pool timeout: whoever waits for a free connection waits for our own streams to end.
            timeout=httpx.Timeout(timeout, connect=_CONNECT_TIMEOUT, pool=None),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            headers={"User-Agent": "mg-dw", "Accept-Encoding": "gzip"},
            # A proxy from the environment cannot reach this machine's loopback.
            mounts={f"all://{host}": None for host in _LOOPBACK},
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close pooled connections."""
        if self._login:
            self._login.cancel()
        await self._client.aclose()

    async def token(self, *, stale: Token | None = None) -> Token | None:
        """The current token; logs in when there is none, it is about to expire, or it is the `stale` one."""
        return await self.retrying(lambda: self._current_token(stale))

    async def base_url(self) -> str:
        """Where calls go: the address the login named, else the one this session was made for."""
        token = await self.token()
        return token.base_url if token and token.base_url else str(self._base_url)

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
        """One call, read whole and decoded, retried as the policy says. Raises what `classify` makes of a bad answer.

        Args:
            path: from `/` on, or a whole URL; the token goes along only if that is the API's own host.
        """
        options = {"params": params, "json": json, "data": data, "content": content, "headers": headers}
        return await self.retrying(lambda: self._answer(method, path, streamed=False, **options))

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, params: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> AsyncGenerator[httpx.Response, None]:
        """One call whose body the caller reads (`aiter_raw` for the bytes as sent: gzip, or plain if the server likes).

        Not retried: see `retrying`. A body that breaks off raises TruncatedBody out of the block.
        """
        response = await self._answer(method, path, streamed=True, params=params, headers=headers)
        try:
            with self._explaining(method, path, TruncatedBody):
                yield response
        finally:
            await response.aclose()

    async def retrying(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Run `work` (a coroutine function) again while it raises RetryableError, as the policy says.

        For bodies streamed to the lake: each try starts a new part. `work` should not call `request`, which
        retries by itself.
        """
        policy = self.retry
        backoff = wait_random_exponential(multiplier=policy.first_wait, max=policy.longest_wait)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, RetryableError) else None
            return backoff(state) if asked is None else asked

        def worth_it(error: BaseException) -> bool:
            return isinstance(error, RetryableError) and (error.retry_after or 0) <= policy.patience

        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(policy.attempts),
            wait=wait,
            retry=retry_if_exception(worth_it),
            sleep=policy.sleep,
            reraise=True,
        ):
            with attempt:
                return await work()
        raise AssertionError("tenacity ends with a result or an error")

    def count_call(self) -> None:
        """Count one call, also one made past this session. Raises RateLimited when the budget is spent."""
        self._budget.check(self.name, self.calls)
        self.calls += 1

    async def _answer(self, method: str, path: str, *, streamed: bool, **options: Any) -> httpx.Response:
        token = await self._current_token() if self._is_home(path) else None
        response = await self._exchange(method, path, token, **options)
        try:
            if response.status_code == 401 and token is not None:
                await response.aclose()
                response = await self._exchange(method, path, await self._current_token(token), **options)
            if streamed and response.is_success:
                return response
            with self._explaining(method, path, TruncatedBody):
                await response.aread()
            problem = self._classify(response) or default_classify(response)
            if problem is not None:
                raise problem
        except BaseException:
            await response.aclose()
            raise
        return response

    async def _exchange(
        self, method: str, path: str, token: Token | None, *, headers: dict[str, str] | None, **options: Any
    ) -> httpx.Response:
        url = path if token is None or token.base_url is None or _is_whole(path) else token.base_url + path
        carried = {**(headers or {}), **(self._auth.headers(token) if self._auth and token else {})}
        request = self._client.build_request(method, url, headers=carried, **options)
        self.count_call()
        with self._explaining(method, path, SourceUnavailable):
            response = await self._client.send(request, stream=True)
        self._budget.learn(response)
        return response

    async def _current_token(self, stale: Token | None = None) -> Token | None:
        if self._auth is None:
            return None
        token = self._token
        if token is not None and token is not stale and token.is_fresh:
            return token
        if self._refused is not None:
            raise self._refused
        if self._login is None:
            self._login = asyncio.create_task(self._log_in(self._auth))
        return await asyncio.shield(self._login)

    async def _log_in(self, auth: Auth) -> Token:
        try:
            self.count_call()
            with self._explaining("POST", "token endpoint", SourceUnavailable):
                self._token = await auth.fetch(self._client)
            return self._token
        except CredentialsRefused as refusal:
            # Asking again with the same secret would only lock the account.
            self._refused = refusal
            raise
        finally:
            self._login = None

    def _is_home(self, path: str) -> bool:
        if not _is_whole(path):
            return True
        told = self._token.base_url if self._token else None
        return _origin(httpx.URL(path)) in (_origin(self._base_url), _origin(httpx.URL(told or self._base_url)))

    @contextmanager
    def _explaining(self, method: str, path: str, kind: type[RetryableError]) -> Generator[None, None, None]:
        try:
            yield
        except (httpx.TransportError, httpx.DecodingError) as error:
            where = f"{self.name}: {method} {path.partition('?')[0]}"
            what = "ended before its body was whole" if kind is TruncatedBody else "got no answer"
            raise kind(
                f"{where} {what} ({type(error).__name__}{f': {error}' if str(error) else ''})",
                remedy=f"Check that {self.name} is up and reachable from here, then run the flow again: "
                "what was loaded stays.",
            ) from error


def _spent(cause: str, **facts: object) -> RateLimited:
    return RateLimited(
        cause,
        remedy="What was loaded stays. Run the flow again when the quota has room (a daily one forgets each call after "
        "24 hours, so room comes back bit by bit), or raise the limit in the settings.",
        retry_after=3600.0,
        **facts,
    )


def _is_whole(path: str) -> bool:
    return path.startswith(("http://", "https://"))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


__all__ = [
    "Auth", "CallBudget", "Classify", "CredentialsRefused", "HttpSession", "RetryPolicy", "Token", "default_classify",
    "retry_after", "said",
]  # fmt: skip
