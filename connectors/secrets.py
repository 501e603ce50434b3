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
    """A copy of `settings` in which every `secret://name` is replaced by the secret itself."""
    found: dict[str, SecretStr] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and value.get_secret_value().startswith(SCHEME):
            found[name] = SecretStr(resolve(value.get_secret_value().removeprefix(SCHEME)))
    return settings.model_copy(update=found)
