"""One Prefect server for the whole session, started when a test first asks for it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from sandbox.prefect_server import PrefectServer

# Prefect reads its settings when it is imported, which is before any fixture runs.
_HOME = Path(tempfile.mkdtemp(prefix="mgdw-test-prefect-"))
_SERVER = PrefectServer(_HOME)
os.environ.update(_SERVER.environment())
os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
for _name in [name for name in os.environ if name.startswith("MGDW_")]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def prefect_server() -> PrefectServer:
    """A running server; every flow run of the session is recorded there."""
    _SERVER.start()
    _SERVER.wait()
    return _SERVER
