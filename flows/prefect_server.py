"""The Prefect server that PREFECT_API_URL names, with its refusals and silence in words."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from connectors.errors import ConfigurationError, SourceUnavailable


@contextlib.asynccontextmanager
async def prefect_server() -> AsyncGenerator[PrefectClient]:
    """A client for changes that may be made again.

    Raises:
        ConfigurationError: no server is set, or it refused a change.
        SourceUnavailable: it gave no answer.
    """
    if get_current_settings().api.url is None:
        raise ConfigurationError(
            "no Prefect server is set", remedy="Set PREFECT_API_URL, for example http://127.0.0.1:4200/api."
        )
    try:
        async with get_client() as client:
            yield client
    except PrefectHTTPStatusError as error:
        raise ConfigurationError(
            f"Prefect's server refused a change ({error.response.status_code}): {error.response.text[:500]}",
            remedy="Correct what it names and run again: what was changed already is found unchanged then.",
        ) from error
    except httpx.HTTPError as error:
        raise SourceUnavailable(
            f"Prefect's API gave no answer ({type(error).__name__})",
            remedy="Start the server, or correct PREFECT_API_URL and PREFECT_API_AUTH_STRING.",
        ) from error
