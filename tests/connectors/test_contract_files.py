"""Contract files: what a right one becomes, and that a wrong one is refused with every problem, file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.contract import Column, DataType, QualityRule, Table, load_contract
from connectors.errors import ContractError

SMALL = """version: 2

sources:
  - name: zuora
    description: Things.
    schema: STG
    config:
      loaded_at_field: _loaded_at
      freshness:
        warn_after: {count: 26, period: hour}
    tables:
      - name: zuora_thing
        description: One row per thing.
        config:
          meta:
            object: Thing
            primary_key: [id]
            filter: Kind = 'x'
            cursor: updated_date
            deleted_flag: is_gone
            partition_by: {column: bought_on, granularity: month}
            cluster_by: [id]
            quality:
              - name: not_negative
                expression: amount >= 0
        columns:
          - name: id
            data_type: STRING
            description: Key
          - name: amount
            data_type: NUMERIC
            description: Money
            config: {meta: {field: Amount__c}}
          - name: bought_on
            data_type: DATE
            description: Day
          - name: is_gone
            data_type: BOOL
            description: Flag
          - name: updated_date
            data_type: TIMESTAMP
            description: Cursor
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with one right contract file."""
    (tmp_path / "zuora").mkdir()
    (tmp_path / "zuora" / "_zuora__sources.yml").write_text(SMALL)
    return tmp_path


def _problems(root: Path) -> list[str]:
    with pytest.raises(ContractError) as caught:
        load_contract(root)
    return [problem.removeprefix(f"{root}/") for problem in caught.value.problems]


def _change(root: Path, old: str, new: str) -> Path:
    path = root / "zuora" / "_zuora__sources.yml"
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    path.write_text(text.replace(old, new))
    return path


def test_a_small_contract_becomes_these_tables(small: Path) -> None:
    assert load_contract(small).tables == (
        Table(
            source="zuora",
            name="zuora_thing",
            description="One row per thing.",
            object="Thing",
            columns=(
                Column("id", DataType.STRING, "Id", "Key", required=True),
                Column("amount", DataType.NUMERIC, "Amount__c", "Money"),
                Column("bought_on", DataType.DATE, "BoughtOn", "Day"),
                Column("is_gone", DataType.BOOL, "IsGone", "Flag"),
                Column("updated_date", DataType.TIMESTAMP, "UpdatedDate", "Cursor"),
            ),
            primary_key=("id",),
            cursor="updated_date",
            filter="Kind = 'x'",
            deleted_flag="is_gone",
            partition_by=("bought_on", "month"),
            cluster_by=("id",),
            quality=(QualityRule("not_negative", "amount >= 0"),),
        ),
    )


CHANGES = {
    "unknown key of the file": ("version: 2", "versoin: 2", "the file: unknown key 'versoin'; did you mean 'version'?"),
    "unknown key of the source": (
        "    schema:",
        "    shema: x\n    schema:",
        "unknown key 'shema'; did you mean 'schema'?",
    ),
    "unknown key of the source's config": ("loaded_at_field:", "loaded_at: x\n      loaded_at_field:", "'loaded_at'"),
    "unknown key of a table": ("        columns:", "        colums: []\n        columns:", "did you mean 'columns'?"),
    "unknown key of a table's config": (
        "          meta:",
        "          mata: {}\n          meta:",
        "did you mean 'meta'?",
    ),
    "unknown key of a table's meta": (
        "            cursor:",
        "            curser: x\n            cursor:",
        "did you mean 'cursor'?",
    ),
    "unknown key of a column": (
        "            description: Money",
        "            description: Money\n            type: x",
        "'type'",
    ),
    "unknown key of a column's meta": ("meta: {field: Amount__c}", "meta: {feild: Amount__c}", "did you mean 'field'?"),
    "unknown key of a partition": ("granularity: month", "granularty: month", "did you mean 'granularity'?"),
    "unknown key of a rule": ("expression:", "expresion:", "did you mean 'expression'?"),
    "unknown key of freshness": ("warn_after:", "warn_afer:", "did you mean 'warn_after'?"),
    "unknown type": ("NUMERIC", "NUMBER", "'NUMBER' is not one of STRING, INT64, NUMERIC"),
    "type by a close name": ("data_type: DATE\n", "data_type: date\n", "did you mean 'DATE'?"),
    "no type": ("            data_type: NUMERIC\n", "", "column 'amount': data_type is missing"),
    "column declared twice": ("name: amount", "name: id", "column 'id' occurs twice"),
    "two columns of one field": ("field: Amount__c", "field: Id", "columns 'id' and 'amount' have the same field 'Id'"),
    "reserved column": ("name: amount", "name: _batch_id", "reserved"),
    "column in capitals": ("name: amount", "name: Amount", "lower case"),
    "no key": ("            primary_key: [id]\n", "", "has no primary_key"),
    "empty key": ("primary_key: [id]", "primary_key: []", "has no primary_key"),
    "key that is no list": ("primary_key: [id]", "primary_key: id", "expected a list"),
    "key that is no column": (
        "primary_key: [id]",
        "primary_key: [ids]",
        "'ids' is no column of the table; did you mean 'id'?",
    ),
    "key column twice": ("primary_key: [id]", "primary_key: [id, id]", "'id' occurs twice"),
    "no cursor": ("            cursor: updated_date\n", "", "has no cursor"),
    "cursor that is no column": ("cursor: updated_date", "cursor: update_date", "did you mean 'updated_date'?"),
    "cursor that is no time": ("cursor: updated_date", "cursor: bought_on", "'bought_on' is DATE, must be TIMESTAMP"),
    "deleted flag that is no flag": ("deleted_flag: is_gone", "deleted_flag: id", "must be BOOL"),
    "deleted flag that is no column": ("deleted_flag: is_gone", "deleted_flag: isgone", "did you mean 'is_gone'?"),
    "partition by text": ("column: bought_on", "column: id", "must be DATE or TIMESTAMP"),
    "partition by no column": ("column: bought_on", "column: bought", "is no column of the table"),
    "partition by hour of a date": ("granularity: month", "granularity: hour", "'hour' is not one of day, month, year"),
    "cluster by no column": ("cluster_by: [id]", "cluster_by: [idd]", "cluster_by of table 'zuora_thing'"),
    "no object": ("            object: Thing\n", "", "object is missing"),
    "key of a file source": (
        "object: Thing",
        "object: Thing\n            prefix: x/",
        "prefix has no meaning for source 'zuora'",
    ),
    "rule with an unknown column": ("amount >= 0", "amont >= 0", "'not_negative' does not run"),
    "rule that is no condition": ("amount >= 0", "amount + 1", "not true or false"),
    "rule that is no SQL": ("amount >= 0", "amount >=", "does not run"),
    "column without description": ("description: Money", 'description: ""', "column 'amount': description is empty"),
    "column without description key": (
        "            description: Money\n",
        "",
        "column 'amount': description is missing",
    ),
    "table without description": (
        "description: One row per thing.",
        'description: ""',
        "table 'zuora_thing': description is empty",
    ),
    "no freshness": ("      freshness:\n        warn_after: {count: 26, period: hour}\n", "", "freshness is missing"),
    "no loaded_at_field": ("      loaded_at_field: _loaded_at\n", "", "loaded_at_field is missing"),
    "freshness in weeks": ("period: hour", "period: week", "'week' is not one of minute, hour, day"),
    "freshness of nothing": ("count: 26", "count: 0", "count must be a whole number above 0"),
    "another source's file": (
        "- name: zuora\n",
        "- name: netsuite\n",
        "belongs in a file named _netsuite__sources.yml",
    ),
    "unknown source": ("- name: zuora\n", "- name: zoura\n", "unknown source 'zoura'"),
    "key twice": (
        "            object: Thing",
        "            object: Thing\n            object: Other",
        "the key 'object' occurs twice",
    ),
    "columns that are no list": ("        columns:", "        columns: none\n        tags:", "has no columns"),
    "description that is no text": ("description: Money", "description: [Money]", "must be text"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_one_mistake_is_one_problem_with_its_line(small: Path, kind: str) -> None:
    old, new, text = CHANGES[kind]
    _change(small, old, new)

    problems = _problems(small)

    assert any(text in problem for problem in problems), problems
    assert all(problem.startswith("zuora/_zuora__sources.yml:") for problem in problems)


def test_a_problem_names_the_line_it_is_in(small: Path) -> None:
    _change(small, "data_type: NUMERIC", "data_type: MONEY")

    [problem] = _problems(small)

    assert problem.startswith("zuora/_zuora__sources.yml:31: column 'amount': data_type: 'MONEY' is not one of STRING")


def test_all_problems_of_all_files_come_at_once(small: Path) -> None:
    _change(small, "cursor: updated_date", "cursor: nothing")
    _change(small, "NUMERIC", "MONEY")
    (small / "s3").mkdir()
    (small / "s3" / "_s3__sources.yml").write_text(
        "version: 2\nsources:\n  - name: s3\n    description: x\n    schema: y\n"
    )
    (small / "netsuite").mkdir()
    (small / "netsuite" / "_netsuite__sources.yml").write_text("sources: [\n  - {")

    problems = _problems(small)

    assert [p.split(": ")[0] for p in problems] == [
        "netsuite/_netsuite__sources.yml:2",
        "s3/_s3__sources.yml:3",
        "zuora/_zuora__sources.yml:19",
        "zuora/_zuora__sources.yml:31",
    ]
    assert "broken YAML" in problems[0]
    assert "source 's3' has no tables" in problems[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- a list\n", "expected keys and values"),
        ("version: 2\n", "no source"),
        ("version: 2\nsources: []\n", "no source"),
        ("a: &a\n  b: *a\n", "contains itself"),
        ("a: 1\n---\nb: 2\n", "broken YAML"),
        ("\tversion: 2\n", "broken YAML"),
    ],
)
def test_a_file_that_is_no_contract_is_refused(small: Path, text: str, problem: str) -> None:
    (small / "zuora" / "_zuora__sources.yml").write_text(text)
    assert problem in "\n".join(_problems(small))


def test_a_table_declared_in_two_files_is_refused_with_both_places(small: Path) -> None:
    text = (small / "zuora" / "_zuora__sources.yml").read_text()
    (small / "salesforce").mkdir()
    (small / "salesforce" / "_salesforce__sources.yml").write_text(text.replace("name: zuora\n", "name: salesforce\n"))

    [problem] = _problems(small)

    assert problem.startswith("zuora/_zuora__sources.yml:12: table 'zuora_thing' is declared before, at ")
    assert problem.endswith("salesforce/_salesforce__sources.yml:12")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("            format: csv\n", ""), "has no format"),
        (("format: csv", "format: orc"), "'orc' is not one of csv, jsonl, parquet"),
        (("prefix: things/", "prefix: things"), "must end with /"),
        (("prefix: things/", "prefix: things/\n            cursor: day"), "cursor has no meaning"),
        (("            prefix: things/\n", ""), "prefix is missing"),
    ],
)
def test_a_file_table_needs_prefix_and_format(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    (tmp_path / "s3").mkdir()
    path = tmp_path / "s3" / "_s3__sources.yml"
    path.write_text(S3)
    assert load_contract(tmp_path).tables[0].format == "csv"
    load_contract.cache_clear()
    path.write_text(S3.replace(*change))

    assert problem in "\n".join(_problems(tmp_path))


def test_what_dbt_itself_allows_stays_allowed(small: Path) -> None:
    _change(
        small, "description: Money", "description: Money\n            data_tests: [not_null]\n            tags: [money]"
    )
    _change(
        small, "        columns:", "        quoting: {identifier: true}\n        identifier: thing\n        columns:"
    )
    _change(small, "    schema:", "    database: p\n    loader: mgdw\n    schema:")
    _change(small, "    tables:", "    tags: [billing]\n    tables:")

    assert load_contract(small).tables[0].column("amount").description == "Money"


def test_a_folder_without_contracts_is_refused(tmp_path: Path) -> None:
    assert "no contract file" in "\n".join(_problems(tmp_path))


S3 = """version: 2
sources:
  - name: s3
    description: Files.
    schema: STG
    config:
      loaded_at_field: _loaded_at
      freshness: {warn_after: {count: 1, period: day}}
    tables:
      - name: s3_thing
        description: One row per thing.
        config:
          meta:
            prefix: things/
            primary_key: [day]
            format: csv
        columns:
          - {name: day, data_type: DATE, description: Day}
"""
