"""Secrets are names until used: `secret://sfdc-client-secret` is resolved when a connector is built, not before.

`secret://sfdc-client-secret@3` is its version 3; without a number it is the newest one.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, SecretStr

from connectors.errors import (
    ConfigurationError,
    CredentialsRefused,
    PermissionMissing,
    SettingMissing,
    SourceUnavailable,
)

if TYPE_CHECKING:
    from google.api_core.exceptions import GoogleAPICallError

    from connectors.google import GoogleAccess

SCHEME = "secret://"
SecretResolver = Callable[[str], str]
SettingsT = TypeVar("SettingsT", bound=BaseModel)
_NAME = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,255})(@(?P<version>[1-9][0-9]*|latest))?")
"""What Secret Manager takes for a secret's id (REST reference, projects.secrets.create), and a version of it."""
_PATIENCE = 30.0
"""Seconds for one secret, the client's own retries included."""


def parse(reference: str) -> tuple[str, str | None]:
    """The name and the version of `sfdc-client-secret@3`; the version is None for the newest.

    Raises:
        ConfigurationError: it is no such name.
    """
    found = _NAME.fullmatch(reference)
    if not found:
        raise ConfigurationError(
            f"{SCHEME}{reference} is no name of a secret",
            remedy=f"Write it as {SCHEME}sfdc-client-secret, or {SCHEME}sfdc-client-secret@3 for its version 3: "
            "letters, digits, - and _.",
        )
    version = found["version"]
    return found["name"], None if version == "latest" else version


def variable_of(reference: str) -> str:
    """The environment variable that holds a secret. It knows no versions."""
    return parse(reference)[0].upper().replace("-", "_")


def from_environment(reference: str) -> str:
    """Resolve `sfdc-client-secret` from the environment variable `SFDC_CLIENT_SECRET`."""
    variable = variable_of(reference)
    try:
        return os.environ[variable]
    except KeyError:
        raise SettingMissing(
            f"secret {reference!r} is not in the environment",
            remedy=f"Set {variable}, or point the setting elsewhere.",
        ) from None


class SecretManager:
    """Resolves from Google Secret Manager. What was read once is kept for as long as this object lives: one run.

    Safe to call from several threads. Its repr shows no secret.
    """

    def __init__(self, google: GoogleAccess) -> None:
        self._google = google
        self._turn = threading.Lock()
        self._known: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"SecretManager({self._google.project!r}, {len(self._known)} read)"

    def __call__(self, reference: str) -> str:
        """The secret's text.

        Raises:
            SettingMissing: no such secret or version, or its version is disabled or destroyed.
            PermissionMissing: the account may not read it, or the API is not enabled.
            CredentialsRefused: Google refused the login.
            ConfigurationError: no credentials; not a text.
            SourceUnavailable: Secret Manager gave no answer.
        """
        with self._turn:
            if reference not in self._known:
                self._known[reference] = self._read(reference)
            return self._known[reference]

    def _read(self, reference: str) -> str:
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError

        name, version = parse(reference)
        path = f"projects/{self._google.project}/secrets/{name}/versions/{version or 'latest'}"
        try:
            payload = self._google.secret_manager().access_secret_version(name=path, timeout=_PATIENCE).payload
            return payload.data.decode()
        except GoogleAPICallError as error:
            raise _explained(self._google.project, reference, error) from None
        except (RetryError, OSError) as error:
            raise SourceUnavailable(f"Secret Manager gave no answer for {name!r} ({type(error).__name__})") from None
        except TransportError as error:
            raise SourceUnavailable(f"Google's login gave no answer for {name!r} ({type(error).__name__})") from None
        except DefaultCredentialsError as error:
            raise ConfigurationError(
                f"there are no Google credentials to read secret {name!r} with ({type(error).__name__})",
                remedy="On GKE bind the pod's service account to a Google one (Workload Identity); on a laptop run "
                "`gcloud auth application-default login`, or make the GcpCredentials block: `mgdw blocks --key-file`.",
            ) from None
        except GoogleAuthError as error:
            raise CredentialsRefused(
                f"Google refused the login with which secret {name!r} was to be read ({type(error).__name__})",
                remedy="A key that was deleted or a clock that is minutes off: check with `gcloud iam service-accounts "
                "keys list`; on a laptop log in again with `gcloud auth application-default login`.",
            ) from None
        except UnicodeDecodeError:
            # Its text would show bytes of the secret.
            raise ConfigurationError(
                f"secret {name!r} is no text in UTF-8", remedy="Store the secret's text, not an encoded file."
            ) from None


