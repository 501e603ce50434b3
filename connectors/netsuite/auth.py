"""Login: OAuth 2.0 client credentials with a certificate-signed assertion ("M2M"); no password, no refresh token."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connectors.answers import default_classify, said, server_clock
from connectors.errors import ConfigurationError, CredentialsRefused, MgdwError, SourceUnavailable
from connectors.http import Auth, Token
from connectors.netsuite.settings import NetSuiteSettings

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - a path
_ASSERTION_LIFE = 300
_DEFAULT_LIFE = 3600.0
_CLOCK_OFF = 120.0
"""Seconds. NetSuite takes signatures that are up to five minutes off, and servers' clocks are seconds off at most."""
_EC_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_REMEDY = (
    "Check client id, certificate id and private key of the integration; the certificate mapping (Setup > Integration "
    "> OAuth 2.0 Client Credentials) expires, and is gone after a sandbox refresh."
)


class CertificateAuth(Auth):
    """Signs an assertion (PS256 with RSA, ES256 with EC) and trades it for a token (Oracle help 162790605110)."""

    def __init__(self, settings: NetSuiteSettings) -> None:
        self._url = f"{settings.base_url}{TOKEN_PATH}"
        self._client_id = settings.client_id
        self._certificate_id = settings.certificate_id
        self._key, self._algorithm = _key_of(settings.private_key.get_secret_value() if settings.private_key else "")

    def assertion(self, now: float) -> str:
        """The signed JWT; `now` is Unix time in seconds."""
        claims = {
            "iss": self._client_id,
            "scope": "rest_webservices",
            "aud": self._url,
            "iat": int(now),
            "exp": int(now) + _ASSERTION_LIFE,
            "jti": secrets.token_hex(16),
        }
        return jwt.encode(claims, self._key, algorithm=self._algorithm, headers={"kid": self._certificate_id})

    async def fetch(self, client: httpx.AsyncClient) -> Token:
        """Log in. Raises CredentialsRefused, SourceUnavailable, RateLimited."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.assertion(time.time()),
        }
        asked_at = time.monotonic()
        response = await client.post(TOKEN_PATH, data=form)
        problem = _problem_with(response)
        if problem is not None:
            raise problem
        try:
            answer = response.json()
            # NetSuite's samples show expires_in as text.
            return Token(str(answer["access_token"]), asked_at + float(answer.get("expires_in") or _DEFAULT_LIFE))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceUnavailable(
                f"netsuite: the token endpoint answered 200 without a token ({type(error).__name__})",
                remedy="Check that the base URL is the account's SuiteTalk address.",
            ) from None


def _problem_with(response: httpx.Response) -> MgdwError | None:
    if response.status_code in (400, 401, 403):
        return CredentialsRefused(
            f"netsuite refused the login ({response.status_code}): {said(response)}",
            remedy=clock_remark(response) or _REMEDY,
            status=response.status_code,
        )
    return default_classify(response)


def clock_remark(response: httpx.Response) -> str | None:
    """What to do when our clock is far from the other side's, as its `Date` header tells it; None when it is not.

    Assertions and signatures carry our time, and one that is minutes off is refused without a word about the reason.
    """
    theirs = server_clock(response)
    off = (datetime.now(UTC) - theirs).total_seconds() if theirs else 0.0
    if abs(off) < _CLOCK_OFF:
        return None
    return (
        f"Set this machine's clock (NTP): it is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} NetSuite's, and "
        "what it signs is refused for that."
    )


def _key_of(pem: str) -> tuple[RSAPrivateKey | EllipticCurvePrivateKey, str]:
    try:
        # A key kept in one line of an environment file has its line breaks spelled out.
        key = load_pem_private_key(pem.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError):
        raise _unusable_key() from None
    if isinstance(key, RSAPrivateKey):
        return key, "PS256"
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _EC_ALGORITHMS:
        return key, _EC_ALGORITHMS[key.curve.name]
    raise _unusable_key()


def _unusable_key() -> ConfigurationError:
    return ConfigurationError(
        "netsuite: the private key is no unencrypted RSA or EC key in PEM form",
        remedy="Put the whole PEM text, -----BEGIN to END-----, into MGDW_NETSUITE_PRIVATE_KEY or the secret it names.",
    )
