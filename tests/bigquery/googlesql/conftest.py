"""The analyzer, one process for all tests, and the dbt project compiled for BigQuery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sandbox.world import World
from tests.bigquery.emulators import install
from tests.bigquery.googlesql.client import GoogleSql
from tests.dbt.conftest import Dbt, day_one

__all__ = ["day_one"]


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """A quarter of the sandbox's business: the reference implementation is no fast one."""
    world = World.create(scale=0.25)
    yield world
    world.close()


@pytest.fixture(scope="session")
def google_sql() -> Iterator[GoogleSql]:
    """Google's analyzer; tests that put tables into it use a project of their own."""
    with GoogleSql(install.python()) as analyzer:
        yield analyzer


@pytest.fixture(scope="session")
def compiled(day_one: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """The project compiled for `prod`; with an emulator's address, dbt does not look for credentials."""
    dbt = replace(day_one, folder=tmp_path_factory.mktemp("compiled"), manifest=None, outcome={})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:9")
        dbt.manifest = dbt("parse", "--target", "prod")
        dbt("compile", "--target", "prod", "--no-populate-cache", "--no-introspect")
    return dbt
