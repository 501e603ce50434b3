"""How many model files of real dbt projects the split reads as they are, without compiling them.

A file that is a macro call and nothing else holds no query of its own: what dbt compiles of it tells. Milliseconds are
those of the processor.

    python -m benchmarks.split_files --dialect bigquery path/to/a/project path/to/another
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from split.sql.engine import classify
from split.sql.scope import Relation


def _nothing(_: str) -> Relation | None:
    return None


def main() -> None:
    """Print the figures, and the commonest reasons why files are not read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", default="bigquery")
    parser.add_argument("projects", nargs="+", type=Path)
    given = parser.parse_args()
    for project in given.projects:
        read = macros = files = 0
        reasons: Counter[str] = Counter()
        started = time.process_time()
        for file in sorted(project.rglob("*.sql")):
            text = file.read_text(encoding="utf-8", errors="replace")
            if "models" not in file.relative_to(project).parts or not text.strip():
                continue
            files += 1
            found = classify(text, _nothing, _nothing, dialect=given.dialect)
            if found.commercial is not None:
                read += 1
            elif "compile the project" in (why := found.reasons[0].reason):
                macros += 1
            else:
                reasons[why.partition(". Line")[0]] += 1
        spent = (time.process_time() - started) / max(files, 1) * 1000
        print(
            f"{project}: {files} files, {macros} a macro call only; of the others {read} read ({spent:.0f} ms a file)"
        )
        for why, count in reasons.most_common(5):
            print(f"  {count} times: {why}")


if __name__ == "__main__":
    main()
