"""Secrets are names until used."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, SecretStr

from connectors.errors import SettingMissing
from connectors.secrets import resolved


class Settings(BaseModel):
    user: str = "secret://acme-user"
    key: SecretStr = SecretStr("secret://acme-key")
    other: SecretStr | None = None
    plain: SecretStr = SecretStr("as it is")
    rows: int = 5


def test_names_are_replaced_by_what_they_stand_for() -> None:
    found = resolved(Settings(), {"acme-user": "ada", "acme-key": "-----BEGIN\nKEY\n"}.__getitem__)
    assert found.user == "ada"
    assert found.key.get_secret_value() == "-----BEGIN\nKEY"
    assert found.plain.get_secret_value() == "as it is"
    assert (found.other, found.rows) == (None, 5)


def test_the_settings_themselves_keep_the_names() -> None:
    settings = Settings()
    resolved(settings, lambda _: "hidden")
    assert settings.key.get_secret_value() == "secret://acme-key"


def test_a_resolved_secret_does_not_show() -> None:
    assert "hidden" not in repr(resolved(Settings(user="ada"), lambda _: "hidden"))


def test_the_environment_holds_them_under_their_upper_case_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_USER", "ada")
    monkeypatch.setenv("ACME_KEY", "hidden")
    assert resolved(Settings()).user == "ada"


def test_every_missing_and_empty_secret_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACME_USER", raising=False)
    monkeypatch.setenv("ACME_KEY", " \n")
    with pytest.raises(SettingMissing) as caught:
        resolved(Settings())
    assert "'acme-user' is not in the environment" in caught.value.cause
    assert "'acme-key' is empty" in caught.value.cause
    assert "ACME_USER" in caught.value.remedy


def test_one_missing_secret_is_told_as_the_resolver_said_it() -> None:
    def refuse(name: str) -> str:
        raise SettingMissing(f"no access to {name}", remedy="Ask the project's owner.")

    with pytest.raises(SettingMissing, match="no access to acme-key") as caught:
        resolved(Settings(user="ada"), refuse)
    assert caught.value.remedy == "Ask the project's owner."
