"""`mgdw` as a person at a terminal meets it: what it prints, how it ends, and never a traceback."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from flows.salesforce import salesforce
from tests.flows.conftest import ROOT, Stage
from tests.flows.oracle import Oracle


@dataclass(frozen=True)
class Ended:
    """One command that has ended."""

    status: int
    out: str
    err: str


class Command:
    """`mgdw ...` in a process of its own, under way."""

    def __init__(self, *arguments: str, settings: dict[str, str], longest_file: int | None = None) -> None:
        def limit() -> None:
            if longest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (longest_file, longest_file))

        ours = {name: value for name, value in os.environ.items() if not name.startswith("MGDW_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=ROOT,
            env={**ours, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit,  # noqa: PLW1509 - one system call, no locks
        )

    def wait(self) -> Ended:
        """Its end; whatever happened, it shows no traceback."""
        try:
            out, err = self._process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        assert "Traceback" not in out + err
        return Ended(self._process.returncode, out, err)


def mgdw(*arguments: str, **settings: str) -> Ended:
    return Command(*arguments, settings=settings).wait()


def test_an_unknown_flow_is_answered_with_the_known_ones() -> None:
    ended = mgdw("run", "salesforec")
    assert ended.status != 0
    assert all(name in ended.err for name in ("daily-refresh", "salesforce", "s3-usage"))


def test_a_sound_contract_is_counted() -> None:
    ended = mgdw("contract", "check")
    assert ended.status == 0
    assert "21 tables" in ended.out


def test_a_broken_contract_is_told_with_every_file_and_line(tmp_path: Path) -> None:
    staging = tmp_path / "models" / "staging"
    shutil.copytree(ROOT / "dbt" / "models" / "staging", staging)
    places: list[str] = []
    for source, right, wrong in (
        ("zuora", "primary_key: [id]", "primary_key: [no]"),
        ("s3", "format: csv", "format: xls"),
    ):
        path = staging / source / f"_{source}__sources.yml"
        text = path.read_text()
        places.append(f"{path}:{text[: text.index(right)].count(chr(10)) + 1}")
        path.write_text(text.replace(right, wrong, 1))
    ended = mgdw("contract", "check", MGDW_DBT_PROJECT_DIR=str(tmp_path))
    assert ended.status == 1
    assert ended.out == ""
    assert "Failed: 2 problems in the contract" in ended.err
    assert all(place in ended.err for place in places)
    assert "What to do: Correct the lines named above" in ended.err


def test_a_misspelt_table_and_a_wrong_secret_end_in_cause_and_remedy(stage: Stage, tmp_path: Path) -> None:
    settings = stage.environment()
    misspelt = Command("run", "salesforce", "--table", "sfdc_acount", settings=settings)
    wrong = settings | {"MGDW_ZUORA_CLIENT_SECRET": "the-wrong-secret", "MGDW_DUCKDB_PATH": str(tmp_path / "w.duckdb")}
    refused = Command("run", "zuora", "--table", "zuora_account", "--table", "zuora_product", settings=wrong)

    ended = misspelt.wait()
    assert ended.status == 1
    assert "Failed: salesforce has no table 'sfdc_acount'" in ended.err
    assert "What to do: Did you mean 'sfdc_account'?" in ended.err

    ended = refused.wait()
    assert ended.status == 1
    assert ended.err.count("\nFailed: ") == 1
    assert "\nFailed: zuora, zuora_account, zuora_product: " in ended.err
    assert "refused" in ended.err.partition("\nFailed: ")[2]
    assert "What to do: Check MGDW_ZUORA_CLIENT_ID and MGDW_ZUORA_CLIENT_SECRET" in ended.err
    assert "the-wrong-secret" not in ended.err + ended.out


def test_a_load_prints_its_table_and_a_second_one_has_nothing_new(stage: Stage) -> None:
    command = ("run", "salesforce", "--table", "sfdc_account")
    first = mgdw(*command, **stage.environment())
    assert first.status == 0
    rows = stage.rows("SELECT count(*) FROM STG.sfdc_account")[0][0]
    line = next(line for line in first.out.splitlines() if line.strip().startswith("sfdc_account"))
    assert line.split()[1:3] == [f"{rows:,}", f"{rows:,}"]
    assert f"{stage.sandbox.now:%m-%d %H:%M}" in line
    second = mgdw(*command, **stage.environment())
    assert second.status == 0
    assert second.out == "Nothing new since the last run.\n"


def test_a_lake_that_cannot_grow_is_told_with_its_path_and_heals(stage: Stage, tmp_path: Path) -> None:
    house = Stage(tmp_path, stage.sandbox)
    house.run(salesforce, tables=["sfdc_user"])
    tables = ["sfdc_contact", "sfdc_opportunity"]
    arguments = [word for table in tables for word in ("--table", table)]
    command = Command("run", "salesforce", *arguments, settings=house.environment(), longest_file=16_384)
    ended = command.wait()
    assert ended.status == 1
    assert f"cannot write {tmp_path / 'lake'}" in ended.err
    assert "File too large" in ended.err
    assert "What to do: Free space" in ended.err
    assert not [path for path in (tmp_path / "lake").rglob("*") if path.name.endswith(".partial")]
    house.run(salesforce, tables=tables)
    oracle = Oracle(tmp_path / "oracle.duckdb", stage.sandbox.world)
    assert oracle.differences(house.database, tables) == {}


def test_a_table_that_the_contract_lacks_is_answered_with_those_it_has() -> None:
    ended = mgdw("contract", "show", "sfdc_acount")
    assert ended.status == 1
    assert "sfdc_account" in ended.err


def test_a_command_does_not_let_prefect_report_home() -> None:
    asked = (
        "import os; [os.environ.pop(name, None) for name in ('PREFECT_SERVER_ANALYTICS_ENABLED', 'DO_NOT_TRACK')]; "
        "from flows import cli; cli._prepare(); from prefect.settings import get_current_settings as settings; "
        "print(settings().server.analytics_enabled)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.strip() == "False"
