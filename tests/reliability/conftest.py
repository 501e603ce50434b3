"""One stage for the whole session: it takes seconds to set up, and no step leaves a trace on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reliability.stage import Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("reliability")) as stage:
        yield stage
