"""No secret is found in anything the program writes, says or shows, whether its logins work or fail."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import duckdb
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from connectors.errors import MgdwError
from connectors.netsuite.settings import NetSuiteSettings
from connectors.s3.settings import S3Settings
from connectors.salesforce.settings import SalesforceSettings
from connectors.secrets import resolved
from connectors.settings import SystemSettings
from connectors.tableau.server import signed_in
from connectors.tableau.settings import TableauSettings
from connectors.zuora.settings import ZuoraSettings
from flows import alerts
from flows.failures import flatten
from flows.netsuite import netsuite
from flows.s3_usage import s3_usage
from flows.salesforce import salesforce
from flows.settings import FlowSettings
from flows.sources import SOURCES, build_source
from flows.zuora import zuora
from sandbox.prefect_server import PrefectServer
from sandbox.sandbox import Sandbox
from tests.flows.conftest import Stage

SYSTEMS: tuple[type[SystemSettings], ...] = (
    FlowSettings, SalesforceSettings, NetSuiteSettings, ZuoraSettings, S3Settings, TableauSettings,
)  # fmt: skip
LOADS = (salesforce, netsuite, zuora, s3_usage)
LOGGERS = ("", "prefect", "prefect.flow_runs", "prefect.task_runs", "httpx", "httpcore", "urllib3", "tableau", "TSC")


def _other_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


WRONG = {
    "MGDW_SALESFORCE_CLIENT_SECRET": "wrong-salesforce-secret-4711",
    "MGDW_NETSUITE_PRIVATE_KEY": _other_key(),
    "MGDW_ZUORA_CLIENT_SECRET": "wrong-zuora-secret-4711",
    "MGDW_S3_SECRET_ACCESS_KEY": "wrong/s3+secret-4711",
    "MGDW_S3_SESSION_TOKEN": "wrong-session-token-4711",
    "MGDW_TABLEAU_TOKEN_SECRET": "wrong-tableau-secret-4711",
}
"""Secrets that every system refuses."""
BROKEN_KEY = "-----BEGIN PRIVATE KEY-----\nbm90LWEta2V5LWF0LWFsbC00NzExLW5vdC1hLWtleQ==\n-----END PRIVATE KEY-----\n"


@dataclass
class Needles:
    """The secrets to look for, each in the spellings in which it could have been written."""

    by_name: dict[str, set[bytes]] = field(default_factory=dict[str, set[bytes]])

    def add(self, name: str, secret: str) -> None:
        """A key counts by its lines, everything else as a whole."""
        pieces = [s for s in secret.splitlines() if not s.startswith("-----")] if "-----BEGIN" in secret else [secret]
        spellings = self.by_name.setdefault(name, set())
        for piece in pieces:
            plain = piece.encode()
            spellings |= {plain, quote(piece, safe="").encode(), quote_plus(piece).encode(), base64.b64encode(plain)}
            spellings.add(json.dumps(piece)[1:-1].encode())

    def found_in(self, content: bytes) -> list[str]:
        """Names of the secrets that occur."""
        return [name for name, spellings in self.by_name.items() if any(s in content for s in spellings)]


@dataclass
class Story:
    """What two rounds of work left behind: one with the right secrets, one with wrong ones."""

    stage: Stage
    server: PrefectServer
    needles: Needles
    log: str = ""
    errors: list[BaseException] = field(default_factory=list[BaseException])
    loaded: dict[str, int] = field(default_factory=dict[str, int])


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """All that any logger says, down to DEBUG, with tracebacks."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).addHandler(handler)
    try:
        yield said
    finally:
        for name, level in levels.items():
            logging.getLogger(name).removeHandler(handler)
            logging.getLogger(name).setLevel(level)


