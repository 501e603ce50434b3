"""Logging in, and what happens to those who did not."""

from __future__ import annotations

import functools
import time

import httpx
import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceAuthenticationFailed

from tests.sandbox.salesforce.conftest import PLAIN, VERSION, Served

get = functools.partial(httpx.get, verify=PLAIN)
post = functools.partial(httpx.post, verify=PLAIN)


def assertion(served: Served, key: str | None = None, **changes: object) -> str:
    claims = {
        "iss": served.credentials.client_id,
        "sub": served.credentials.username,
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 120,
    }
    return jwt.encode({**claims, **changes}, key or served.credentials.private_key, algorithm="RS256")


def redeem(served: Served, assertion: str) -> httpx.Response:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    return post(f"{served.url}/services/oauth2/token", data=form)


def test_client_credentials_are_taken_from_the_form_and_from_basic_authentication(served: Served) -> None:
    known = (served.credentials.client_id, served.credentials.client_secret)
    url = f"{served.url}/services/oauth2/token"
    in_form = {"grant_type": "client_credentials", "client_id": known[0], "client_secret": known[1]}
    basic = post(url, data={"grant_type": "client_credentials"}, auth=known)
    for answer in (post(url, data=in_form), basic):
        assert answer.status_code == 200
        body = answer.json()
        assert body["instance_url"] == served.url
        assert body["token_type"] == "Bearer"
        assert "expires_in" not in body
        limits = get(f"{served.data}/limits", headers={"Authorization": f"Bearer {body['access_token']}"})
        assert limits.status_code == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "x"}, "invalid_client_id"),
        ({"grant_type": "client_credentials", "client_id": "{id}", "client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "device"}, "unsupported_grant_type"),
    ],
)
def test_a_refused_login_says_why(served: Served, form: dict[str, str], error: str) -> None:
    filled = {name: value.replace("{id}", served.credentials.client_id) for name, value in form.items()}
    answer = post(f"{served.url}/services/oauth2/token", data=filled)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"]


def test_a_signed_assertion_logs_in_even_when_its_expiry_is_text(served: Served) -> None:
    assert redeem(served, assertion(served)).status_code == 200
    assert redeem(served, assertion(served, aud=served.url)).status_code == 200
    assert redeem(served, assertion(served, exp=str(int(time.time()) + 120))).status_code == 200


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        ({"iss": "nobody"}, "client identifier invalid"),
        ({"sub": "nobody@mgdw.example"}, "user hasn't approved this consumer"),
        ({"aud": "https://example.com"}, "audience is invalid"),
        ({"exp": int(time.time()) - 10}, "expired authorization code"),
        ({"exp": int(time.time()) + 7200}, "expired authorization code"),
    ],
)
def test_an_assertion_with_a_wrong_claim_is_refused(
    served: Served, changes: dict[str, object], description: str
) -> None:
    answer = redeem(served, assertion(served, **changes))
    assert (answer.status_code, answer.json()["error_description"]) == (400, description)


def test_an_assertion_of_another_key_is_refused(served: Served) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    answer = redeem(served, assertion(served, key=other.private_bytes(*encoding).decode()))
    assert (answer.status_code, answer.json()["error_description"]) == (400, "invalid assertion")


def test_simple_salesforce_logs_in_by_jwt_and_is_refused_with_a_wrong_secret(
    served: Served, session: requests.Session
) -> None:
    known = served.credentials
    by_jwt = Salesforce(
        username=known.username,
        consumer_key=known.client_id,
        privatekey=known.private_key,
        session=session,
        version=VERSION,
    )
    assert by_jwt.query("SELECT COUNT() FROM Account")["totalSize"] == 36
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid client credentials"):
        Salesforce(
            consumer_key=known.client_id, consumer_secret="wrong", domain="mgdw.my", session=session, version=VERSION
        )


@pytest.mark.parametrize(
    "path", ["/limits", "/sobjects", "/sobjects/Account/describe", "/query?q=SELECT+Id+FROM+Account", "/jobs/query"]
)
def test_every_data_endpoint_wants_a_live_session(served: Served, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = get(served.data + path, headers=headers)
        assert answer.status_code == 401
        assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_sessions_that_expire_in_mid_run_are_refused_until_the_next_login(served: Served, client: httpx.Client) -> None:
    assert client.get("/limits").status_code == 200
    served.org.expire_sessions()
    assert client.get("/limits").status_code == 401
    assert client.get("/limits", headers={"Authorization": f"Bearer {served.log_in()}"}).status_code == 200


def test_a_session_ends_after_its_time(served: Served) -> None:
    served.org.options.session_seconds = 0
    answer = get(f"{served.data}/limits", headers={"Authorization": f"Bearer {served.log_in()}"})
    assert answer.status_code == 401
