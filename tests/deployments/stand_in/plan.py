"""Plans and applies `deployments/gcp` with OpenTofu or Terraform, against a stand-in for Google's provider.

    python -m tests.deployments.stand_in.plan          # make plan-gcp

For each environment's example: validate, plan, apply, and a second plan that has to be empty. It proves that every
expression has a value of the right type, that what `for_each` counts is known before apply, that nothing waits for
itself, and that no argument changes by itself. What Google would say to it, it does not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.deployments.configuration import GCP
from tests.deployments.stand_in.provider import running

VARIANTS: dict[str, tuple[str, ...]] = {
    "staging": ("-var-file=staging.tfvars.example",),
    "production": ("-var-file=production.tfvars.example",),
    "production with builds and an office": (
        "-var-file=production.tfvars.example",
        "-var=github_connection=github",
        '-var=authorized_networks={"office":"203.0.113.0/24"}',
        '-var=slack_channels=["projects/mg-dw-workbench/notificationChannels/1"]',
    ),
    "as little as possible": (
        "-var=environment=staging", '-var=alert_emails=["data@example.com"]', "-var=github_repository=example/mg-dw",
    ),
}  # fmt: skip
REFUSED: dict[str, str] = {
    "-var=environment=test": "The environment is staging or production",
    "-var=project_id=Prod": "A project id has 6 to 30",
    "-var=region=europe-west1": "The region is one of the location's",
    '-var=developers=["allUsers"]': "Each developer is",
    '-var=authorized_networks={"all":"0.0.0.0/0"}': "Each network is a CIDR",
    "-var=raw_retention_days=30": "Raw batches are kept",
    "-var=alert_emails=[]": "At least one address",
}
"""Values that a variable's validation has to stop, and its words."""


class Tool:
    """OpenTofu or Terraform in a copy of the folder, with its state beside it."""

    def __init__(self, program: str, folder: Path, environment: dict[str, str]) -> None:
        self._program, self._folder = program, folder
        quiet = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_CLI_CONFIG_FILE": os.devnull}
        self._environment = {**os.environ, **quiet, **environment}

    def run(self, *arguments: str, expect: int = 0) -> str:
        """One command; returns what it printed. Ends this program when the command's exit code is another."""
        done = subprocess.run(
            [self._program, *arguments, "-no-color"],
            cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != expect:
            sys.exit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout + done.stderr


def main() -> None:
    """Try every variant; ends with an error at the first that does not hold."""
    program = shutil.which("tofu") or shutil.which("terraform")
    if program is None:
        sys.exit("neither tofu nor terraform is installed: see https://opentofu.org/docs/intro/install/")
    with tempfile.TemporaryDirectory(prefix="mgdw-plan-") as home, running() as environment:
        folder = Path(home) / "gcp"
        shutil.copytree(GCP, folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfvars", "*.tfstate*"))
        (folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        tool = Tool(program, folder, environment)
        tool.run("fmt", "-check", "-diff")
        tool.run("init")
        tool.run("validate")
        for name, variables in VARIANTS.items():
            planned = tool.run("plan", "-input=false", *variables)
            tool.run("apply", "-input=false", "-auto-approve", *variables)
            tool.run("plan", "-input=false", "-detailed-exitcode", *variables)
            (count,) = (line for line in planned.splitlines() if line.startswith("Plan:"))
            print(f"{name}: {count.removeprefix('Plan: ')} A second plan is empty.")
            (folder / "terraform.tfstate").unlink()
        least = VARIANTS["as little as possible"]
        for variable, words in REFUSED.items():
            said = tool.run("plan", "-input=false", *least, variable, expect=1)
            if words not in " ".join(said.split()):
                sys.exit(f"{variable} was refused with other words than {words!r}:\n{said}")
        print(f"{len(REFUSED)} values that must not be given were refused.")


if __name__ == "__main__":
    main()
