"""How long the split takes a model: a dbt project of 1,000 models, classified and proposed in one process.

The models are those of `tests/split/mixed_project`, written over and over under other names; each copy reads its own.
Seconds are those of the processor (`time.process_time`), so that a busy machine does not matter.

    python -m benchmarks.split --models 1000
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
import time
from pathlib import Path

from split.dbt.project import load_project
from split.facts import load_facts
from split.project import classify_project
from split.propose import propose

FIXTURE = Path(__file__).parent.parent / "tests" / "split" / "mixed_project"
_REF = re.compile(r"ref\('(\w+)'\)")


def write(folder: Path, models: int) -> Path:
    """A project of this many models."""
    shutil.copytree(FIXTURE, folder, ignore=shutil.ignore_patterns("models", "snapshots", "tests", "analyses"))
    files = sorted((FIXTURE / "models").rglob("*.sql"))
    names = {file.stem for file in files}
    (folder / "models").mkdir()
    shutil.copy(FIXTURE / "models" / "staging" / "_sources.yml", folder / "models")
    for number in range(models):
        file, copy = files[number % len(files)], number // len(files)
        text = file.read_text(encoding="utf-8")
        text = _REF.sub(lambda m, c=copy: f"ref('{m[1]}_{c}')" if m[1] in names else m[0], text)
        (folder / "models" / f"{file.stem}_{copy}.sql").write_text(text, encoding="utf-8")
    return folder


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    models: int = parser.parse_args().models
    with tempfile.TemporaryDirectory() as home:
        path = write(Path(home) / "project", models)
        started = time.process_time()
        project = load_project(path, facts=load_facts(FIXTURE / "facts.yml"))
        loaded = time.process_time()
        report = classify_project(project)
        classified = time.process_time()
        proposal = propose(project, report, Path(home) / "new")
        proposed = time.process_time()
        print(f"{len(project.models)} models, {len(proposal.patches)} patches")
        print(f"load {loaded - started:.1f} s, classify {classified - loaded:.1f} s")
        print(f"propose {proposed - classified:.1f} s")
        print(f"classify: {(classified - loaded) / len(project.models) * 1000:.0f} ms a model")


if __name__ == "__main__":
    main()
