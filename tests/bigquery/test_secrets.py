"""`secret://name` from Secret Manager: Google's own client against a server on loopback."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from prefect_gcp import GcpCredentials, GcpSecret
from pydantic import BaseModel, SecretStr

from connectors.errors import (
    ConfigurationError,
    PermissionMissing,
    SettingMissing,
    SourceUnavailable,
)
from connectors.google import GoogleAccess
from connectors.secrets import SecretManager, resolved
from flows.secrets import resolver
from flows.settings import FlowSettings
from sandbox.prefect_server import PrefectServer
from tests.bigquery.refusing import Refusing

PROJECT = "mgdw-test-secrets"
VALUE = "planted-secret-4711"


class Settings(BaseModel):
    user: str = "secret://acme-user"
    key: SecretStr = SecretStr("secret://acme-key@1")


@pytest.fixture
def google(secrets_url: str, monkeypatch: pytest.MonkeyPatch) -> GoogleAccess:
    monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", secrets_url)
    return GoogleAccess(PROJECT, "US")


@pytest.fixture
def vault(google: GoogleAccess) -> Iterator[SecretManagerServiceClient]:
    """Secret Manager; secrets that a test makes are gone after it."""
    client = google.secret_manager()
    yield client
    for secret in client.list_secrets(parent=f"projects/{PROJECT}"):
        client.delete_secret(name=secret.name)


def _store(vault: SecretManagerServiceClient, name: str, *values: str | bytes) -> None:
    secret = vault.create_secret(
        parent=f"projects/{PROJECT}", secret_id=name, secret={"replication": {"automatic": {}}}
    )
    for value in values:
        data = value.encode() if isinstance(value, str) else value
        vault.add_secret_version(parent=secret.name, payload={"data": data})


def test_the_newest_version_is_read_and_a_pinned_one_stays(
    google: GoogleAccess, vault: SecretManagerServiceClient
) -> None:
    _store(vault, "acme-user", "ada", "grace\n")
    _store(vault, "acme-key", "first", "second")
    found = resolved(Settings(), SecretManager(google))
    assert (found.user, found.key.get_secret_value()) == ("grace", "first")


def test_a_secret_is_read_once_a_run_and_anew_in_the_next(
    google: GoogleAccess, vault: SecretManagerServiceClient
) -> None:
    _store(vault, "acme-user", "ada")
    run = SecretManager(google)
    assert run("acme-user") == "ada"
    vault.add_secret_version(parent=f"projects/{PROJECT}/secrets/acme-user", payload={"data": b"grace"})
    assert run("acme-user") == "ada"
    assert SecretManager(google)("acme-user") == "grace"
    assert "ada" not in repr(run)


def test_every_secret_that_is_not_there_is_told_at_once_with_the_command_that_makes_it(
    google: GoogleAccess, vault: SecretManagerServiceClient
) -> None:
    _store(vault, "acme-key")
    with pytest.raises(SettingMissing) as caught:
        resolved(Settings(), SecretManager(google))
    assert f"there is no secret 'acme-user' in {PROJECT}" in caught.value.cause
    assert "secret 'acme-key' has no version 1" in caught.value.cause
    assert f"gcloud secrets create acme-user --project {PROJECT}" in caught.value.remedy


@pytest.mark.parametrize(("state", "remedy"), [("disabled", "versions enable 1"), ("destroyed", "Add a new one")])
def test_a_version_that_was_put_out_of_use_is_told_without_its_value(
    google: GoogleAccess, vault: SecretManagerServiceClient, state: str, remedy: str
) -> None:
    _store(vault, "acme-key", VALUE)
    version = f"projects/{PROJECT}/secrets/acme-key/versions/1"
    (vault.disable_secret_version if state == "disabled" else vault.destroy_secret_version)(name=version)
    with pytest.raises(SettingMissing, match=f"version 1 of secret 'acme-key' in {PROJECT} is {state}") as caught:
        SecretManager(google)("acme-key@1")
    assert remedy in caught.value.remedy
    assert VALUE not in str(caught.value)


def test_what_is_no_text_is_refused_without_showing_its_bytes(
    google: GoogleAccess, vault: SecretManagerServiceClient
) -> None:
    _store(vault, "acme-key", b"planted-\xff\xfe-4711")
    with pytest.raises(ConfigurationError, match="no text in UTF-8") as caught:
        SecretManager(google)("acme-key")
    assert "planted" not in repr(caught.value.__cause__) + str(caught.value)


@pytest.mark.parametrize("reference", ["acme key", "acme@0", "acme@newest", "projects/p/secrets/acme", ""])
def test_what_is_no_name_of_a_secret_is_refused_before_anyone_is_asked(google: GoogleAccess, reference: str) -> None:
    with pytest.raises(ConfigurationError, match="is no name of a secret"):
        SecretManager(google)(reference)


REFUSALS = {
    "no role": (
        403,
        "Permission 'secretmanager.versions.access' denied for resource (or it may not exist).",
        PermissionMissing,
        "roles/secretmanager.secretAccessor",
    ),
    "no API": (
        403,
        "Secret Manager API has not been used in project 42 before or it is disabled.",
        PermissionMissing,
        "gcloud services enable secretmanager.googleapis.com",
    ),
    "no login": (401, "Request had invalid authentication credentials.", ConfigurationError, "gcloud auth"),
    "something else": (400, "Invalid resource name.", ConfigurationError, ""),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_names_the_secret_the_project_and_the_role(refusal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    status, said, kind, remedy = REFUSALS[refusal]
    with Refusing(status, said) as server:
        monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", server.url)
        with pytest.raises(kind) as caught:
            SecretManager(GoogleAccess(PROJECT, "US"))("acme-key")
    assert type(caught.value) is kind
    assert "acme-key" in caught.value.cause or "not enabled" in caught.value.cause
    assert remedy in caught.value.remedy


def test_refusals_of_several_secrets_are_told_once_with_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    status, said, kind, _ = REFUSALS["no API"]
    with Refusing(status, said) as server:
        monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", server.url)
        with pytest.raises(kind) as caught:
            resolved(Settings(), SecretManager(GoogleAccess(PROJECT, "US")))
    assert caught.value.cause.count("not enabled") == 1


def test_a_manager_that_gives_no_answer_may_work_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", nowhere)
    monkeypatch.setattr("connectors.secrets._PATIENCE", 1.0)
    with pytest.raises(SourceUnavailable, match="acme-key"):
        SecretManager(GoogleAccess(PROJECT, "US"))("acme-key")


def test_the_flows_ask_the_manager_when_the_settings_say_so(
    google: GoogleAccess,
    vault: SecretManagerServiceClient,
    prefect_server: PrefectServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _store(vault, "acme-user", "ada")
    monkeypatch.setenv("MGDW_SECRETS", "gcp")
    monkeypatch.setenv("MGDW_GCP_PROJECT", PROJECT)
    assert resolver(FlowSettings.from_environment())("acme-user") == "ada"


def service_account(folder: Path, project: str = PROJECT) -> Path:
    """A key file as Google hands it out, with a key that was never used."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "key.json"
    told = {
        "type": "service_account", "project_id": project, "private_key_id": "1", "private_key": pem.decode(),
        "client_email": f"pipeline@{project}.iam.gserviceaccount.com", "client_id": "1",
        "token_uri": "http://127.0.0.1:9/token",
    }  # fmt: skip
    path.write_text(json.dumps(told))
    return path


class EmulatorCredentials(GcpCredentials):
    """The block with the emulator's client, for `GcpSecret`, which asks it for one."""

    _block_type_name = "GCP Emulator Credentials"
    _block_type_slug = "gcp-emulator-credentials"

    def get_secret_manager_client(self) -> SecretManagerServiceClient:
        return GoogleAccess(PROJECT, "US").secret_manager()


def test_prefects_own_secret_block_reads_the_same(
    google: GoogleAccess, vault: SecretManagerServiceClient, tmp_path: Path
) -> None:
    _store(vault, "acme-key", "first", "second")
    credentials = EmulatorCredentials(service_account_file=service_account(tmp_path), project=PROJECT)
    block = GcpSecret(gcp_credentials=credentials, secret_name="acme-key", secret_version="1")
    assert block.read_secret(_sync=True) == b"first"
    assert SecretManager(google)("acme-key@1") == "first"
