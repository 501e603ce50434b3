"""What the UI shows, seen through a real server: its stage is that of the flows, and a door counts who goes in."""

from __future__ import annotations

import pytest

from sandbox.prefect_server import PrefectServer
from tests.flows.conftest import Stage, _server, stage
from tests.ui.door import Door

__all__ = ["Stage", "_server", "stage"]


@pytest.fixture(scope="session")
def door(prefect_server: PrefectServer) -> Door:
    """The server's API behind a door of our own."""
    return Door(prefect_server.url)
