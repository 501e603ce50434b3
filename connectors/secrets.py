"""Secrets are names until used: `secret://sfdc-client-secret` is resolved when a connector is built, not before."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, SecretStr

from connectors.errors import SettingMissing

SCHEME = "secret://"
SecretResolver = Callable[[str], str]
SettingsT = TypeVar("SettingsT", bound=BaseModel)


def from_environment(name: str) -> str:
    """Resolve `sfdc-client-secret` from the environment variable `SFDC_CLIENT_SECRET`."""
    variable = name.upper().replace("-", "_")
    try:
        return os.environ[variable]
    except KeyError:
        raise SettingMissing(
            f"secret {name!r} is not in the environment", remedy=f"Set {variable}, or point the setting elsewhere."
        ) from None


def resolved(settings: SettingsT, resolve: SecretResolver = from_environment) -> SettingsT:
    """A copy of `settings` in which every `secret://name` is replaced by the secret itself.

    White space around a secret is dropped: secret stores keep the line end a careless `echo` gave them.

    Raises:
        SettingMissing: with every secret that is absent or empty.
    """
    found: dict[str, str | SecretStr] = {}
    missing: list[SettingMissing] = []
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str) or not text.startswith(SCHEME):
            continue
        name = text.removeprefix(SCHEME)
        try:
            secret = resolve(name).strip()
            if not secret:
                raise SettingMissing(f"secret {name!r} is empty", remedy="Store the secret's value.")
        except SettingMissing as error:
            missing.append(error)
            continue
        found[field] = SecretStr(secret) if isinstance(value, SecretStr) else secret
    if len(missing) > 1:
        raise SettingMissing(
            "; ".join(error.cause for error in missing), remedy=" ".join(error.remedy for error in missing)
        )
    if missing:
        raise missing[0]
    return settings.model_copy(update=found)
