"""The Terraform files of `deployments/gcp` hold every rule of this folder."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable

import hcl2
import pytest

from tests.deployments import inventory, references, safety, spelling
from tests.deployments.configuration import GCP, ROOT, Configuration

Rule = Callable[[Configuration], list[str]]
RULES: tuple[Rule, ...] = (
    spelling.misspelt, spelling.wrong_provider,
    references.dangling, references.unused, references.each_without_for_each, references.undescribed,
    safety.too_many_roles, safety.grants, safety.wide_roles, safety.strangers, safety.keys_and_values,
    safety.secret_readers, safety.essentials,
    safety.unlabelled, safety.unprotected, safety.open_doors,
    inventory.apis, inventory.datasets, inventory.lake, inventory.raw_is_written_once, inventory.cluster,
    inventory.egress, inventory.database, inventory.registry, inventory.accounts, inventory.secrets,
    inventory.builds, inventory.alerts, inventory.metrics, inventory.budget, inventory.audit,
)  # fmt: skip


@pytest.fixture(scope="module")
def configuration() -> Configuration:
    return Configuration.here()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_files_hold_the_rule(configuration: Configuration, rule: Rule) -> None:
    assert rule(configuration) == []


def test_no_key_no_state_and_no_filled_in_variables_are_in_the_repository() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "deployments/gcp"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "deployments/gcp/lake.tf" in tracked.stdout
    assert inventory.key_files(tracked.stdout.splitlines()) == []


@pytest.mark.parametrize(
    "name", ["gcp/service-account.json", "gcp/production.tfvars", "terraform.tfstate.backup", "k.pem"]
)
def test_a_file_that_must_not_be_there_is_found(name: str) -> None:
    assert inventory.key_files(["gcp/production.tfvars.example", "gcp/dashboard.json.tftpl", name]) == [name]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_each_environment_has_an_example_with_every_variable_that_is_required(environment: str) -> None:
    example = hcl2.loads((GCP / f"{environment}.tfvars.example").read_text())
    given = {name for name in example if not name.startswith("__")}
    variables = Configuration.here().variables()
    assert given <= set(variables)
    assert {name for name, body in variables.items() if "default" not in body} <= given
    assert example["environment"] == f'"{environment}"'


def test_the_environments_share_neither_project_nor_bucket() -> None:
    staging, production = (hcl2.loads((GCP / f"{e}.tfvars.example").read_text()) for e in ("staging", "production"))
    for name in ("project_id", "lake_bucket"):
        assert staging[name] != production[name]


def test_the_dashboard_is_json_whose_tiles_do_not_overlap() -> None:
    tiles = inventory.dashboard_page()["mosaicLayout"]["tiles"]
    seen: set[tuple[int, int]] = set()
    for tile in tiles:
        area = {
            (x, y)
            for x in range(tile["xPos"], tile["xPos"] + tile["width"])
            for y in range(tile["yPos"], tile["yPos"] + tile["height"])
        }
        assert not area & seen, tile["widget"]["title"]
        assert all(x < 48 for x, _ in area), tile["widget"]["title"]
        seen |= area


def test_what_the_dashboard_leaves_open_is_filled_in() -> None:
    open_places = set(re.findall(r"\$\{(\w+)\}", (GCP / "dashboard.json.tftpl").read_text()))
    call = str(Configuration.here().resource("google_monitoring_dashboard", "this")["dashboard_json"])
    assert open_places == set(re.findall(r"(\w+) = ", call))


def test_every_query_of_the_dashboard_names_its_resource() -> None:
    for query in re.findall(r'"prometheusQuery": "((?:[^"\\]|\\.)*)"', (GCP / "dashboard.json.tftpl").read_text()):
        assert 'monitored_resource="' in json.loads(f'"{query}"')


def test_every_alert_has_a_section_that_says_what_to_do() -> None:
    page = (GCP / "alerts.md").read_text()
    sections = dict(re.findall(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    assert set(sections) == inventory.ALERTS
    for name, text in sections.items():
        for part in ("First look", "Fix", "To be sure"):
            assert f"- **{part}**" in text, f"{name} has no {part!r}"


def test_every_exception_of_the_scanner_has_its_reason() -> None:
    paragraphs = (GCP / ".trivyignore").read_text().strip().split("\n\n")[1:]
    assert paragraphs
    for paragraph in paragraphs:
        *reasons, exception = paragraph.splitlines()
        assert re.fullmatch(r"GCP-\d{4}", exception)
        assert reasons
        assert all(line.startswith("# ") for line in reasons)
