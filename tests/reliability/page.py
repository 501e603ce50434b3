"""Writes docs/reliability.md from the results of the proofs: `python -m tests.reliability.page`.

A proof adds itself by a JSON file in the results folder and a section here; the prose is here, every figure is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.reliability import results
from tests.reliability.child import ROOT

PAGE = ROOT / "docs" / "reliability.md"
_NAMES = {"salesforce": "Salesforce", "netsuite": "NetSuite", "zuora": "Zuora", "s3": "S3"}

_PROTOCOL = """\
# Reliability

What is promised: **no row lost, none twice, none wrongly deleted**, whatever fails and whenever. This page says how
that is done and how it is proved. Its figures come from the tests' own records (`tests/reliability/results`); it is
written by `python -m tests.reliability.page`, and a test fails when it is not what the records say, or when a run today
has other effects than those recorded.

## How it is done

1. **Windows.** Each run asks a source for what changed in a half-open window `[lo, hi)`. `hi` comes from the source's
   own clock, `lo` is where the loaded windows end. A window reads a little further back than `lo`, for rows that were
   committed late with an older stamp. A set of windows shows its gaps; a high-water mark cannot.
2. **Batches that never change.** What a window brings is written to the lake as received, under a name made from the
   window, and `manifest.json` is written last, only if there is none yet. A batch without a manifest does not exist;
   what a dead run left beside it is never read. A batch with one is never fetched again.
3. **One transaction.** Rows, tombstones, quarantine and the ledger's line of a batch are written together or not at
   all. A row replaces the stored one only if it is newer, so it does not matter how often or in which order batches
   come.
4. **The ledger is the only state.** What to load next is read from the table that was written with the rows. There is
   no second place that could disagree.

So every step is safe to repeat, and a run that died needs no repair: the next one does what is missing.
"""

_WALK = """\
Every external effect of a clean run is recorded: each HTTP request (logins, job polls and deletions of jobs included),
each write to the lake, each statement that writes to the warehouse. Then, for each of them, a run goes wrong exactly
there, the next run is let through, and the warehouse is compared with the source: every column of every living row,
tombstones, ledger, quarantine, and the lake's manifests with their parts.

- **stop**: the run ends with an error that nothing catches, before the effect, or after it (it happened, and nobody
  was told).
- **kill**: the run's process is ended by SIGKILL, before or after the effect.
- **lapse**: the effect fails once (connection dropped, answer lost or cut in the middle, conflict in the warehouse),
  and the same run has to get over it without a second one.

"""

_NOT_PROVED = """\
## What is not proved

- **Live APIs.** The servers are the sandbox's: they speak the protocols as documented and as clients have met them, on
  loopback. What only a live tenant can settle is listed in [assumptions.md](assumptions.md).
- **BigQuery and lakes in the cloud.** The warehouse here is DuckDB and the lake a local folder. A power cut is not
  simulated: SIGKILL ends the process, the operating system goes on.
