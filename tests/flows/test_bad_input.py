"""What people and outside systems get wrong: one clear error each, nothing half-written, the next good run heals."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.errors import ConfigurationError, ContractError
from flows.dbt import dbt
from flows.failures import StepFailed
from flows.load import LoadFailed
from flows.netsuite import netsuite
from flows.s3_usage import s3_usage
from flows.salesforce import salesforce
from flows.tableau import tableau
from flows.zuora import zuora
from tests.flows.conftest import ROOT, Stage
from tests.flows.oracle import Oracle

FLOWS: dict[str, Any] = {"salesforce": salesforce, "netsuite": netsuite, "zuora": zuora, "s3": s3_usage}
SMALL = {
    "salesforce": ["sfdc_user", "sfdc_campaign"],
    "netsuite": ["netsuite_products", "netsuite_customers"],
    "zuora": ["zuora_product", "zuora_account"],
    "s3": ["s3_cm_usage_data", "s3_emma_usage_data"],
}
"""Two tables of each source: what breaks one of them must leave the other alone."""
NO_PATIENCE = {"MGDW_S3_RETRIES": "0"}


@pytest.fixture(scope="module")
def oracle(stage: Stage) -> Oracle:
    return Oracle(stage.home / "oracle.duckdb", stage.sandbox.world)


@pytest.fixture
def fresh(stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Stage]:
    """An empty lake and warehouse in front of the module's sandbox. No run of the test may have logged a traceback."""
    sandbox = stage.sandbox
    sandbox.slack.messages.clear()
    yield Stage(tmp_path, sandbox)
    for faults in sandbox.faults.values():
        faults.clear()
    logged = [record.getMessage() for record in caplog.records if record.exc_info]
    assert not logged
    told = "\n".join([caplog.text, *sandbox.slack.texts])
    assert "Traceback" not in told
    for secret in (sandbox.slack.token, *_secrets(sandbox.environment())):
        assert secret not in told


def _secrets(settings: dict[str, str]) -> list[str]:
    """The secrets among the settings, in the piece that could show up; of a key its first line of base64."""
    values = [v for name, v in settings.items() if name.endswith(("SECRET", "PRIVATE_KEY", "SECRET_ACCESS_KEY"))]
    return [value.splitlines()[1] if "\n" in value else value for value in values]


def _fails(stage: Stage, source: str, changes: dict[str, str] | None = None, **parameters: Any) -> LoadFailed:
    with pytest.raises(LoadFailed) as caught:
        stage.run(FLOWS[source], {**NO_PATIENCE, **(changes or {})}, **parameters)
    error = caught.value
    assert {f.step for f in error.failures} == {source}
    assert len(stage.sandbox.slack.messages) == 1
    told = "\n".join([str(error), *(f"{f.cause} {f.remedy}" for f in error.failures), *stage.sandbox.slack.texts])
    for secret in _secrets(changes or {}):
        assert secret not in told
    return error


def _assert_one_cause(stage: Stage, error: LoadFailed, tables: list[str]) -> None:
    """Every table is named once, all have one cause and one remedy, and Slack tells it once."""
    assert sorted(f.what for f in error.failures) == sorted(tables)
    assert len({(f.cause, f.remedy) for f in error.failures}) == 1
    (text,) = stage.sandbox.slack.texts
    assert text.count(error.failures[0].cause.splitlines()[0]) == 1
    assert all(f"`{table}`" in text for table in tables)
    assert error.failures[0].remedy in text


def _assert_nothing_half_written(stage: Stage) -> None:
    leftovers = [p for p in (stage.home / "lake").rglob("*") if p.name.endswith(".partial")]
    assert not leftovers


def _assert_heals(stage: Stage, oracle: Oracle, source: str, **parameters: Any) -> None:
    """The next good run loads all that was missing, and is silent."""
    _assert_nothing_half_written(stage)
    messages = len(stage.sandbox.slack.messages)
    tables = parameters.setdefault("tables", SMALL[source])
    stage.run(FLOWS[source], **parameters)
    assert oracle.differences(stage.database, tables) == {}
    assert len(stage.sandbox.slack.messages) == messages


def _other_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


WRONG_SECRETS: dict[str, Callable[[], dict[str, str]]] = {
    "salesforce": lambda: {"MGDW_SALESFORCE_CLIENT_SECRET": "the-wrong-secret"},
    "netsuite": lambda: {"MGDW_NETSUITE_PRIVATE_KEY": _other_key()},
    "zuora": lambda: {"MGDW_ZUORA_CLIENT_SECRET": "the-wrong-secret"},
    "s3": lambda: {"MGDW_S3_SECRET_ACCESS_KEY": "the-wrong-secret"},
}


