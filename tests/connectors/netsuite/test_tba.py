"""Token-based authentication: signatures as the RFC has them, and as the sandbox verifies them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.batch import BatchRequest
from connectors.errors import CredentialsRefused
from connectors.lake.local import LocalLake
from connectors.netsuite.source import SUITEQL_PATH
from connectors.netsuite.tba import TokenKeys, authorization, base_string, escaped, signature
from connectors.window import Window
from sandbox.faults import Faults
from sandbox.netsuite.app import create_app
from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.server import Servers
from tests.connectors.netsuite.conftest import Office, extracted, table

QUERY = f"POST {SUITEQL_PATH}"
NAMED = {
    "oauth_consumer_key": "9djdj82h48djs9d2",
    "oauth_token": "kkk9d7dh3k39sjv7",
    "oauth_signature_method": "HMAC-SHA1",
    "oauth_timestamp": "137131201",
    "oauth_nonce": "7d8f3e4a",
}


def signed(office: Office, **changes: Any) -> dict[str, Any]:
    own = office.account.credentials
    return {
        "auth": "token",
        "consumer_secret": SecretStr(own.consumer_secret),
        "token_id": own.token_id,
        "token_secret": SecretStr(own.token_secret),
        "certificate_id": None,
        "private_key": None,
        **changes,
    }


def test_the_base_string_is_the_one_of_rfc_5849() -> None:
    """Section 3.4.1.1, its worked example."""
    url = "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b"
    assert base_string("post", url, NAMED, [("c2", ""), ("a3", "2 q")]) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26"
        "c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26"
        "oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def test_the_signature_is_the_one_of_the_specification() -> None:
    """OAuth Core 1.0, appendix A.5: the photo example, which RFC 5849 (section 1.2) has with other nonces."""
    named = {
        "oauth_consumer_key": "dpf43f3p2l4k3l03",
        "oauth_token": "nnch734d00sl2jdk",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "1191242096",
        "oauth_nonce": "kllo9940pd9333jh",
        "oauth_version": "1.0",
    }
    text = base_string("GET", "http://photos.example.net/photos?file=vacation.jpg&size=original", named)
    assert signature(text, "kd94hf93k423kf44", "pfkkdhi9sl3r4s00", "HMAC-SHA1") == "tR3+Ty81lMeYAr/Fid0kMTYa/WM="


def test_sha256_is_the_default_and_differs_from_sha1_in_nothing_but_the_digest() -> None:
    """The digest of "Hi There"-like vectors is the library's; here: the same base string, another length."""
    assert len(signature("x", "a", "b")) == 44
    assert len(signature("x", "a", "b", "HMAC-SHA1")) == 28


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://Host.Example:443/a", "https://host.example/a"),
        ("http://host:8080/a?x=1", "http://host:8080/a"),
        ("https://host", "https://host/"),
    ],
)
def test_the_address_is_signed_without_its_usual_port(url: str, address: str) -> None:
    assert base_string("GET", url, {}).split("&")[1] == escaped(address)


def test_the_header_has_the_realm_and_shows_no_secret() -> None:
    keys = TokenKeys("1234567_SB1", "ck", "planted-consumer", "tk", "planted-token")
    header = authorization(keys, "POST", "https://h/x?limit=5&offset=0", timestamp=1, nonce="n")
    assert header.startswith('OAuth realm="1234567_SB1", oauth_consumer_key="ck", oauth_token="tk"')
    assert re.search(r'oauth_signature="[A-Za-z0-9%]+"$', header)
    assert "planted" not in header + repr(keys)


async def test_a_signed_run_reads_the_account_without_a_login(office: Office, lake: LocalLake) -> None:
    async with office.source(**signed(office)) as source:
        request = BatchRequest(table("customers"), Window(None, office.world.now))
        manifest = (await extracted(source, lake, [request]))["netsuite_customers"]
    assert manifest.rows
    assert not any("token" in call for call in office.faults.seen)


async def test_every_try_is_signed_anew(office: Office, lake: LocalLake) -> None:
    """The sandbox refuses a nonce that comes twice, and the first answer was lost after it was served."""
    async with office.source(**signed(office)) as source:
        office.faults.arm(QUERY, drop="after")
        request = BatchRequest(table("products"), Window(None, office.world.now))
        assert (await extracted(source, lake, [request]))["netsuite_products"].rows


@pytest.mark.parametrize("change", ["consumer_secret", "token_id", "token_secret", "client_id"])
async def test_a_wrong_secret_is_refused_at_once_and_never_shown(office: Office, change: str) -> None:
    wrong = "planted-secret" if change in ("token_id", "client_id") else SecretStr("planted-secret")
    source = office.source(**signed(office, **{change: wrong}))
    with pytest.raises(CredentialsRefused) as caught:
        async with source:
            pass
    assert "planted" not in f"{caught.value}{caught.value.facts}"
    assert source.calls == 1


@pytest.mark.parametrize("auth", ["token", "certificate"])
async def test_a_clock_that_is_off_is_named_as_the_reason(office: Office, auth: str) -> None:
    faults = Faults()
    faults.arm(
        "POST",
        times=None,
        status=401 if auth == "token" else 400,
        headers={"date": "Tue, 01 Jan 2030 00:00:00 GMT"},
        body={"error": "invalid_grant"},
    )
    with Servers() as servers:
        url = servers.serve(create_app(office.world, NetSuiteCredentials(), faults), date_header=False)
        with pytest.raises(CredentialsRefused) as caught:
            async with office.source(base_url=url, **(signed(office) if auth == "token" else {})):
                pass
    assert "Set this machine's clock" in caught.value.remedy
    assert "behind NetSuite's" in caught.value.remedy
