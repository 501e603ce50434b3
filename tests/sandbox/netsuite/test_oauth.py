"""Tokens are given for the right assertion only, and only while they live."""

from __future__ import annotations

import time

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox.faults import Faults
from sandbox.netsuite.app import create_app
from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.server import Servers
from tests.sandbox.netsuite.conftest import SUITEQL, Served, Suite
from tests.sandbox.netsuite.tiny_world import TinyWorld


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, pkcs8, serialization.NoEncryption()).decode()


def public_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    pem, info = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(pem, info).decode()


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512"])
def test_a_signed_assertion_is_traded_for_a_bearer_token(served: Served, algorithm: str) -> None:
    answer = served.ask_token(served.assertion(algorithm=algorithm))
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == "3600"
    assert "refresh_token" not in answer.json()


@pytest.mark.parametrize(
    ("algorithm", "curve"), [("ES256", ec.SECP256R1()), ("ES384", ec.SECP384R1()), ("ES512", ec.SECP521R1())]
)
def test_an_elliptic_curve_certificate_works_too(servers: Servers, algorithm: str, curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    credentials = NetSuiteCredentials(private_key=private_pem(key), public_key=public_pem(key))
    app = create_app(TinyWorld(1), credentials, Faults())
    served = Served(servers.serve(app), app.state.account.world, app.state.account, Faults())
    assert served.ask_token(served.assertion(algorithm=algorithm)).status_code == 200


def test_assertions_that_are_not_acceptable_are_refused(served: Served) -> None:
    now, stranger = int(time.time()), rsa.generate_private_key(public_exponent=65537, key_size=2048)
    refused = {
        "RS256": served.assertion(algorithm="RS256"),
        "another key": served.assertion(key=private_pem(stranger)),
        "unknown certificate": served.assertion(kid="other"),
        "another client": served.assertion(iss="someone"),
        "another audience": served.assertion(aud="https://example.com/services/rest/auth/oauth2/v1/token"),
        "expired": served.assertion(iat=now - 600, exp=now - 300),
        "lives too long": served.assertion(exp=now + 3700),
        "wrong scope": served.assertion(scope="everything"),
        "no scope": served.assertion(scope=None),
        "no JWT": "abc",
    }
    for reason, assertion in refused.items():
        answer = served.ask_token(assertion)
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"}), reason


def test_a_scope_may_be_a_list_or_comma_separated(served: Served) -> None:
    for scope in (["rest_webservices", "restlets"], "restlets,rest_webservices"):
        assert served.ask_token(served.assertion(scope=scope)).status_code == 200


def test_incomplete_token_requests_are_invalid_requests(served: Served) -> None:
    for form in ({"client_assertion": ""}, {"client_assertion_type": "jwt"}, {"grant_type": ""}):
        answer = served.ask_token(served.assertion(), **form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert served.ask_token("x", grant_type="password").json() == {"error": "unsupported_grant_type"}


def test_a_call_needs_a_living_token(served: Served, suite: Suite) -> None:
    query = "SELECT id FROM customer"
    for headers in ({}, {"Authorization": "Bearer unknown"}):
        answer = httpx.post(served.url + SUITEQL, json={"q": query}, headers={"Prefer": "transient", **headers})
        assert answer.status_code == 401
        assert answer.json()["o:errorDetails"][0]["o:errorCode"] == "INVALID_LOGIN"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert suite.post(query).status_code == 200
    served.account.expire_sessions()
    assert suite.post(query).status_code == 401