@pytest.mark.parametrize("source", FLOWS)
def test_a_wrong_secret_is_one_refusal_that_names_the_settings(fresh: Stage, oracle: Oracle, source: str) -> None:
    error = _fails(fresh, source, WRONG_SECRETS[source](), tables=SMALL[source])
    if source == "s3":
        assert {f.what for f in error.failures} == set(SMALL["s3"])
    else:
        _assert_one_cause(fresh, error, SMALL[source])
    assert "refused" in error.failures[0].cause.lower() or "SignatureDoesNotMatch" in error.failures[0].cause
    assert "secret" in error.failures[0].remedy.lower() or "key" in error.failures[0].remedy.lower()
    _assert_heals(fresh, oracle, source)


@pytest.mark.parametrize("source", FLOWS)
def test_a_server_in_maintenance_is_not_asked_for_an_hour(fresh: Stage, oracle: Oracle, source: str) -> None:
    faults = fresh.sandbox.faults[source]
    faults.arm(".", times=None, status=503, headers={"Retry-After": "3600"})
    error = _fails(fresh, source, tables=SMALL[source])
    assert {f.what for f in error.failures} == set(SMALL[source])
    assert "503" in error.failures[0].cause
    assert "run" in error.failures[0].remedy.lower()
    faults.clear()
    _assert_heals(fresh, oracle, source)


def test_a_server_that_is_not_there_is_told_by_its_name(fresh: Stage) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}"
    sources = ("zuora", "s3")  # the three that speak HTTP wait in one way, some eight seconds

    async def both() -> list[Any]:
        return await asyncio.gather(*(FLOWS[s](tables=SMALL[s][:1]) for s in sources), return_exceptions=True)

    with fresh.settings(**NO_PATIENCE, MGDW_ZUORA_BASE_URL=nowhere, MGDW_S3_ENDPOINT_URL=nowhere):
        errors = asyncio.run(both())
    for source, error in zip(sources, errors, strict=True):
        assert isinstance(error, LoadFailed)
        (failure,) = error.failures
        assert failure.what == SMALL[source][0]
        assert source in failure.cause.lower()
        assert "reachable" in failure.remedy
    assert len(fresh.sandbox.slack.messages) == len(sources)


EXPIRY = {
    "salesforce": ("GET .*(queryAll|jobs/query/.*/result)", 0),
    "netsuite": ("POST .*/suiteql", 4),
    "zuora": ("GET /v1/file", 0),
}


@pytest.mark.parametrize("source", EXPIRY)
def test_a_token_that_expires_in_mid_run_is_renewed(fresh: Stage, oracle: Oracle, source: str) -> None:
    pattern, after = EXPIRY[source]
    faults = fresh.sandbox.faults[source]
    faults.arm(pattern, after=after, act=getattr(fresh.sandbox, source).expire_sessions)
    results = fresh.run(FLOWS[source], tables=SMALL[source])
    assert not faults.pending
    assert {result.table for result in results} == set(SMALL[source])
    assert fresh.sandbox.slack.messages == []
    _assert_heals(fresh, oracle, source)


def _project(home: Path, *changes: tuple[str, str, str]) -> tuple[Path, list[str]]:
    """A copy of the contract with (source, old, new) replaced once each; also where, as `file:line`."""
    project = home / "dbt-project"
    staging = project / "models" / "staging"
    shutil.copytree(ROOT / "dbt" / "models" / "staging", staging)
    places: list[str] = []
    for source, old, new in changes:
        path = staging / source / f"_{source}__sources.yml"
        text = path.read_text()
        assert old in text
        places.append(f"{path.name}:{text[: text.index(old)].count(chr(10)) + 1}")
        path.write_text(text.replace(old, new, 1))
    return project, places


OBJECTS = {"salesforce": "Campaign", "netsuite": "customer", "zuora": "Account", "s3": "emma/usage/"}


@pytest.mark.parametrize("source", OBJECTS)
def test_an_unknown_object_stops_its_table_only(fresh: Stage, oracle: Oracle, source: str) -> None:
    good, broken = SMALL[source]
    word, wrong = ("prefix", "nonsense/") if source == "s3" else ("object", "Nonsense")
    project, _ = _project(fresh.home, (source, f"{word}: {OBJECTS[source]}\n", f"{word}: {wrong}\n"))
    error = _fails(fresh, source, {"MGDW_DBT_PROJECT_DIR": str(project)}, tables=SMALL[source])
    _assert_one_cause(fresh, error, [broken])
    assert "nonsense" in error.failures[0].cause.lower()
    assert word in error.failures[0].remedy
    assert {result.table for result in error.results} == {good}
    assert oracle.differences(fresh.database, [good]) == {}
    _assert_heals(fresh, oracle, source)


HIDDEN = {
    "salesforce": ("Campaign.ActualCost", "ActualCost"),
    "netsuite": ("customer.email", "email"),
    "zuora": ("Account.Currency", "Currency"),
}


@pytest.mark.parametrize("source", HIDDEN)
def test_a_field_that_the_source_hides_is_named_and_stops_its_table_only(
    fresh: Stage, oracle: Oracle, source: str
) -> None:
    good, broken = SMALL[source]
    hidden, field = HIDDEN[source]
    options = getattr(fresh.sandbox, source).options
    options.hidden = frozenset({hidden})
    try:
        error = _fails(fresh, source, tables=SMALL[source])
    finally:
        options.hidden = frozenset()
    _assert_one_cause(fresh, error, [broken])
    assert field in error.failures[0].cause
    assert "contract" in error.failures[0].remedy
    assert oracle.differences(fresh.database, [good]) == {}
    _assert_heals(fresh, oracle, source)


