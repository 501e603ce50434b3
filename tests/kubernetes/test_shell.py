"""What runs in bash when somebody deploys, read by shellcheck."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SHELLCHECK = ROOT / ".checks" / "bin" / "shellcheck"
SCRIPTS = {path.name: path.read_text() for path in sorted((ROOT / "deployments").glob("*.sh"))}
STEPS = {
    f"{path.stem} {step['id']}": step["script"]
    for path in sorted((ROOT / "deployments").glob("cloudbuild-*.yaml"))
    for step in yaml.safe_load(path.read_text())["steps"]
    if "script" in step
}


@pytest.mark.parametrize("name", [*SCRIPTS, *STEPS])
def test_shellcheck_has_nothing_to_say(name: str) -> None:
    script = (SCRIPTS | STEPS)[name]
    # A build's script gets the substitutions from outside, in capitals; that one is not set is found elsewhere.
    found = subprocess.run([SHELLCHECK, "-"], input=script, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_shellcheck_would_say_something() -> None:
    found = subprocess.run([SHELLCHECK, "-"], input="#!/bin/bash\nrm $1\n", capture_output=True, text=True, check=False)
    assert "SC2086" in found.stdout
