"""Random formulas of every kind of place that a literal of either segment may stand in."""

from __future__ import annotations

import random
from typing import Any

GONE = ("Ent", "Fed")
KEPT = ("Alpha", "Beta")
FIELDS = {"Brand": "text", "Line": "text", "Region": "text", "A": "number", "B": "number", "Flag": "truth"}
"""`Brand` may be NULL, `Line` may not; both have facts. `Flag` is never true and never NULL."""


def rows(rng: random.Random) -> list[dict[str, Any]]:
    """Commercial rows, few and with NULL."""
    return [
        {
            "Brand": rng.choice((*KEPT, None)),
            "Line": rng.choice(KEPT),
            "Region": rng.choice(("north", "Alpha", "", None)),
            "A": rng.choice((0, 1, 2, 5, None)),
            "B": rng.choice((1, 3, None)),
            "Flag": False,
        }
        for _ in range(rng.choice((0, 1, 2, 6)))
    ]


class Formulas:
    """Writes one formula at a time; the same seed writes the same."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def formula(self) -> str:
        """A formula of any type, sometimes with aggregates and comments."""
        kind = self._rng.choice(("text", "number", "truth"))
        made = self._any(kind, 3)
        if self._rng.random() < 0.3:
            name = self._rng.choice(("SUM", "AVG", "COUNT", "COUNTD", "MIN", "MAX", "ATTR"))
            inner = self._any("number" if name in ("SUM", "AVG") else kind, 2)
            dimension = self._rng.choice(("", "{{FIXED [Region] : {}}}", "{{FIXED [Brand], [A] : {}}}"))
            made = (dimension or "{}").format(f"{name}({inner})")
            if name in ("MIN", "MAX", "ATTR") and self._rng.random() < 0.5:
                made = f"IF ISNULL({made}) THEN 'none' ELSE 'some' END"
        return f"{made} // {self._rng.choice(('Ent', 'all'))}" if self._rng.random() < 0.1 else made

    def _any(self, kind: str, depth: int) -> str:
        if kind == "truth":
            return self._truth(depth)
        form = self._rng.random()
        if depth <= 0 or form < 0.2:
            return self._plain(kind)
        if form < 0.55:
            return self._branching(kind, depth)
        if form < 0.65:
            return f"IFNULL({self._any(kind, depth - 1)}, {self._plain(kind)})"
        if kind == "number":
            return self._rng.choice(
                (
                    f"{self._any(kind, depth - 1)} {self._rng.choice('+-*/')} {self._plain(kind)}",
                    f"ZN({self._any(kind, depth - 1)})",
                    f"-{self._plain(kind)}",
                    f"({self._any(kind, depth - 1)})",
                    f"MAX({self._plain(kind)}, {self._plain(kind)})",
                )
            )
        return self._rng.choice((f"LOWER({self._plain(kind)})", f"UPPER({self._any(kind, depth - 1)})",
                                 f"TRIM({self._plain(kind)})", f"({self._any(kind, depth - 1)})",
                                 f"{self._plain(kind)} + {self._plain(kind)}"))  # fmt: skip

    def _branching(self, kind: str, depth: int) -> str:
        rng = self._rng
        form = rng.random()
        other = rng.random() < 0.7
        if form < 0.25:
            last = f", {self._plain(kind)}" if rng.random() < 0.3 else ""
            return f"IIF({self._truth(depth - 1)}, {self._any(kind, depth - 1)}, {self._any(kind, depth - 1)}{last})"
        if form < 0.5:
            arms = " ".join(f"WHEN {rng.choice((*GONE, *KEPT))!r} THEN {self._plain(kind)}" for _ in range(2))
            compared = rng.choice(("[Brand]", "[Line]", "UPPER([Brand])", self._any("text", 1)))
            return f"CASE {compared} {arms}{f' ELSE {self._any(kind, depth - 1)}' if other else ''} END"
        arms = " ELSEIF ".join(
            f"{self._truth(depth - 1)} THEN {self._any(kind, depth - 1)}" for _ in range(rng.choice((1, 2, 3)))
        )
        return f"IF {arms}{f' ELSE {self._any(kind, depth - 1)}' if other else ''} END"

    def _truth(self, depth: int) -> str:
        rng = self._rng
        form = rng.random()
        if depth <= 0 or form < 0.4:
            return self._leaf()
        if form < 0.7:
            return f"({self._truth(depth - 1)} {rng.choice(('AND', 'OR', 'and'))} {self._truth(depth - 1)})"
        if form < 0.82:
            return f"NOT ({self._truth(depth - 1)})"
        if form < 0.9:
            return f"NOT {self._leaf()}"
        return f"ISNULL({self._any(rng.choice(('text', 'number')), depth - 1)})"

    def _leaf(self) -> str:
        rng = self._rng
        field = rng.choice(("[Brand]", "[Brand]", "[Line]", "[Region]"))
        one, two = (repr(rng.choice((*GONE, *GONE, *KEPT))) for _ in range(2))
        return rng.choice(
            (
                f"{field} = {one}", f"{field} <> {one}", f"{field} == {one}", f"{one} != {field}",
                f"{field} IN ({one}, {two})", f"NOT {field} IN ({one}, {two})", f"{field} IN ({one}, NULL)",
                f"CONTAINS({field}, {one})", f"STARTSWITH({field}, {one[:3]}')", f"ENDSWITH({field}, {one})",
                f"CONTAINS(LOWER({field}), {one.lower()})", f"ISNULL({field})", f"UPPER({field}) = {one.upper()}",
                "[A] > 1", "[A] <= [B]", f"IFNULL({field}, {two}) = {one}", "[Flag]", "NOT [Flag]", "[Flag] = TRUE",
                f"{field} = {one} OR {field} = {two}", f"LEN({field}) > 3", f"{field} < {one}",
            )
        )  # fmt: skip

    def _plain(self, kind: str) -> str:
        rng = self._rng
        if kind == "number":
            return rng.choice(("[A]", "[B]", "0", "1", "2.5", "NULL"))
        if kind == "truth":
            return rng.choice(("TRUE", "FALSE", "[Flag]"))
        return rng.choice(("[Brand]", "[Line]", "[Region]", "'Ent'", '"Alpha"', "'x'", "NULL"))
