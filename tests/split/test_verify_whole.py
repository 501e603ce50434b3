"""The whole comparison, from two folders and a folder of real rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from split.verify.check_model import Verdict
from split.verify.checking import verify
from tests.split.small_project import FACTS, NEW, write


@pytest.mark.slow
def test_two_folders_are_compared_over_generated_and_real_rows(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "raw.orders.csv").write_text(
        "id,brand,customer_id,amount,quantity,placed\n1,Alpha,7,2.5,3,2024-02-01\n2,,7,1,9,2024-02-02\n"
    )
    (real / "raw.contracts.csv").write_text("id,value\n")
    checks = {
        c.name: c
        for c in verify(
            write(tmp_path / "old"),
            write(tmp_path / "new", NEW, {"models/totals.sql": "select 1 as x\n{% if y %}\n"}),
            FACTS,
            sets=1,
            extracts=[real],
        )
    }
    assert checks["stg_orders"].verdict is Verdict.equal
    assert checks["totals"].verdict is Verdict.not_run
    assert checks["totals"].reasons[0].startswith("models/totals.sql:")
    assert checks["shares"].verdict is Verdict.not_run
    assert checks["lines"].verdict is Verdict.equal