def test_a_wrong_contract_is_refused_with_every_problem_at_once(fresh: Stage, oracle: Oracle) -> None:
    project, places = _project(
        fresh.home,
        ("salesforce", "object: Lead\n", "objct: Lead\n"),
        ("netsuite", "data_type: NUMERIC\n", "data_type: FLOAT\n"),
        ("zuora", "cursor: updated_date\n", "cursor: no_such_column\n"),
    )
    with pytest.raises(ContractError) as caught:
        fresh.run(salesforce, {"MGDW_DBT_PROJECT_DIR": str(project)})
    for place in places:
        assert any(place in problem for problem in caught.value.problems), place
    assert "mgdw contract check" in caught.value.remedy
    assert not (fresh.home / "lake").exists()
    assert len(fresh.sandbox.slack.messages) == 1
    _assert_heals(fresh, oracle, "salesforce")


def test_a_table_that_does_not_exist_is_answered_with_the_likely_one(fresh: Stage) -> None:
    with pytest.raises(ConfigurationError, match="sfdc_acount") as caught:
        fresh.run(salesforce, tables=["sfdc_acount"])
    assert "Did you mean 'sfdc_account'?" in caught.value.remedy
    assert len(fresh.sandbox.slack.messages) == 1


def test_tableau_before_anything_is_built_is_sent_to_the_flow_that_builds(fresh: Stage) -> None:
    with pytest.raises(ConfigurationError, match="dbt has built nothing yet") as caught:
        fresh.run(tableau)
    assert "daily-refresh" in caught.value.remedy


def test_a_dbt_project_that_does_not_parse_ends_in_dbts_own_words(fresh: Stage) -> None:
    project = fresh.home / "dbt-project"
    shutil.copytree(ROOT / "dbt", project, ignore=shutil.ignore_patterns("target", "logs"))
    (project / "models" / "marts" / "mart_broken.sql").write_text("select * from {{ ref('no_such_model') }}")
    (fresh.home / "dbt").mkdir()
    (fresh.home / "dbt" / "run_results.json").write_text('{"results": []}')
    with pytest.raises(StepFailed) as caught:
        fresh.run(dbt, {"MGDW_DBT_PROJECT_DIR": str(project)}, layer="edw")
    (failure,) = caught.value.failures
    assert failure.step == "dbt-edw"
    assert "no_such_model" in failure.cause
    assert "dbt parse" in failure.remedy
    assert len(fresh.sandbox.slack.messages) == 1


def test_a_broken_file_is_named_the_others_are_loaded_and_a_new_delivery_heals(fresh: Stage, oracle: Oracle) -> None:
    world, s3 = fresh.sandbox.world, fresh.sandbox.s3
    whole = next(file for file in world.files() if file.key.startswith("cm/usage/"))
    s3.deliver([replace(whole, body=whole.body[: len(whole.body) // 2])])
    for _ in range(2):  # until the sender mends it, every run says so
        fresh.sandbox.slack.messages.clear()
        error = _fails(fresh, "s3")
        _assert_one_cause(fresh, error, ["s3_cm_usage_data"])
        assert whole.key in error.failures[0].cause
        assert "deliver the file again" in error.failures[0].remedy
        loaded = fresh.rows("SELECT count(DISTINCT _file) FROM STG.s3_cm_usage_data")[0][0]
        assert loaded == sum(file.key.startswith("cm/usage/") for file in world.files()) - 1
        assert oracle.differences(fresh.database, ["s3_emma_usage_data"]) == {}
    s3.deliver([whole])
    _assert_heals(fresh, oracle, "s3")


def _mount(folder: Path, size: str) -> bool:
    """A small disk of its own at `folder`; False where this user may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return False
    asked = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(fresh: Stage) -> Iterator[Path]:
    """The lake on a disk of 64 kB."""
    lake = fresh.home / "lake"
    if not _mount(lake, "64k"):
        pytest.skip("mounting needs root; test_cli.py has the same with a limit on the size of files")
    with ExitStack() as stack:
        stack.callback(subprocess.run, ["umount", str(lake)], check=True)
        yield lake


def test_a_full_disk_under_the_lake_is_told_with_its_path_and_heals_with_room(
    fresh: Stage, oracle: Oracle, small_disk: Path
) -> None:
    tables = ["sfdc_account", "sfdc_contact", "sfdc_opportunity"]
    error = _fails(fresh, "salesforce", tables=tables)
    assert {f.what for f in error.failures} <= set(tables)
    for failure in error.failures:
        assert f"cannot write {small_disk}" in failure.cause
        assert "No space left on device" in failure.cause
        assert "Free space" in failure.remedy
    _assert_nothing_half_written(fresh)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    _assert_heals(fresh, oracle, "salesforce", tables=tables)
