"""A run that goes wrong at any external effect loses nothing and writes nothing twice, once the next run is through."""

from __future__ import annotations

import pytest

from tests.reliability import results
from tests.reliability.site import SOURCES
from tests.reliability.stage import Stage
from tests.reliability.walk import by_place, pairs, sample, steps, walk

pytestmark = pytest.mark.parametrize("source", SOURCES)


def test_a_clean_run_is_what_the_sources_hold(stage: Stage, source: str) -> None:
    clean = stage.clean(source)
    assert {effect.channel for effect in clean.effects} == {"http", "lake", "warehouse"}
    assert any(clean.content.tombstones.values()) or source == "s3"


def test_the_page_counts_the_effects_of_todays_run(stage: Stage, source: str) -> None:
    recorded = results.read(f"crash_walk/{source}")
    assert recorded, "run the slow tests of this file"
    assert recorded["effects"] == results.counted(stage.clean(source).effects), "run the slow tests of this file"


def test_a_run_that_goes_wrong_is_made_good_by_the_next_one(stage: Stage, source: str) -> None:
    tally = walk(stage, source, sample(stage.clean(source).effects, 9))
    assert tally.lost == {}


def test_a_run_that_goes_wrong_is_made_good_even_if_the_next_one_does_as_well(stage: Stage, source: str) -> None:
    tally = walk(stage, source, pairs(stage.clean(source).effects, 2))
    assert tally.lost == {}


@pytest.mark.slow
def test_every_step_of_the_walk_is_survived(stage: Stage, source: str) -> None:
    increment = stage.clean(source).effects
    first, together = stage.clean(source, "first load").effects, stage.clean(source, "side by side").effects
    walked = {
        "first load": walk(stage, source, sample(first, 20), "first load"),
        "side by side": walk(stage, source, sample(by_place(together), 20), "side by side"),
        "two in a row": walk(stage, source, pairs(increment, 20)),
        "increment": walk(stage, source, steps(increment)),
    }
    if source == "salesforce":
        requests = [e for e in stage.clean(source, "by REST").effects if e.channel == "http"]
        walked["by REST"] = walk(stage, source, steps(requests), "by REST")
    found = {"effects": results.counted(increment), "walks": {name: t.as_json() for name, t in walked.items()}}
    results.write(f"crash_walk/{source}", found)
    assert {name: tally.lost for name, tally in walked.items() if tally.lost} == {}
