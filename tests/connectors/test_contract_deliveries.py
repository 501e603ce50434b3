"""How a contract says that files are delivered: what a right one becomes, and that a wrong one is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.contract import Archive, CompleteWhen, Expected, FileRules, load_contract
from connectors.errors import ContractError

FILES = """version: 2
sources:
  - name: s3
    description: Files.
    schema: STG
    config:
      loaded_at_field: _loaded_at
      freshness: {warn_after: {count: 1, period: day}, error_after: {count: 2, period: day}}
    tables:
      - name: s3_thing
        description: One row per thing.
        config:
          meta:
            prefix: things/
            primary_key: [day]
            format: csv
            delimiter: ";"
            encoding: latin-1
            complete_when: {marker: _SUCCESS}
            expected: {every: weekday, date: "dt=%Y-%m-%d", grace_days: 2, gap_days: 3}
            after_load: {archive: done/things/, days: 30}
        columns:
          - {name: day, data_type: DATE, description: Day}
"""


def _write(root: Path, text: str) -> Path:
    (root / "s3").mkdir()
    (root / "s3" / "_s3__sources.yml").write_text(text)
    return root


def _rules(root: Path, text: str) -> FileRules:
    return load_contract(_write(root, text)).tables[0].files


def test_delivery_rules_become_facts(tmp_path: Path) -> None:
    assert _rules(tmp_path, FILES) == FileRules(
        delimiter=";",
        encoding="latin-1",
        complete_when=CompleteWhen("marker", "_SUCCESS"),
        expected=Expected("weekday", "dt=%Y-%m-%d", grace_days=2, gap_days=3),
        archive=Archive("done/things/", 30),
        stale_after=timedelta(days=2),
    )


def test_without_rules_a_file_is_plain_csv_and_may_come_when_it_likes(tmp_path: Path) -> None:
    lines = [line for line in FILES.splitlines() if not line.strip().startswith(("del", "enc", "comp", "exp", "after"))]
    assert _rules(tmp_path, "\n".join(lines)) == FileRules(stale_after=timedelta(days=2))


def test_a_tab_and_a_manifest_may_be_declared(tmp_path: Path) -> None:
    text = FILES.replace('delimiter: ";"', r'delimiter: "\t"').replace("{marker: _SUCCESS}", "{manifest: set.json}")
    rules = _rules(tmp_path, text)
    assert (rules.delimiter, rules.complete_when) == ("\t", CompleteWhen("manifest", "set.json"))


CHANGES = {
    "another delimiter": ('delimiter: ";"', 'delimiter: "::"', "'::' is not one of"),
    "another encoding": ("latin-1", "latin1", "did you mean 'latin-1'?"),
    "a delimiter of JSON": ("format: csv", "format: jsonl", "has a meaning for format csv only"),
    "unknown key of a set": ("marker: _SUCCESS", "markr: _SUCCESS", "did you mean 'marker'?"),
    "two ways to be complete": ("marker: _SUCCESS", "marker: a, manifest: b", "needs either marker or manifest"),
    "a marker in a folder": ("marker: _SUCCESS", "marker: x/_SUCCESS", "must be a file name like _SUCCESS or *.done"),
    "a manifest for each file": ("marker: _SUCCESS", 'manifest: "*.json"', "must be a file name like manifest.json"),
    "no rhythm": ("every: weekday, ", "", "every is missing"),
    "unknown rhythm": ("every: weekday", "every: week", "'week' is not one of day, weekday"),
    "no date": ('date: "dt=%Y-%m-%d", ', "", "date is missing"),
    "a date without a day": ("dt=%Y-%m-%d", "dt=%Y-%m", "date needs %Y, %m and %d"),
    "a grace below nothing": ("grace_days: 2", "grace_days: -1", "grace_days must be a whole number, 0 or more"),
    "an archive that is no folder": ("done/things/", "done/things", "archive must end with /"),
    "an archive inside the prefix": ("done/things/", "things/done/", "lies below the prefix of 's3_thing'"),
    "an archive around the prefix": ("done/things/", "th", "archive 'th' contains the prefix"),
    "no days": (", days: 30", "", "days is missing"),
    "archived at once": ("days: 30", "days: 0", "days must be a whole number, 1 or more"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_one_mistake_is_one_problem_with_its_line(tmp_path: Path, kind: str) -> None:
    old, new, text = CHANGES[kind]
    assert FILES.count(old) == 1, old
    with pytest.raises(ContractError) as caught:
        load_contract(_write(tmp_path, FILES.replace(old, new)))
    problems = [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]
    assert any(text in problem for problem in problems), problems
    assert all(problem.startswith(("s3/_s3__sources.yml:1", "s3/_s3__sources.yml:2")) for problem in problems)


def test_delivery_rules_have_no_meaning_for_an_api(tmp_path: Path) -> None:
    text = FILES.replace("name: s3\n", "name: zuora\n").replace("prefix: things/", "object: Thing")
    (tmp_path / "zuora").mkdir()
    (tmp_path / "zuora" / "_zuora__sources.yml").write_text(text)
    with pytest.raises(ContractError) as caught:
        load_contract(tmp_path)
    told = "\n".join(caught.value.problems)
    for key in ("format", "delimiter", "encoding", "complete_when", "expected", "after_load"):
        assert f"{key} has no meaning for source 'zuora'" in told
