"""The crash walk's fixed sample with the lake in Cloud Storage and the warehouse in BigQuery."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from connectors.google import GoogleAccess
from tests.reliability.effects import Effects
from tests.reliability.site import SOURCES
from tests.reliability.stage import Stage
from tests.reliability.walk import IN_THE_CLOUD, sample, walk


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, new_google: Callable[[], GoogleAccess]) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("reliability"), new_google().project) as stage:
        yield stage


@pytest.mark.parametrize("source", SOURCES)
def test_another_clean_run_has_the_same_effects(stage: Stage, source: str) -> None:
    again = Effects()
    stage.site.clean(stage.job(source), again)
    assert sorted(again.log) == sorted(stage.clean(source).effects)


@pytest.mark.parametrize("count", [6, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("source", SOURCES)
def test_a_run_that_goes_wrong_is_made_good_by_the_next_one(stage: Stage, source: str, count: int) -> None:
    clean = stage.clean(source)
    assert {effect.channel for effect in clean.effects} == {"http", "lake", "warehouse"}
    tally = walk(stage, source, sample(clean.effects, count, IN_THE_CLOUD))
    assert tally.lost == {}
