"""The token endpoint: client credentials and JWT bearer (Salesforce Help, "OAuth Authorization Flows")."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.salesforce.errors import LoginError
from sandbox.salesforce.org import SalesforceOrg

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
_LONGEST_ASSERTION = 300.0
"""Seconds that an assertion's `exp` may lie ahead: three minutes, and some for clocks that differ."""


async def token(request: Request) -> Response:
    """POST /services/oauth2/token."""
    org: SalesforceOrg = request.app.state.org
    form = dict(parse_qsl((await request.body()).decode()))
    here = str(request.base_url).rstrip("/")
    match form.get("grant_type"):
        case "client_credentials":
            _check_client(org, *_client_of(request, form))
        case grant if grant == JWT_BEARER:
            _check_assertion(org, form.get("assertion", ""), here)
        case "refresh_token":
            raise LoginError("invalid_grant", "expired access/refresh token")
        case "password":
            raise LoginError("invalid_grant", "authentication failure")
        case None:
            raise LoginError("invalid_request", "must provide grant type")
        case _:
            raise LoginError("unsupported_grant_type", "grant type not supported")
    return JSONResponse(_answer(org, here), headers={"Cache-Control": "no-cache, no-store"})


def _client_of(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise LoginError("invalid_client", "invalid client credentials") from None
    return client_id, secret


def _check_client(org: SalesforceOrg, client_id: str, secret: str) -> None:
    if client_id != org.credentials.client_id:
        raise LoginError("invalid_client_id", "client identifier invalid")
    if not hmac.compare_digest(secret.encode(), org.credentials.client_secret.encode()):
        raise LoginError("invalid_client", "invalid client credentials")


def _check_assertion(org: SalesforceOrg, assertion: str, here: str) -> None:
    credentials = org.credentials
    try:
        claims = jwt.decode(
            assertion,
            credentials.public_key,
            algorithms=["RS256"],
            audience=[*_AUDIENCES, here],
            options={"require": ["iss", "sub", "aud", "exp"]},
        )
    except jwt.ExpiredSignatureError:
        raise LoginError("invalid_grant", "expired authorization code") from None
    except jwt.InvalidAudienceError:
        raise LoginError("invalid_grant", "audience is invalid") from None
    except jwt.InvalidTokenError:
        raise LoginError("invalid_grant", "invalid assertion") from None
    if float(claims["exp"]) > time.time() + _LONGEST_ASSERTION:
        raise LoginError("invalid_grant", "expired authorization code")
    if claims["iss"] != credentials.client_id:
        raise LoginError("invalid_client_id", "client identifier invalid")
    if claims["sub"] != credentials.username:
        raise LoginError("invalid_grant", "user hasn't approved this consumer")


def _answer(org: SalesforceOrg, here: str) -> dict[str, str]:
    credentials = org.credentials
    identity = f"{here}/id/{credentials.organization_id}/{credentials.user_id}"
    issued_at = str(int(time.time() * 1000))
    digest = hmac.new(credentials.client_secret.encode(), (identity + issued_at).encode(), hashlib.sha256).digest()
    return {
        "access_token": org.log_in(),
        "signature": base64.b64encode(digest).decode(),
        "scope": "api",
        "instance_url": here,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }
