"""Login: OAuth 2.0 client credentials."""

from __future__ import annotations

import time

import httpx

from connectors.answers import default_classify, said
from connectors.errors import CredentialsRefused, SourceUnavailable
from connectors.http import Auth, Token
from connectors.zuora.settings import ZuoraSettings

_DEFAULT_LIFE = 3600.0


class ClientCredentials(Auth):
    """Trades client id and secret for a token, good for an hour. One token serves many calls: logins are rationed."""

    def __init__(self, settings: ZuoraSettings) -> None:
        self._client_id = settings.client_id
        self._secret = settings.client_secret
        self._entity = settings.entity_id

    async def fetch(self, client: httpx.AsyncClient) -> Token:
        """Log in. Raises CredentialsRefused, SourceUnavailable, RateLimited."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._secret.get_secret_value(),
        }
        asked_at = time.monotonic()
        response = await client.post("/oauth/token", data=form)
        if response.status_code in (400, 401, 403):
            raise CredentialsRefused(
                f"zuora refused the login ({response.status_code}): {said(response)}",
                remedy="Check MGDW_ZUORA_CLIENT_ID and MGDW_ZUORA_CLIENT_SECRET (or the secrets they name), and that "
                "they belong to the data centre in MGDW_ZUORA_BASE_URL.",
                status=response.status_code,
            )
        problem = default_classify(response)
        if problem is not None:
            raise problem
        try:
            answer = response.json()
            return Token(str(answer["access_token"]), asked_at + float(answer.get("expires_in") or _DEFAULT_LIFE))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceUnavailable(
                f"zuora: the token endpoint answered 200 without a token ({type(error).__name__})",
                remedy="Check that MGDW_ZUORA_BASE_URL is a Zuora REST address.",
            ) from None

    def headers(self, token: Token) -> dict[str, str]:
        """The token, and the entity it is used for."""
        return super().headers(token) | ({"Zuora-Entity-Ids": self._entity} if self._entity else {})
