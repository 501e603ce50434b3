"""The crash walk: for each effect of a clean run, a run that goes wrong there, then a clean one, then a look."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.reliability.effects import Effect, Mode, Moment, Step
from tests.reliability.stage import Scenario, Stage
from tests.reliability.verdict import problems

Ways = dict[str, tuple[tuple[Mode, Moment], ...]]

WAYS: Ways = {
    "http": (("stop", "before"), ("stop", "after"), ("kill", "after"), ("lapse", "before"), ("lapse", "after")),
    "lake": (("stop", "before"), ("stop", "after"), ("kill", "after")),
    "warehouse": (("stop", "before"), ("stop", "after"), ("kill", "after"), ("lapse", "before")),
}
"""How an effect of each channel goes wrong. A process killed before an effect is one killed after the one before it. A
lake write that fails is no conflict and is not tried again."""
IN_THE_CLOUD: Ways = WAYS | {"warehouse": (("stop", "before"), ("kill", "before"))}
"""A statement is seen before it is sent to BigQuery, and not after; lost answers and conflicts are tested elsewhere."""


@dataclass
class Tally:
    """Steps walked, by mode and moment (`kill after`), and those not survived, each with what was wrong.

    Attributes:
        steps: how many there are to walk.
    """

    steps: int = 0
    walked: Counter[str] = field(default_factory=Counter[str])
    lost: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, steps: Sequence[Step], wrong: list[str]) -> None:
        """Note one walked step, or pair of steps."""
        self.walked[" then ".join(f"{step.mode} {step.moment}" for step in steps)] += 1
        if wrong:
            self.lost[", then ".join(map(str, steps))] = wrong

    def as_json(self) -> dict[str, Any]:
        """What the results file keeps."""
        return {
            "steps": self.steps,
            "walked": dict(sorted(self.walked.items())),
            "lost": dict(sorted(self.lost.items())),
        }


def steps(effects: Iterable[Effect], ways: Ways = WAYS) -> list[Step]:
    """Every step of the walk over these effects, shuffled once for all: a walk cut short is a sample as well."""
    found = [Step(effect, moment, mode) for effect in effects for mode, moment in _ways(effect, ways)]
    random.Random(5).shuffle(found)
    return found


def sample(effects: Sequence[Effect], count: int, ways: Ways = WAYS) -> list[Step]:
    """A fixed choice: four kills at a transaction's end or a manifest, then what comes."""
    every = steps(effects, ways)
    vital = [s for s in every if s.mode == "kill" and (_commits(s.effect) or "manifest" in s.effect.label)][:4]
    return [*vital, *(step for step in every if step not in vital)][:count]


def by_place(effects: Iterable[Effect]) -> list[Effect]:
    """The same effects known by their place in the channel, whatever they turn out to be: for runs without an order."""
    counts = Counter(effect.channel for effect in effects)
    return [Effect(channel, "", number) for channel, count in counts.items() for number in range(count)]


def pairs(effects: Sequence[Effect], count: int) -> list[tuple[Step, Step]]:
    """A fixed choice of runs that go wrong and whose next run goes wrong as well, at any of its first effects."""
    chance = random.Random(11)
    first = [step for step in steps(effects) if step.mode != "lapse"]
    second = [step for step in steps(by_place(effects)) if step.mode != "lapse"]
    return [(chance.choice(first), chance.choice(second)) for _ in range(count)]


def walk(
    stage: Stage, source: str, steps: Sequence[Step | tuple[Step, ...]], scenario: Scenario = "increment"
) -> Tally:
    """Walk the steps one by one; several in a row where there are several."""
    tally = Tally(len(steps))
    for one in steps:
        row = one if isinstance(one, tuple) else (one,)
        tally.add(row, attempt(stage, source, row, scenario))
    return tally


def attempt(stage: Stage, source: str, steps: Sequence[Step], scenario: Scenario = "increment") -> list[str]:
    """One run for each step, which goes wrong there, then a clean one; returns what is wrong after that.

    A run that is to get over its step has to load everything by itself, and no clean run follows.
    """
    wanted = stage.clean(source, scenario).content
    job = stage.job(source, scenario)
    for number, step in enumerate(steps):
        crashed = stage.site.crash(job, step)
        if not crashed.reached and not number:
            return ["the run never came to it"]
        if step.mode == "lapse" and (crashed.ran is None or crashed.ran.failures):
            return ["the run did not get over it", *(crashed.ran.failures if crashed.ran else ())]
        if step.mode != "lapse" and crashed.reached and crashed.ran and not crashed.ran.failures:
            return ["the run went on as if nothing had happened"]
    if steps[-1].mode != "lapse":
        stage.site.clean(job)
    return problems(job, wanted)


def _commits(effect: Effect) -> bool:
    """Whether rows and ledger change: DuckDB's COMMIT, BigQuery's one script."""
    return effect.label == "COMMIT" or effect.label.startswith("DECLARE")


def _ways(effect: Effect, ways: Ways) -> list[tuple[Mode, Moment]]:
    if effect.label.startswith(("rename", "link")):
        return [("stop", "before"), ("kill", "before")]  # seen before the kernel is asked, and not after
    return [*ways[effect.channel], *([("lapse", "after")] if effect.label == "COMMIT" else [])]
