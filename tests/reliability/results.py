"""The results of the proofs: one JSON file each, committed, from which docs/reliability.md is written.

A file holds nothing that depends on the day, the commit or the machine, so that it changes only when what it says does.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.reliability.effects import Effect

FOLDER = Path(__file__).resolve().parent / "results"


_ELSEWHERE = {"conformance": FOLDER.parent.parent / "conformance" / "results.json"}
"""Proofs that keep their results with their own tests."""


def read(proof: str) -> dict[str, Any] | None:
    """The results of a proof; None if it has none yet."""
    path = _ELSEWHERE.get(proof, FOLDER / f"{proof}.json")
    return json.loads(path.read_text()) if path.is_file() else None


def write(proof: str, results: dict[str, Any]) -> None:
    """Replace the results of a proof."""
    path = FOLDER / f"{proof}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def counted(effects: Iterable[Effect]) -> dict[str, dict[str, int]]:
    """How many effects of each label, by channel."""
    found: dict[str, Counter[str]] = {"http": Counter(), "lake": Counter(), "warehouse": Counter()}
    for effect in effects:
        found[effect.channel][effect.label] += 1
    return {channel: dict(sorted(labels.items())) for channel, labels in found.items()}
