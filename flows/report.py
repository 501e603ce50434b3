"""Artifact tables and texts: pure functions from results to what people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.warehouse import LoadResult
from flows.failures import Failure


def load_rows(results: Sequence[LoadResult], failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """One row per table for the load artifact: batches of the same table are added up, failures come last."""
    merged: dict[str, dict[str, Any]] = {}
    for result in results:
        row = merged.setdefault(
            result.table,
            {
                "table": result.table, "batches": 0, "read": 0, "inserted": 0, "updated": 0, "deleted": 0,
                "unchanged": 0, "stale": 0, "quarantined": 0, "window": "", "state": "unchanged",
            },
        )  # fmt: skip
        row["batches"] += 1
        for name in ("read", "inserted", "updated", "deleted", "unchanged", "stale", "quarantined"):
            row[name] += getattr(result, name)
        row["window"] = window_text(result)
        row["state"] = "loaded" if row["inserted"] or row["updated"] or row["deleted"] else "unchanged"
    rows = [merged[name] for name in sorted(merged)]
    return rows + [{"table": f.what, "state": "failed", "cause": f.cause, "what to do": f.remedy} for f in failures]


def window_text(result: LoadResult) -> str:
    """The window for people: `… → 06-15 06:00`, to the minute, UTC."""
    lo = "…" if result.window.lo is None else f"{result.window.lo:%m-%d %H:%M}"
    return f"{lo} → {result.window.hi:%m-%d %H:%M}"


def summary_markdown(
    results: Sequence[LoadResult],
    built: dict[str, int],
    refreshed: Sequence[str],
    failures: Sequence[Failure],
    skipped: Sequence[str],
) -> str:
    """The run summary of the daily refresh as markdown."""
    total = {n: sum(getattr(r, n) for r in results) for n in ("read", "inserted", "updated", "deleted", "quarantined")}
    verdict = "Failed" if failures else "Done"
    numbers = ("read", "inserted", "updated", "deleted", "unchanged", "quarantined")
    counted = ", ".join(f"{count:,} {name}" for name, count in total.items())
    lines = ["# Daily refresh", "", f"**{verdict}**: rows {counted}.", ""]
    lines += [f"| table | {' | '.join(numbers)} | window |", f"|---|{'---:|' * len(numbers)}---|"]
    lines += [
        f"| {row['table']} | {' | '.join(f'{row[name]:,}' for name in numbers)} | {row['window']} |"
        for row in load_rows(results, ())
    ]
    lines += ["", "dbt: " + (", ".join(f"{n} {status}" for status, n in sorted(built.items())) or "nothing built")]
    lines += ["", "Tableau: " + (", ".join(refreshed) or "nothing refreshed")]
    if failures:
        lines += ["", "## Failures", ""]
        lines += [f"- **{f.step}** {f.what}: {f.cause} *What to do: {f.remedy}*" for f in failures]
    if skipped:
        lines += ["", "Skipped because of them: " + ", ".join(skipped)]
    return "\n".join(lines)
