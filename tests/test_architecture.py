"""The shape of the house: dependencies point one way, locks hold, deployments are spelled right."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from prefect import Flow
from prefect.cli.deploy._models import DeploymentConfig, PrefectYamlModel

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "connectors": {"connectors"},
    "flows": {"flows", "connectors"},
    "sandbox": {"sandbox", "connectors", "flows"},
}
OWN = {"connectors", "flows", "sandbox", "tests", "benchmarks"}


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_dependencies_point_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        wrong = (_imports(path) & OWN) - ALLOWED[package]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_only_the_demo_lets_the_sandbox_import_flows() -> None:
    importers = {p.name for p in (ROOT / "sandbox").rglob("*.py") if "flows" in _imports(p)}
    assert importers <= {"demo.py"}


def test_connectors_know_nothing_of_prefect() -> None:
    for path in (ROOT / "connectors").rglob("*.py"):
        prefect = {name for name in _imports(path) if name.startswith("prefect")}
        assert not prefect, f"{path.relative_to(ROOT)} imports {prefect}"


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt"])
def test_the_lock_names_no_address_and_hashes_everything(lock: str) -> None:
    text = (ROOT / "locks" / lock).read_text()
    assert not re.search(r"https?://|--index-url|--find-links", text)
    requirements = re.findall(r"^[a-z0-9][^\n]*==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(requirements) == len(re.findall(r"^[a-z0-9][\w.\[\]-]*==", text, re.MULTILINE))


def test_every_dependency_of_the_project_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for lock, wanted in (
        ("runtime.txt", project["dependencies"]),
        ("dev.txt", project["dependencies"] + extras["sandbox"] + extras["dev"]),
    ):
        locked = {
            _canonical(n)
            for n in re.findall(r"^([a-z0-9][\w.-]*)==", (ROOT / "locks" / lock).read_text(), re.MULTILINE)
        }
        names = {_canonical(re.split(r"[\[<>=!~ ]", w)[0]) for w in wanted}
        assert names - {"mg-dw"} <= locked


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_prefect_yaml_has_no_key_that_prefect_would_ignore() -> None:
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    assert not set(content) - set(PrefectYamlModel.model_fields) - {"prefect-version", "definitions"}
    for deployment in content["deployments"]:
        unknown = set(deployment) - set(DeploymentConfig.model_fields)
        assert not unknown, f"{deployment['name']}: Prefect would silently ignore {unknown}"
        for schedule in deployment.get("schedules", []):
            assert set(schedule) <= {"slug", "cron", "timezone", "parameters", "active"}
            assert schedule["timezone"]


def test_every_deployment_points_at_a_flow_that_accepts_its_parameters() -> None:
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    entrypoints: set[str] = set()
    for deployment in content["deployments"]:
        module, name = deployment["entrypoint"].rsplit(".", 1)
        flow = getattr(importlib.import_module(module), name)
        schedules = deployment.get("schedules", [])
        given = [deployment.get("parameters", {}), *(s.get("parameters", {}) for s in schedules)]
        if not schedules:  # a person fills in what is left open
            given = [{**_sample(flow), **parameters} for parameters in given]
        for parameters in given:
            flow.validate_parameters(parameters)
        assert flow.description, f"{name} has no description for the UI"
        entrypoints.add(name)
    flows = {"daily_refresh", "salesforce", "netsuite", "zuora", "s3_usage", "dbt", "tableau"}
    flows |= {"split_classify", "split_propose", "split_verify"}
    assert entrypoints == flows | {"reconcile", "backfill", "replay", "quarantine", "salesforce_preflight", "doctor"}


def _sample(flow: Flow[..., object]) -> dict[str, str]:
    """Something for each parameter that has no default."""
    samples = {"table": "sfdc_account", "start": "2026-01-01"} | dict.fromkeys(
        ("project", "facts", "output", "proposal"), "x"
    )
    return {name: samples[name] for name in flow.parameters.required or ()}


def test_a_worker_can_load_every_deployed_flow() -> None:
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    load = (
        "import sys; from prefect.flows import load_flow_from_entrypoint as load; "
        "[load(entrypoint, use_placeholder_flow=False) for entrypoint in sys.argv[1:]]"
    )
    entrypoints = [deployment["entrypoint"] for deployment in content["deployments"]]
    subprocess.run([sys.executable, "-c", load, *entrypoints], cwd=ROOT, check=True, timeout=120)


def test_the_daily_schedules_never_run_on_the_same_day() -> None:
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    daily = next(d for d in content["deployments"] if d["name"] == "daily")
    days = [s["cron"].split()[4] for s in daily["schedules"]]
    assert days == ["1-6", "0"]
    assert daily["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
