"""The names in `deployments/gcp` are those the program uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from connectors.google import GoogleSettings
from connectors.salesforce import unfinished
from connectors.salesforce.settings import NextSalesforceSettings
from connectors.secrets import SCHEME
from connectors.settings import SystemSettings
from connectors.warehouse.bigquery.work import WORK
from docs.generate import settings_models
from flows.checks.lake import PROBES
from flows.smoke import FOLDER
from tests.deployments.configuration import ROOT, Configuration

OURS = {"prefect-server-api-auth-string"}
"""Secrets of the platform itself, which no setting names."""


@pytest.fixture(scope="module")
def configuration() -> Configuration:
    return Configuration.here()


def secret_names() -> Iterator[tuple[str, str]]:
    """(variable, secret) of every setting that is a secret or is looked up as one."""
    for model in (*settings_models(), NextSalesforceSettings):
        for name, field in model.model_fields.items():
            variable = model.variable(name)
            default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
            usual = re.search(rf"default {SCHEME}([a-z0-9-]*[a-z0-9])", f"default {default}, {field.description}")
            if usual and model is not NextSalesforceSettings:
                yield variable, usual[1]
            elif usual or "SecretStr" in str(field.annotation):
                yield variable, by_convention(variable)


def by_convention(variable: str) -> str:
    """The secret's name where no default gives one: the variable's, in the words of the others."""
    name = variable.removeprefix("MGDW_").lower().replace("_", "-")
    return re.sub("^salesforce-", "sfdc-", name)


def test_every_setting_that_is_a_secret_has_its_place(configuration: Configuration) -> None:
    missing = {
        f"{variable}: {secret}"
        for variable, secret in secret_names()
        if secret not in configuration.locals()["secrets"]
    }
    assert missing == set()


def test_every_place_for_a_secret_is_some_setting_s(configuration: Configuration) -> None:
    # The id of a key is no secret, but lies beside it so that both are changed in one place.
    expected = {secret for _, secret in secret_names()} | OURS | {"s3-access-key-id"}
    assert set(configuration.locals()["secrets"]) == expected


def test_a_setting_without_a_place_for_its_secret_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Planted(SystemSettings):
        model_config = SettingsConfigDict(env_prefix="MGDW_PLANTED_")
        api_key: SecretStr | None = None

    monkeypatch.setitem(globals(), "settings_models", lambda: iter([Planted]))
    assert ("MGDW_PLANTED_API_KEY", "planted-api-key") in set(secret_names())


def test_project_and_location_are_the_program_s_defaults(configuration: Configuration) -> None:
    variables, fields = configuration.variables(), GoogleSettings.model_fields
    assert variables["project_id"]["default"] == fields["project"].default
    assert variables["location"]["default"] == fields["location"].default
    pattern = next(m.pattern for m in fields["project"].metadata if hasattr(m, "pattern"))
    assert pattern in str(variables["project_id"]["validation"])


def test_the_datasets_are_those_dbt_builds_in(configuration: Configuration) -> None:
    outputs = yaml.safe_load((ROOT / "dbt" / "profiles.yml").read_text())["mg_dw"]["outputs"]
    project = (ROOT / "dbt" / "dbt_project.yml").read_text()
    named = set(re.findall(r"^\s*(?:\+schema|stg_schema): (\w+)$", project, re.MULTILINE))
    named |= {output["dataset"] for output in outputs.values() if output["type"] == "bigquery"}
    assert named <= set(configuration.locals()["datasets"])


def test_the_lake_s_folder_is_the_one_that_is_kept(configuration: Configuration) -> None:
    source = (ROOT / "connectors" / "batch.py").read_text()
    assert 'return f"raw/{' in source
    assert "raw/" in str(configuration.resource("google_storage_bucket", "lake"))


def test_what_the_program_deletes_or_writes_again_in_the_lake_it_may(configuration: Configuration) -> None:
    assert configuration.locals()["notes"] == [unfinished.NAME]
    assert configuration.locals()["work_prefixes"] == [f"{WORK}/", f"{PROBES}/", f"{FOLDER}/"]


@pytest.mark.parametrize("told_by", ["connectors/warehouse/bigquery/load.py", "dbt/macros/job_labels.sql"])
def test_bytes_are_told_by_labels_that_our_jobs_carry(configuration: Configuration, told_by: str) -> None:
    labels = configuration.locals()["metrics"]["bytes_billed"]["labels"]
    asked = {match[1] for match in re.finditer(r"jobConfig\.labels\.(\w+)", str(labels))}
    assert asked == {"step", "table"}
    text = (ROOT / told_by).read_text()
    assert all(re.search(rf"['\"]{name}['\"]: ", text) for name in asked)


@pytest.mark.parametrize(
    "told_by",
    ["connectors/warehouse/bigquery/jobs.py", "dbt/macros/job_labels.sql", "deployments/gcp/dashboard.json.tftpl"],
)
def test_one_label_finds_all_that_is_ours(configuration: Configuration, told_by: str) -> None:
    app = configuration.locals()["labels"]["app"]
    assert re.search(rf"""['"]app['"]: ['"]{app}['"]""", (ROOT / told_by).read_text())


def test_parts_get_colder_whatever_they_are_called_and_manifests_do_not(configuration: Configuration) -> None:
    suffixes = tuple(configuration.locals()["part_suffixes"])
    written: set[str] = set()
    for path in (ROOT / "connectors").rglob("*.py"):
        # `rows-00000.csv`, in a string or at the end of one that is put together.
        written |= set(re.findall(r'(\.(?:csv|jsonl|parquet)(?:\.gz)?)["\'{]', path.read_text()))
    assert written
    assert {name for name in written if not name.endswith(suffixes)} == set()
    assert not "manifest.json".endswith(suffixes)


def test_the_logged_texts_that_metrics_look_for_are_written_by_the_program(configuration: Configuration) -> None:
    metrics: dict[str, Any] = configuration.locals()["metrics"]
    texts = set(_logged(ROOT / "flows"))
    for name, wanted in {"alerts_undelivered": 3, "rows_loaded": 1, "rows_quarantined": 1}.items():
        pattern = re.search(r'jsonPayload\.(?:message|msg)=~\\"(.*?)\\"', metrics[name]["filter"])
        assert pattern
        matching = {text for text in texts if re.search(pattern[1], text)}
        assert len(matching) == wanted, f"{name}: {sorted(matching)}"


def _logged(folder: Path) -> Iterator[str]:
    """Every text the flows log, with something plausible in its places."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            logs = isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".info", ".warning", ".error"))
            if logs and node.args and isinstance(node.args[0], ast.Constant):
                text = str(node.args[0].value)
                # The stage comes first in the line about progress, a number wherever a unit follows.
                text = re.sub("%s (rows|bytes)", r"27 \1", text)
                yield text.replace("%s %s: ", "loaded sfdc_account: ").replace("%s:", "sfdc_account:")


def test_alerts_and_kubernetes_agree_on_the_containers(configuration: Configuration) -> None:
    accounts = configuration.locals()["accounts"]
    assert set(configuration.locals()["always_running"]) <= set(accounts)
