"""One stage for all scenarios, and for each a warehouse that is half loaded: Salesforce and NetSuite are in STG, Zuora
and the usage files are what the scenario's run has to bring.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kubernetes.stage import Stage
from tests.kubernetes.stage_manifests import ROOT
from tests.kubernetes.stage_processes import plain_environment, run
from tests.kubernetes.stage_warehouse import Warehouse

_FIGURES = pytest.StashKey[list[object]]()
_HALF = """
import asyncio
from flows.netsuite import netsuite
from flows.salesforce import salesforce

async def both():
    await salesforce()
    await netsuite()

asyncio.run(both())
"""


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[object], None]:
    """Figures that no test asserts; they are printed when all is over."""
    return request.config.stash.setdefault(_FIGURES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for figure in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(str(figure))


@pytest.fixture(scope="session")
def half_loaded(stage: Stage) -> Warehouse:
    warehouse = Warehouse(stage.shared / "half-loaded")
    warehouse.home.mkdir()
    environment = {**plain_environment(), **stage.flow_settings(warehouse), **stage.client_settings()}
    run([sys.executable, "-c", _HALF], {**environment, "PREFECT_HOME": str(stage.folder / "half-loaded")}, ROOT, 300)
    return warehouse


@pytest.fixture
def warehouse(stage: Stage, half_loaded: Warehouse, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """The scenario's own copy, on which all pods work that start during the test."""
    copy = half_loaded.copied_to(stage.shared / Path(request.node.name).name)
    with stage.scene(copy):
        yield copy
