"""Logging in to Salesforce: OAuth client credentials, or JWT bearer with a certificate.

SOAP `login()` is not used: it is gone from API 65.0 on and retired altogether in Summer '27.
"""

from __future__ import annotations

import re
import time
from typing import Any, cast

import httpx
import jwt

from connectors.errors import ConfigurationError, SettingMissing, SourceUnavailable
from connectors.http import Auth, Token
from connectors.salesforce.classify import classify_login
from connectors.salesforce.settings import SalesforceSettings
from connectors.settings import safe_url

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_SECONDS = 180


class SalesforceAuth(Auth):
    """Fetches access tokens. The answer's `instance_url` becomes the token's base URL; it names no end of life.

    Raises:
        SettingMissing: at construction, when the chosen flow lacks a secret.
        ConfigurationError: when the private key is unreadable, or the instance is not reached by https.
    """

    def __init__(self, settings: SalesforceSettings) -> None:
        self._settings = settings
        flow = ("client_secret",) if settings.auth == "client_credentials" else ("username", "private_key")
        missing = [settings.variable(name) for name in ("client_id", *flow) if not getattr(settings, name)]
        if missing:
            raise SettingMissing(f"Salesforce: {', '.join(missing)} not set", settings=missing)
        self._form()

    async def fetch(self, client: httpx.AsyncClient) -> Token:
        """Log in. Raises CredentialsRefused, SourceUnavailable."""
        answer = await client.post(TOKEN_PATH, data=self._form())
        problem = classify_login(answer)
        if problem is not None:
            raise problem
        body = _json(answer)
        try:
            return Token(body["access_token"], base_url=safe_url(body["instance_url"]), origin=_organization(body))
        except KeyError as error:
            raise SourceUnavailable(f"Salesforce's login answer has no {error}") from None
        except ValueError as error:
            raise ConfigurationError(f"Salesforce's login answer sends us to an instance_url that {error}") from None

    def _form(self) -> dict[str, str]:
        settings = self._settings
        if settings.auth == "client_credentials":
            assert settings.client_secret is not None
            return {
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": settings.client_secret.get_secret_value(),
            }
        return {"grant_type": JWT_GRANT, "assertion": self._assertion()}

    def _assertion(self) -> str:
        settings = self._settings
        assert settings.private_key is not None
        claims = {
            "iss": settings.client_id,
            "sub": settings.username,
            "aud": settings.audience or settings.login_url,
            "exp": int(time.time()) + _ASSERTION_SECONDS,
        }
        # Environment files and secret stores often keep a key on one line, its line ends written as \n.
        key = settings.private_key.get_secret_value().replace("\\n", "\n")
        try:
            return jwt.encode(claims, key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ConfigurationError(
                f"{settings.variable('private_key')} is no RSA private key in PEM form",
                remedy="Store the whole key, from -----BEGIN to END-----, without a passphrase.",
            ) from None


def _organization(body: dict[str, Any]) -> str:
    """The organization's id, from the identity URL `https://login.salesforce.com/id/<organization>/<user>`."""
    found = re.search(r"/id/(00D\w{12,15})/", str(body.get("id") or ""))
    return found[1][:15] if found else str(body["instance_url"])


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body: Any = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise SourceUnavailable("Salesforce's login answer is not the JSON object it should be")
    return cast(dict[str, Any], body)
