"""Settings of the Salesforce org."""

from __future__ import annotations

import pytest

from connectors.errors import ConfigurationError, SettingMissing
from connectors.salesforce.auth import SalesforceAuth
from connectors.salesforce.settings import SalesforceSettings
from connectors.secrets import resolved

URL = "https://acme.my.salesforce.com"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SalesforceSettings.model_fields:
        monkeypatch.delenv(SalesforceSettings.variable(name), raising=False)


def test_they_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MGDW_SALESFORCE_LOGIN_URL", f"{URL}/")
    monkeypatch.setenv("MGDW_SALESFORCE_API_VERSION", "66.0")
    monkeypatch.setenv("SFDC_CLIENT_ID", "consumer-key\n")
    monkeypatch.setenv("SFDC_CLIENT_SECRET", "hidden-value")
    settings = resolved(SalesforceSettings())
    assert settings.login_url == URL
    assert settings.api_version == "66.0"
    assert settings.client_id == "consumer-key"
    assert settings.client_secret is not None
    assert settings.client_secret.get_secret_value() == "hidden-value"
    assert "hidden-value" not in repr(settings)


def test_a_missing_address_is_named_as_its_variable() -> None:
    with pytest.raises(SettingMissing, match="MGDW_SALESFORCE_LOGIN_URL: is not set"):
        SalesforceSettings()


def test_all_problems_are_told_at_once_and_no_value() -> None:
    with pytest.raises(ConfigurationError) as caught:
        SalesforceSettings(
            login_url="http://acme.example",
            api_version="sixty",
            tables_at_once=0,
            overlap_seconds="hunter2",
            auth="magic",
        )
    text = str(caught.value)
    for name in ("LOGIN_URL", "API_VERSION", "TABLES_AT_ONCE", "OVERLAP_SECONDS", "AUTH"):
        assert f"MGDW_SALESFORCE_{name}: " in text
    assert "hunter2" not in text
    assert "5 settings" in text


def test_plain_http_is_for_this_machine_only() -> None:
    assert SalesforceSettings(login_url="http://127.0.0.1:8080").login_url == "http://127.0.0.1:8080"
    with pytest.raises(ConfigurationError, match="in the clear"):
        SalesforceSettings(login_url="http://acme.my.salesforce.com")


def test_only_the_secrets_of_the_chosen_login_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFDC_CLIENT_ID", "consumer-key")
    with pytest.raises(SettingMissing, match="sfdc-username.*sfdc-private-key") as caught:
        resolved(SalesforceSettings(login_url=URL, auth="jwt"))
    assert "sfdc-client-secret" not in str(caught.value)
    assert "SFDC_USERNAME" in caught.value.remedy


def test_a_key_that_is_none_is_refused_without_being_shown() -> None:
    settings = SalesforceSettings(
        login_url=URL, auth="jwt", client_id="key", username="ada@acme.example", private_key="-----BEGIN nonsense"
    )
    with pytest.raises(ConfigurationError, match="MGDW_SALESFORCE_PRIVATE_KEY is no RSA private key") as caught:
        SalesforceAuth(settings)
    assert "nonsense" not in str(caught.value)