- **Several runs at once.** One run of a source at a time is what the deployments see to; two at once are not walked.
"""


def page() -> str:
    """The text of docs/reliability.md."""
    sections = [_PROTOCOL, *(section for write in _SECTIONS if (section := write())), _NOT_PROVED]
    return "\n".join(sections)


def _crash_walk() -> str:
    found = {source: results.read(f"crash_walk/{source}") for source in _NAMES}
    known = {source: result for source, result in found.items() if result}
    if not known:
        return ""
    lines = [
        "## The crash walk",
        "",
        *_WALK.splitlines(),
        "| | " + " | ".join(_NAMES[source] for source in known) + " |",
        "|---|" + "---:|" * len(known),
    ]
    for channel, title in (("http", "requests"), ("lake", "lake writes"), ("warehouse", "warehouse statements")):
        lines.append(
            _row(f"effects of a clean run: {title}", (sum(r["effects"][channel].values()) for r in known.values()))
        )
    walks = dict.fromkeys(walk for result in known.values() for walk in result["walks"])
    for walk in walks:
        lines.append(_row(f"{_WALKS[walk]}: steps", (_count(r, walk, "steps") for r in known.values())))
        lines.append(_row("… walked", (_count(r, walk, "walked") for r in known.values())))
        lines.append(_row("… survived", (_survived(r, walk) for r in known.values())))
    every, walked, survived = (
        sum(count(r, walk) for r in known.values() for walk in r["walks"])
        for count in (lambda r, w: _count(r, w, "steps"), lambda r, w: _count(r, w, "walked"), _survived)
    )
    lines += ["", f"**{every:,} steps, {walked:,} walked, {survived:,} survived.**"]
    if walked < every:
        lines += [
            "",
            "The slow tests of `tests/reliability/test_crash_walk.py` walk the rest as well.",
        ]
    modes: dict[str, int] = {}
    for result in known.values():
        for mode, count in result["walks"]["increment"]["walked"].items():
            modes[mode] = modes.get(mode, 0) + count
    lines += [
        "",
        "The increment by the way it goes wrong: " + ", ".join(f"{m} {n:,}" for m, n in modes.items()) + ".",
        "",
        (
            "A sample of the increment's steps is walked on BigQuery and Cloud Storage as well, with Google's own "
            "clients against servers on loopback (`make test-bigquery`)."
        ),
    ]
    for source, result in known.items():
        for name, walk in result["walks"].items():
            lines += [f"- not survived, {_NAMES[source]}, {name}: {step}" for step in walk["lost"]]
    return "\n".join(lines) + "\n"


def _laws() -> str:
    found = {source: results.read(f"laws/{source}") for source in _NAMES}
    known = {source: result for source, result in found.items() if result}
    if not known:
        return ""
    lines = [
        "## Laws",
        "",
        "Different histories that have to lead to the same tables. Examples that held, by source; each example settles",
        "the window's cut, the sizes and the order anew.",
        "",
        "| | " + " | ".join(_NAMES[source] for source in known) + " |",
        "|---|" + "---:|" * len(known),
    ]
    laws = dict.fromkeys(law for result in known.values() for law in result)
    lines += [_row(law, (result.get(law, 0) for result in known.values())) for law in laws]
    return "\n".join(lines) + "\n"


def _state_machine() -> str:
    found = results.read("state_machine")
    if not found:
        return ""
    lines = [
        "## State machine",
        "",
        "A model of each source and the real loader live through random histories: inserts, updates, deletes and",
        "returns, bursts in one second, late commits, clock skew, fields that come and go, overlapping backfills, API",
        "faults and crashes. After each, target and source have to be equal.",
        "",
        *_machine_figures({source: found["sources"][source] for source in _NAMES if source in found["sources"]}),
    ]
    broken = found.get("mutants", {})
    if broken:
        lines += ["", f"Loaders broken on purpose that the machine found: {len(broken)}."]
        lines += [f"- {name} (after {about['examples']:,} histories)" for name, about in broken.items()]
    return "\n".join(lines) + "\n"


def _machine_figures(known: dict[str, dict[str, Any]]) -> list[str]:
    """A column a source, a row a figure."""
    lines = ["| | " + " | ".join(_NAMES[source] for source in known) + " |", "|---|" + "---:|" * len(known)]
    lines += [_row(title, (of[name] for of in known.values())) for name, title in _MACHINE.items()]
    if not known:
        return []
    open_ = [_NAMES[source] for source, of in known.items() if of["violations"]]
    if open_:
        lines += ["", f"A violation ends a run; it is begun anew once that is mended. Open now: {', '.join(open_)}."]
    for source, of in known.items():
        if len(of["code"]) > 1:
            parts = " and ".join(f"{count:,}" for count in of["code"].values())
            lines += ["", f"{_NAMES[source]}'s code changed on the way: {parts} of its histories were run with each."]
    return lines


def _conformance() -> str:
    found = results.read("conformance")
    if not found:
        return ""
    rows = {f"{source}, {server}": counts for source, of in found["stations"].items() for server, counts in of.items()}
    lines = [
        "## Conformance suite",
        "",
        "What every connector has to pass, against its sandbox and against a hostile server.",
        "",
        *_table(rows),
        *(f"- failed: {name}" for name in found["failed"]),
    ]
    return "\n".join(lines) + "\n"


def _mutation() -> str:
    found = results.read("mutation")
    if not found:
        return ""
    about = "Code changed on purpose: each change that alters behaviour has to fail a test."
    return "\n".join(["## Mutation testing", "", about, "", *_table(found)]) + "\n"


def _table(found: dict[str, dict[str, Any]]) -> list[str]:
    """Figures by name, in the order of the first row."""
    columns = list(dict.fromkeys(name for row in found.values() for name in row))
    titles = " | ".join(name.replace("_", " ") for name in columns)
    lines = [f"| | {titles} |", "|---|" + "---:|" * len(columns)]
    return lines + [_row(_NAMES.get(k, k), (row.get(name, "") for name in columns)) for k, row in found.items()]


_MACHINE = {
    "examples": "histories",
    "violations": "violations",
    "steps": "steps",
    "syncs": "runs",
    "crashes": "… in which the process died",
    "crashes_drawn": "… in which it was to die, had it had so many effects",
    "faults": "faults that requests met",
    "backfills": "backfills",
    "replays": "batches loaded again",
    "rows_compared": "living rows compared, every column",
    "tombstones_compared": "tombstones compared",
    "calls": "requests of undisturbed runs",
    "most_calls": "the most of one such run",
}
_WALKS = {
    "increment": "an increment with updates, deletes and late rows: every effect, every way",
    "first load": "the first load, from nothing: a sample",
    "side by side": "the increment with the connectors' own concurrency: a sample",
    "two in a row": "a run that goes wrong, and its recovery as well: a sample of pairs",
    "by REST": "the increment without bulk jobs: every request, every way",
}
_SECTIONS: tuple[Callable[[], str], ...] = (_crash_walk, _laws, _state_machine, _conformance, _mutation)
"""In the page's order. A proof without results has no section."""


def _row(title: str, cells: Iterable[object]) -> str:
    return f"| {title} | " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells) + " |"


def _count(result: dict[str, Any], walk: str, what: str) -> int:
    counted = result["walks"].get(walk, {}).get(what, 0)
    return sum(counted.values()) if isinstance(counted, dict) else counted


def _survived(result: dict[str, Any], walk: str) -> int:
    return _count(result, walk, "walked") - len(result["walks"].get(walk, {}).get("lost", {}))


if __name__ == "__main__":
    PAGE.write_text(page())
