"""What the settings of all outside systems share: problems reported together and without values, safe URLs."""

from __future__ import annotations

from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.errors import ConfigurationError, SettingMissing

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def is_loopback(url: str) -> bool:
    """True when the URL's host is this machine."""
    return urlsplit(url).hostname in _LOOPBACK


def safe_url(url: str) -> str:
    """The URL without a trailing slash. Raises ValueError unless it is https, or http to this machine."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("is no URL: it starts with https:// and names a host")
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError("would send secrets in the clear: use https:// (http:// is for this machine only)")
    if parts.username or parts.password:
        raise ValueError("must not carry a user or a password")
    return url.rstrip("/")


SafeUrl = Annotated[str, AfterValidator(safe_url)]


class SystemSettings(BaseSettings):
    """Settings of one outside system, from environment variables with the model's prefix.

    Raises:
        SettingMissing: at construction, when nothing is wrong but required settings are absent.
        ConfigurationError: at construction, with every problem; never with a value.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise self._explained(error) from None

    @classmethod
    def from_environment(cls) -> Self:
        """The settings as the environment has them."""
        given: dict[str, Any] = {}
        return cls(**given)

    @classmethod
    def variable(cls, name: str) -> str:
        """The environment variable of a field."""
        return f"{cls.model_config.get('env_prefix', '')}{name}".upper()

    @classmethod
    def _explained(cls, error: ValidationError) -> ConfigurationError:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        lines = [f"{cls.variable(str(p['loc'][0])) + ': ' if p['loc'] else ''}{_words(p['msg'])}" for p in problems]
        kind = SettingMissing if all(p["type"] == "missing" for p in problems) else ConfigurationError
        names = [cls.variable(str(p["loc"][0])) for p in problems if p["loc"]]
        if len(lines) == 1:
            return kind(lines[0], remedy="Set the environment variable named above.", settings=names)
        return kind(
            f"{len(lines)} settings are wrong or missing:\n" + "\n".join(f"  {line}" for line in lines),
            remedy="Set the environment variables named above.",
            settings=names,
        )


def _words(message: str) -> str:
    return {"Field required": "is not set"}.get(message, message.removeprefix("Value error, "))
