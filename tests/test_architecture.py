"""The shape of the house: dependencies point one way, locks hold."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

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