def _explained(
    project: str, reference: str, error: GoogleAPICallError
) -> SettingMissing | PermissionMissing | SourceUnavailable | ConfigurationError:
    """What Secret Manager refused, in words (REST reference, projects.secrets.versions.access)."""
    name, version = parse(reference)
    said = error.message or ""
    code = int(error.code or 0)
    if code == 404:
        if version is not None:
            return SettingMissing(
                f"secret {name!r} has no version {version} in {project}",
                remedy=f"`gcloud secrets versions list {name} --project {project}` shows those it has; correct "
                f"{SCHEME}{reference}, or leave @{version} out for the newest.",
            )
        return SettingMissing(
            f"there is no secret {name!r} in {project}, or it has no version yet",
            remedy=f"`gcloud secrets create {name} --project {project}` if it is not there, then `gcloud secrets "
            f"versions add {name} --project {project} --data-file=-`.",
        )
    if code == 400 and re.search(r"DISABLED|DESTROYED", said, re.IGNORECASE):
        state = "destroyed" if "DESTROYED" in said.upper() else "disabled"
        which = f"version {version}" if version else "the newest version"
        enable = f"gcloud secrets versions enable {version or 'VERSION'} --secret {name} --project {project}"
        return SettingMissing(
            f"{which} of secret {name!r} in {project} is {state}",
            remedy=(f"Enable it: `{enable}`, or add" if state == "disabled" else "Add")
            + f" a new one: `gcloud secrets versions add {name} --project {project} --data-file=-`.",
        )
    if code == 403 and (error.reason == "SERVICE_DISABLED" or "has not been used in project" in said):
        return PermissionMissing(
            f"the Secret Manager API is not enabled in {project}",
            remedy=f"`gcloud services enable secretmanager.googleapis.com --project {project}`.",
        )
    if code in (401, 403):
        return PermissionMissing(
            f"secret {name!r} in {project} may not be read by the account this runs as",
            remedy=f"Grant roles/secretmanager.secretAccessor: `gcloud secrets add-iam-policy-binding {name} --project "
            f"{project} --member serviceAccount:ACCOUNT --role roles/secretmanager.secretAccessor`.",
        )
    if code == 429 or code >= 500:
        return SourceUnavailable(f"Secret Manager answered {code} for {name!r}")
    return ConfigurationError(f"Secret Manager refused {name!r}: {code} {said[:200]}")


def named_in(settings: BaseModel) -> dict[str, str]:
    """The secrets that settings name: field → `name` or `name@version`."""
    found: dict[str, str] = {}
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and text.startswith(SCHEME):
            found[field] = text.removeprefix(SCHEME)
    return found


def resolved(settings: SettingsT, resolve: SecretResolver = from_environment) -> SettingsT:
    """A copy of `settings` in which every `secret://name` is replaced by the secret itself.

    White space around a secret is dropped: secret stores keep the line end a careless `echo` gave them.

    Raises:
        SettingMissing, ConfigurationError: with every secret that is absent, empty or not ours to read.
        SourceUnavailable: where secrets are kept gave no answer.
    """
    found: dict[str, str | SecretStr] = {}
    problems: list[ConfigurationError] = []
    for field, name in named_in(settings).items():
        try:
            secret = resolve(name).strip()
            if not secret:
                raise SettingMissing(f"secret {name!r} is empty", remedy="Store the secret's value.")
        except ConfigurationError as error:
            problems.append(error)
            continue
        found[field] = SecretStr(secret) if isinstance(getattr(settings, field), SecretStr) else secret
    if len(problems) == 1:
        raise problems[0]
    if problems:
        kinds = {type(error) for error in problems}
        kind = kinds.pop() if len(kinds) == 1 else ConfigurationError
        raise kind(
            "; ".join(dict.fromkeys(error.cause for error in problems)),
            remedy=" ".join(dict.fromkeys(error.remedy for error in problems)),
        )
    return settings.model_copy(update=found)
