"""Everything here is marked `kubernetes`: it needs the tools that `make test-kubernetes` installs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.fakekube.client import Cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.kubernetes)


@pytest.fixture(scope="session")
def fakekube_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster without manifests, in a hurry where a real one waits."""
    with Cluster(tmp_path_factory.mktemp("fakekube"), back_off=0.2, bookmark_every=0.2) as cluster:
        yield cluster


@pytest.fixture
def fakekube(fakekube_server: Cluster, request: pytest.FixtureRequest) -> Cluster:
    """A namespace of its own for the test."""
    return fakekube_server.within(f"test-{abs(hash(request.node.nodeid))}")
