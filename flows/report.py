"""Artifact tables and texts: pure functions from results to what people read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from connectors.warehouse import LoadResult
from flows.failures import Failure, told_once

_NUMBERS = ("read", "inserted", "updated", "deleted", "unchanged", "stale", "quarantined")
_FIXED = "\N{NO-BREAK SPACE}"
_LIST_PRICE = 6.25
"""US dollars a TiB, on demand, in the location US (Google Cloud price list, BigQuery, 2026)."""


class Costly(Protocol):
    """What BigQuery billed for: a load, a dbt node. Both are 0 on DuckDB."""

    @property
    def bytes_billed(self) -> int: ...

    @property
    def slot_ms(self) -> int: ...


def cost_columns(all_of_them: Sequence[Costly], one: Costly) -> dict[str, int]:
    """The cost of one of several, as columns; none of them where nothing was billed for at all (DuckDB)."""
    if not any(each.bytes_billed or each.slot_ms for each in all_of_them):
        return {}
    return {"bytes billed": one.bytes_billed, "slot ms": one.slot_ms}


def cost_text(spent: Iterable[Costly]) -> str:
    """What several cost together; empty where nothing was billed for.

    `1.50 GiB billed ($0.01 on demand at the list price), 12.3 slot seconds`.
    """
    billed = used = 0
    for one in spent:
        billed += one.bytes_billed
        used += one.slot_ms
    if not billed and not used:
        return ""
    dollars = f"${billed / 2**40 * _LIST_PRICE:,.2f} on demand at the list price"
    return f"{billed / 2**30:,.2f} GiB billed ({dollars}), {used / 1000:,.1f} slot seconds"


def load_rows(results: Sequence[LoadResult], failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """One row per table for the load artifact: batches of the same table are added up, failures come last."""
    merged: dict[str, dict[str, Any]] = {}
    costs = cost_columns(results, results[0]) if results else {}
    for result in results:
        row = merged.setdefault(
            result.table,
            {
                "table": result.table, "state": "unchanged", "window": "", "read": 0, "inserted": 0, "updated": 0,
                "deleted": 0, "quarantined": 0, "unchanged": 0, "stale": 0, "batches": 0, **dict.fromkeys(costs, 0),
            },
        )  # fmt: skip
        row["batches"] += 1
        for name in _NUMBERS:
            row[name] += getattr(result, name)
        for name, value in (cost_columns(results, result) if costs else {}).items():
            row[name] += value
        row["window"] = window_text(result)
        row["state"] = "loaded" if row["inserted"] or row["updated"] or row["deleted"] else "unchanged"
    rows = [merged[name] for name in sorted(merged)]
    return rows + [{"table": f.what, "state": "failed", "cause": f.cause, "what to do": f.remedy} for f in failures]


def loaded_text(result: LoadResult) -> str:
    """What follows the rows in the log: ` (5 inserted, 21 updated, 1 deleted), 06-15 06:00 → 06-16 06:00`."""
    names = ("inserted", "updated", "deleted", "unchanged", "stale")
    counted = ", ".join(f"{getattr(result, name)} {name}" for name in names if getattr(result, name))
    done = "loaded by an earlier run" if result.skipped else counted
    return f"{f' ({done})' if done else ''}, {window_text(result)}"


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
    *,
    nodes: Sequence[Costly] = (),
    links: Sequence[str] = (),
) -> str:
    """The run summary of the daily refresh as markdown.

    Args:
        built: how many dbt nodes ended how.
        nodes: the dbt nodes, for what they cost.
        links: markdown links to where to look next.
    """
    total = {n: sum(getattr(r, n) for r in results) for n in ("read", "inserted", "updated", "deleted", "quarantined")}
    verdict = "Failed" if failures else "Done"
    # What is wider than the page wraps the windows: a column of zeros gives way.
    numbers = ("read", "inserted", "updated", "deleted", *(["quarantined"] if total["quarantined"] else []))
    counted = ", ".join(f"{count:,} {name}" for name, count in total.items())
    lines = ["# Daily refresh", "", f"**{verdict}**: rows {counted}.", ""]
    if failures:
        lines += ["## What failed", ""]
        for one, whats in told_once(failures).items():
            about = f" ({', '.join(whats)})" if whats else ""
            lines.append(f"- **{one.step}**{about}: {one.cause} *What to do: {one.remedy}*")
        lines.append("")
    if skipped:
        lines += ["Skipped because of it: " + ", ".join(skipped), ""]
    lines += ["Tableau: " + (", ".join(refreshed) or "nothing refreshed"), ""]
    lines += ["dbt: " + (", ".join(f"{n} {status}" for status, n in sorted(built.items())) or "nothing built"), ""]
    lines += [" · ".join(links), ""] if links else []
    if cost := cost_text([*results, *nodes]):
        lines += [f"Cost: {cost} (loads: {cost_text(results) or 'nothing'}; dbt: {cost_text(nodes) or 'nothing'}).", ""]
    if results and (costs := cost_columns(results, results[0])):
        numbers = (*numbers, *costs)
    lines += [f"| table | {' | '.join(numbers)} | window |", f"|---|{'---:|' * len(numbers)}---|"]
    for row in load_rows(results, ()):
        cells = (row["table"], *(f"{row[name]:,}" for name in numbers), row["window"].replace(" ", _FIXED))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