async def _load(story: Story, *loads: Any) -> None:
    """Run some sources' flows; failures are kept."""
    outcomes = await asyncio.gather(*(load() for load in loads), return_exceptions=True)
    for load, outcome in zip(loads, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            story.errors.append(outcome)
        else:
            story.loaded[load.name] = story.loaded.get(load.name, 0) + sum(r.read for r in outcome)


def _refresh(story: Story) -> None:
    """Refresh one data source on the Tableau site; a failure is kept."""
    try:
        with signed_in(resolved(TableauSettings.from_environment())) as site:
            assert [r.state for r in site.refresh(["Executive"])] == ["refreshed"]
    except MgdwError as error:
        story.errors.append(error)


@pytest.fixture(scope="module")
def story(prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with Sandbox(scale=0.1) as sandbox:
        stage = Stage(tmp_path_factory.mktemp("secrets"), sandbox)
        story = Story(stage, prefect_server, Needles())
        webhook = stage.environment()["MGDW_SLACK_WEBHOOK_URL"]
        with stage.settings():
            for name, secret in _secrets().items():
                story.needles.add(name, secret)
        story.needles.add("the webhook's token", sandbox.slack.token)
        # What the logins answer: Salesforce's sessions all begin like this, the others follow the word.
        story.needles.add("a Salesforce session", f"{sandbox.salesforce.credentials.organization_id[:15]}!AQ")
        story.needles.add("a bearer token", "Bearer ")
        for name, secret in {**WRONG, "a broken key": BROKEN_KEY, "a wrong webhook": "T0WRONG/B0WRONG/4711"}.items():
            story.needles.add(f"{name} (wrong)", secret)
        with everything_logged() as said:
            with stage.settings():
                asyncio.run(_load(story, *LOADS))
                _refresh(story)
            sandbox.advance(1)
            with stage.settings(MGDW_SALESFORCE_AUTH="jwt"):
                asyncio.run(_load(story, salesforce))
            with stage.settings(**WRONG):
                asyncio.run(_load(story, *LOADS))
                _refresh(story)
            keys = {"MGDW_NETSUITE_PRIVATE_KEY": BROKEN_KEY, "MGDW_SALESFORCE_PRIVATE_KEY": BROKEN_KEY}
            with stage.settings(**keys, MGDW_SALESFORCE_AUTH="jwt"):
                asyncio.run(_load(story, salesforce, netsuite))
            wrong_webhook = webhook.rpartition("/services/")[0] + "/services/T0WRONG/B0WRONG/4711"
            for address in (wrong_webhook, "http://127.0.0.1:9/services/T0WRONG/B0WRONG/4711"):
                with stage.settings(MGDW_SLACK_WEBHOOK_URL=address):
                    assert not asyncio.run(alerts.post("nobody hears this"))
        story.log = said.getvalue()
        yield story


def _secrets() -> dict[str, str]:
    """Every secret of every system's settings, by its variable."""
    found: dict[str, str] = {}
    for system in SYSTEMS:
        settings = system.from_environment()
        for name in type(settings).model_fields:
            value = getattr(settings, name)
            if isinstance(value, SecretStr):
                found[system.variable(name)] = value.get_secret_value()
    return found


def _content(path: Path) -> bytes:
    raw = path.read_bytes()
    return raw + (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else b"")


def _leaks_below(folder: Path, needles: Needles) -> dict[str, list[str]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): names for path in files if (names := needles.found_in(_content(path)))}


def _rows(database: Path) -> str:
    """Every row of every table, as text."""
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        return "\n".join(
            repr(connection.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall())
            for schema, name in tables
        )  # fmt: skip


def test_the_story_is_worth_searching(story: Story) -> None:
    assert set(story.loaded) == {load.name for load in LOADS}
    assert all(story.loaded.values())
    refused = [leaf for error in story.errors for leaf in flatten(error)]
    assert len(refused) == (len(LOADS) + 1) + 2, [str(error) for error in refused]
    assert story.stage.sandbox.slack.texts
    assert set(story.needles.by_name) >= {
        "MGDW_SLACK_WEBHOOK_URL", "MGDW_SALESFORCE_CLIENT_SECRET", "MGDW_SALESFORCE_PRIVATE_KEY",
        "MGDW_NETSUITE_PRIVATE_KEY", "MGDW_ZUORA_CLIENT_SECRET", "MGDW_S3_SECRET_ACCESS_KEY",
        "MGDW_TABLEAU_TOKEN_SECRET",
    }  # fmt: skip
    assert "salesforce" in story.log
    assert any((story.stage.home / "lake").rglob("manifest.json"))


def test_no_secret_is_in_the_lake_or_its_manifests(story: Story) -> None:
    assert _leaks_below(story.stage.home / "lake", story.needles) == {}


def test_no_secret_is_in_the_warehouse(story: Story) -> None:
    assert story.needles.found_in(_rows(story.stage.database).encode()) == []
    assert _leaks_below(story.stage.home, story.needles) == {}


def test_no_secret_is_in_what_prefect_keeps_of_runs_logs_and_artifacts(story: Story) -> None:
    assert _leaks_below(story.server.home, story.needles) == {}


def test_no_secret_is_in_any_log_line_down_to_debug(story: Story) -> None:
    leaks = {line[:200]: names for line in story.log.splitlines() if (names := story.needles.found_in(line.encode()))}
    assert leaks == {}


def test_no_secret_is_in_slack(story: Story) -> None:
    assert story.needles.found_in(json.dumps(story.stage.sandbox.slack.messages).encode()) == []


def test_no_secret_is_in_an_error_its_facts_or_its_traceback(story: Story) -> None:
    for error in story.errors:
        for leaf in flatten(error):
            shown = [str(leaf), repr(leaf), repr(vars(leaf)), "".join(traceback.format_exception(leaf))]
            assert story.needles.found_in("\n".join(shown).encode()) == []


def test_no_secret_is_in_the_repr_of_settings_sources_and_sessions(story: Story) -> None:
    async def shown() -> list[str]:
        texts: list[str] = []
        for name in SOURCES:
            async with build_source(name) as source:
                texts += _reprs(source, depth=3)
        return texts

    with story.stage.settings():
        texts = [repr(resolved(system.from_environment())) for system in SYSTEMS]
        texts += [resolved(system.from_environment()).model_dump_json() for system in SYSTEMS]
        texts += asyncio.run(shown())
    assert story.needles.found_in("\n".join(texts).encode()) == []


def test_a_setting_that_is_wrong_is_told_without_its_value(story: Story) -> None:
    with story.stage.settings(MGDW_ZUORA_BASE_URL="http://user:planted-secret-4711@zuora.example", MGDW_S3_BUCKET="x"):
        for system in (ZuoraSettings, S3Settings):
            with pytest.raises(MgdwError) as caught:
                system.from_environment()
            assert "planted-secret-4711" not in "".join(traceback.format_exception(caught.value))


def _reprs(thing: Any, depth: int) -> list[str]:
    """The repr of an object of ours and of the objects it holds."""
    texts = [repr(thing)]
    if depth and type(thing).__module__.startswith("connectors."):
        for value in vars(thing).values():
            texts += [] if isinstance(value, str) else _reprs(value, depth - 1)
    return texts


@pytest.mark.parametrize(
    "hide", [str.encode, lambda s: gzip.compress(s.encode()), lambda s: base64.b64encode(s.encode())]
)
def test_the_search_finds_a_planted_secret_in_a_file(tmp_path: Path, hide: Any) -> None:
    needles = Needles()
    needles.add("planted", "wrong/s3+secret-4711")
    (tmp_path / "part").write_bytes(hide("wrong/s3+secret-4711"))
    assert list(_leaks_below(tmp_path, needles).values()) == [["planted"]]


def test_the_search_finds_a_planted_secret_in_a_log_line_a_table_and_a_key_in_part(tmp_path: Path) -> None:
    needles = Needles()
    needles.add("planted", BROKEN_KEY)
    inner = BROKEN_KEY.splitlines()[1]
    with everything_logged() as said:
        logging.getLogger("prefect").debug("the key is %s", inner)
        logging.getLogger("some.library").debug("the key is %s", inner)
    assert said.getvalue().count(inner) >= 2
    database = tmp_path / "w.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE SCHEMA STG; CREATE TABLE STG._quarantine (raw VARCHAR)")
        connection.execute("INSERT INTO STG._quarantine VALUES (?)", [f"key: {inner}"])
    assert needles.found_in(_rows(database).encode()) == ["planted"]
