"""Different ways to the same state lead to the same state."""

from __future__ import annotations

from random import Random

import pytest

from tests.reliability import results
from tests.reliability.laws import LAWS
from tests.reliability.site import SOURCES
from tests.reliability.stage import Stage

EXAMPLES = 3
TURNS = [(law, SOURCES[turn % len(SOURCES)]) for turn, law in enumerate(LAWS)]


@pytest.mark.parametrize(("law", "source"), TURNS, ids=[f"{LAWS[law].__name__}-{source}" for law, source in TURNS])
def test_a_law_holds(stage: Stage, law: str, source: str) -> None:
    assert LAWS[law](stage, source, Random(3)) == []


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_every_law_holds_for_many_examples(stage: Stage, source: str) -> None:
    broken: dict[str, list[str]] = {}
    held: dict[str, int] = {}
    for law, holds in LAWS.items():
        found = [problem for example in range(EXAMPLES) for problem in holds(stage, source, Random(example))]
        broken |= {law: found} if found else {}
        held[law] = 0 if found else EXAMPLES
    results.write(f"laws/{source}", held)
    assert broken == {}
