"""The page, the CSV files and the JSON, as somebody reads them."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

from split.report import (
    Findings,
    State,
    cuts_csv,
    diff_lines,
    models_csv,
    page,
    progress,
    read_findings,
    write_report,
)
from split.report_model import CutReport, LeftReport, ModelReport, ProjectReport
from split.sql.engine import Kind
from split.verify.check_model import ModelCheck, Verdict

_NASTY = "<script>alert('x')</script>"


def _mixed(name: str = "orders", **more: object) -> ModelReport:
    cut = CutReport(rule="a branch that is never taken", facts=("t.brand is never 'Ent'",), line=2, removed=_NASTY)
    model = ModelReport(
        name=name, path=f"models/{name}.sql", kind=Kind.mixed, cuts=(cut,), old_text=f"select\n{_NASTY}\n",
        new_text="select\n1\n", exposures=(_NASTY,),
    )  # fmt: skip
    return model.model_copy(update=more)


def _findings(*models: ModelReport, checks: tuple[ModelCheck, ...] = ()) -> Findings:
    return Findings(project=ProjectReport(name=_NASTY, models=models), checks=checks)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(text)
    return parser.found


def test_nothing_that_a_project_says_becomes_markup() -> None:
    text = page(_findings(_mixed()))
    assert _NASTY not in text
    assert [tag for tag, _ in _tags(text)].count("script") == 1


def test_the_page_asks_for_nothing_from_outside() -> None:
    for tag, attributes in _tags(page(_findings(_mixed()))):
        assert "src" not in attributes, tag
        assert tag != "link"
        assert (attributes.get("href") or "#").startswith("#")


def test_every_link_of_the_page_leads_somewhere() -> None:
    tags = _tags(page(_findings(_mixed(), _mixed("more"))))
    places = {attributes.get("id") for _, attributes in tags}
    assert {(attributes["href"] or "")[1:] for tag, attributes in tags if tag == "a" and "href" in attributes} <= places


def test_every_id_of_the_page_is_there_once() -> None:
    ids = [attributes["id"] for _, attributes in _tags(page(_findings(_mixed(), _mixed("b")))) if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_mixed_model_is_done_only_when_it_was_compared_and_equal() -> None:
    def state(verdict: Verdict | None) -> State:
        checks = (ModelCheck(name="orders", path="", verdict=verdict),) if verdict is not None else ()
        return _findings(_mixed(), checks=checks).state(_mixed())

    assert state(None) is State.proposed
    assert state(Verdict.no_rows) is State.proposed
    assert state(Verdict.equal) is State.proved
    assert state(Verdict.different) is State.differs


def test_what_was_left_to_a_person_is_refused_also_when_what_was_cut_is_equal() -> None:
    model = _mixed(left=(LeftReport(line=1, reason="a full join"),))
    checks = (ModelCheck(name="orders", path="", verdict=Verdict.equal),)
    assert progress(_findings(model, checks=checks)).refused == 1


def test_a_diff_counts_the_lines_of_both_sides() -> None:
    lines = diff_lines("a\nb\nc\n", "a\nc\nd\n")
    assert [(line.sign, line.old, line.new, line.text) for line in lines] == [
        (" ", 1, 1, "a"), ("-", 2, None, "b"), (" ", 3, 2, "c"), ("+", None, 3, "d"),
    ]  # fmt: skip


def test_the_csv_files_have_a_row_a_model_and_a_row_a_cut() -> None:
    findings = _findings(_mixed(), _mixed("more", cuts=()))
    assert [row["model"] for row in csv.DictReader(io.StringIO(models_csv(findings)))] == ["orders", "more"]
    assert [row["removed"] for row in csv.DictReader(io.StringIO(cuts_csv(findings)))] == [_NASTY]


def test_no_cell_of_a_csv_file_is_run_by_a_spreadsheet() -> None:
    model = _mixed(cuts=(CutReport(rule="r", facts=(), line=1, removed='=HYPERLINK("x")', added="-- gone"),))
    row = next(csv.DictReader(io.StringIO(cuts_csv(_findings(model)))))
    assert row["removed"] == '\'=HYPERLINK("x")'
    assert row["added"] == "'-- gone"


def test_the_json_file_holds_everything(tmp_path: Path) -> None:
    findings = _findings(_mixed(), checks=(ModelCheck(name="orders", path="", verdict=Verdict.equal),))
    write_report(findings, tmp_path / "report")
    assert read_findings(tmp_path / "report") == findings
