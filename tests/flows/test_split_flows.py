"""The split's flows, run as in the UI: what they return and the artifacts they leave."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from connectors.errors import ConfigurationError
from flows.failures import StepFailed
from flows.split import split_classify, split_propose, split_workbooks
from sandbox.prefect_server import PrefectServer

_FIXTURE = Path(__file__).resolve().parents[1] / "split" / "mixed_project"


async def _artifacts(*keys: str) -> set[str | None]:
    async with get_client() as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=list(keys)))
        return {artifact.key for artifact in await client.read_artifacts(artifact_filter=wanted)}


def test_classes_decisions_and_the_page_are_in_the_ui(prefect_server: PrefectServer, tmp_path: Path) -> None:
    counts = asyncio.run(split_classify(_FIXTURE, _FIXTURE / "facts.yml", tmp_path / "report"))
    assert counts["mixed"] > 0
    keys = ("split-classes", "split-decisions", "split-report")
    assert asyncio.run(_artifacts(*keys)) == set(keys)


def test_a_patch_is_proposed_for_a_mixed_model(prefect_server: PrefectServer, tmp_path: Path) -> None:
    patches = asyncio.run(split_propose(_FIXTURE, _FIXTURE / "facts.yml", tmp_path / "new"))
    assert "dim_account" in patches


def test_workbooks_are_listed_in_the_ui_and_one_that_is_broken_fails_the_flow(
    prefect_server: PrefectServer, tmp_path: Path
) -> None:
    facts, books = _FIXTURE / "facts.yml", tmp_path / "books"
    books.mkdir()
    shutil.copy(_FIXTURE.with_name("workbooks") / "accounts_10_5.twb", books)
    counts = asyncio.run(split_workbooks(books, facts, tmp_path / "new", _FIXTURE))
    assert counts == {"commercial-only": 1, "mixed": 1}
    keys = ("split-workbooks", "split-workbooks-report")
    assert asyncio.run(_artifacts(*keys)) == set(keys)
    (books / "broken.twb").write_text("<workbook>")
    with pytest.raises(StepFailed, match=r"broken\.twb:1\): is not XML"):
        asyncio.run(split_workbooks(books, facts, tmp_path / "new", _FIXTURE))


def test_a_folder_in_use_ends_the_flow_in_words(prefect_server: PrefectServer, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="in use"):
        asyncio.run(split_classify(_FIXTURE, _FIXTURE / "facts.yml", tmp_path))
