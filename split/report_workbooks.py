"""What was found in workbooks, for people: a page, a CSV file of the items, and JSON."""

from __future__ import annotations

from pathlib import Path

from split.report import csv_text, diff_lines, template
from split.tableau.items import Item, ItemState, WorkbookReport, WorkbooksReport

_KINDS_OF_STATE = {
    ItemState.nothing: "done", ItemState.changed: "waiting", ItemState.goes: "waiting", ItemState.owner: "waiting",
    ItemState.by_hand: "refused",
}  # fmt: skip


def workbooks_page(report: WorkbooksReport) -> str:
    """The HTML page."""
    numbered = [(w, item) for w in report.workbooks for item in w.items]
    bar: dict[str, int] = {"done": 0, "waiting": 0, "refused": 0}
    for _, item in numbered:
        bar[_KINDS_OF_STATE[item.state]] += 1
    return template("workbooks.html.j2").render(
        report=report,
        items=numbered,
        bar=bar,
        unused=[(w, item) for w, item in numbered if item.unused],
        by_hand=[(w, item) for w, item in numbered if item.state is ItemState.by_hand],
        goes=[(w, item) for w, item in numbered if item.state is ItemState.goes],
        shown=[(w, item) for w, item in numbered if item.new is not None or item.proposed is not None],
        literals=[(w, item, literal) for w, item in numbered for literal in item.literals],
        unclear=unclear_tables(report),
        diff=diff_lines,
        anchors={id(item): f"item-{place}" for place, (_, item) in enumerate(numbered, 1)},
        anchor=id,
    )


def unclear_tables(report: WorkbooksReport) -> dict[str, list[str]]:
    """Why nothing is known of tables, with the workbooks that read them."""
    found: dict[str, dict[str, None]] = {}
    for workbook in report.workbooks:
        for table in (t for source in workbook.sources for t in source.tables if t.unclear):
            found.setdefault(table.unclear, {})[workbook.path] = None
    return {why: list(paths) for why, paths in sorted(found.items())}


def items_csv(report: WorkbooksReport) -> str:
    """One row an item."""
    header = (
        "workbook", "line", "data source", "item", "name", "internal name", "class", "state", "unused", "sheets",
        "cuts", "facts", "left to a person", "unknown literals", "old", "new",
    )  # fmt: skip
    return csv_text(header, (_row(w, item) for w in report.workbooks for item in w.items))


def write_workbooks_report(report: WorkbooksReport, folder: Path) -> Path:
    """Write `workbooks.html`, `workbooks.csv` and `workbooks.json` into a folder; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "workbooks.html": workbooks_page(report),
        "workbooks.csv": items_csv(report),
        "workbooks.json": report.model_dump_json(indent=2),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / "workbooks.html"


def _row(workbook: WorkbookReport, item: Item) -> tuple[object, ...]:
    return (
        workbook.path,
        item.line,
        item.datasource,
        item.what,
        item.name,
        item.internal,
        item.kind.value,
        item.state.value,
        "yes" if item.unused else "no",
        "; ".join(item.sheets),
        "; ".join(dict.fromkeys(cut.rule for cut in item.cuts)),
        "; ".join(dict.fromkeys(fact for cut in item.cuts for fact in cut.facts)),
        "; ".join(item.left),
        "; ".join(literal.literal for literal in item.literals),
        item.old,
        item.new or "",
    )
