"""What every step starts from: day 0 loaded and two days of business since; and what a clean run makes of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from tests.reliability.cloud import copied
from tests.reliability.effects import Effect, Effects
from tests.reliability.run import Job
from tests.reliability.site import SOURCES, Site, restored
from tests.reliability.verdict import Content, Oracle, content, problems

DAYS = 2
Scenario = Literal["increment", "first load", "side by side", "by REST"]
"""`increment`: day 0 is loaded, inserts, updates, deletes and late rows came since. `first load`: there is nothing
yet, not even a warehouse. `side by side`: the increment, with the connectors' own concurrency. `by REST`: the
increment of Salesforce without bulk jobs."""
_SETTINGS: dict[tuple[str, Scenario], dict[str, Any]] = {
    # A first load of files would have dozens of batches.
    ("s3", "first load"): {"batch_files": 50},
    ("salesforce", "side by side"): {"tables_at_once": 4, "pages_at_once": 3},
    ("netsuite", "side by side"): {"concurrency": 4},
    ("zuora", "side by side"): {"downloads_at_once": 4},
    ("s3", "side by side"): {"concurrency": 8},
    ("salesforce", "by REST"): {"rest_below_rows": 2000},
}


@dataclass(frozen=True)
class Clean:
    """A run that goes well: its effects in order, and what it leaves."""

    effects: tuple[Effect, ...]
    content: Content


class Stage:
    """Use as `with Stage(folder) as stage`. Takes seconds to set up; every source has its own folder.

    Args:
        project: of Google Cloud, where warehouse and lake are to be; without one they are in `home`.

    Attributes:
        site: the outside world, `DAYS` after what is loaded.
    """

    def __init__(self, home: Path, project: str = "") -> None:
        self._home = home
        self._project = project
        self._clean: dict[tuple[str, Scenario], Clean] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.site = stack.enter_context(Site())
            for source in SOURCES:
                settings = _SETTINGS.get((source, "first load"), {})
                self.site.clean(self._grounded(self.site.job(source, self._base(source), **settings), "base"))
            self.before = {
                source: content(self._grounded(self.site.job(source, self._base(source)), "base")) for source in SOURCES
            }
            self.site.advance(DAYS)
            self.oracle = Oracle(self._home / "oracle.duckdb", self.site.world)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def job(self, source: str, scenario: Scenario = "increment", **changes: Any) -> Job:
        """A run that has not happened yet, the server as if nobody had asked it before."""
        self.site.fronts[source].renew()
        base = self._home / "nothing" if scenario == "first load" else self._base(source)
        base.mkdir(exist_ok=True)
        settings = {**_SETTINGS.get((source, scenario), {}), **changes}
        job = self.site.job(source, restored(base, self._home / source / "step"), **settings)
        if self._project:
            job = self._grounded(job, "step")
            base_place = self._grounded(job, "nothing" if scenario == "first load" else "base").place
            copied(self._project, base_place, job.place, job.contract)
        return replace(job, one_at_a_time=False, loads_at_once=2) if scenario == "side by side" else job

    def clean(self, source: str, scenario: Scenario = "increment") -> Clean:
        """The clean run of the scenario, checked against the oracle."""
        if (source, scenario) not in self._clean:
            job, effects = self.job(source, scenario), Effects()
            self.site.clean(job, effects)
            found = content(job)
            assert found.living == self.oracle.living(job)
            assert problems(job, found) == []
            if scenario != "first load":
                self._check_tombstones(job, found)
            self._clean[source, scenario] = Clean(tuple(effects.log), found)
        return self._clean[source, scenario]

    def _check_tombstones(self, job: Job, found: Content) -> None:
        """A key that was there before and that the world has no more is a tombstone; no other key of then is."""
        for table in job.contract.tables:
            alive, stones = self.oracle.keys(table), set(found.tombstones[table.name])
            assert not stones & alive, table.name
            assert set(self.before[job.source].tombstones[table.name]) <= stones, table.name
            assert found.living[table.name][0] == len(alive), table.name

    def _grounded(self, job: Job, what: str) -> Job:
        return replace(job, project=self._project, place=f"{job.source}_{what}") if self._project else job

    def _base(self, source: str) -> Path:
        return self._home / source / "base"
