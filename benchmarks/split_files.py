"""How many model files of real dbt projects the split reads as they are, without compiling them, and what it does with
them when each value that a column is compared with is declared, at random, to be of one side or the other.

A file that is a macro call and nothing else holds no query of its own: what dbt compiles of it tells. A second run on
a result has to change nothing. Milliseconds are those of the processor.

    python -m benchmarks.split_files --dialect bigquery path/to/a/project path/to/another
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter, defaultdict
from pathlib import Path

from split.facts import ColumnFacts, Facts, TableFacts
from split.sql.engine import base_relation, classify, specialise
from split.sql.scope import Relation

_COMPARED = re.compile(r"(\w+)\s*\)?\s*(?:=|!=|<>|not\s+in|in|when)\s*\(?\s*((?:'[^'\n]+'\s*,?\s*)+)", re.IGNORECASE)
_TEXT = re.compile(r"'([^'\n]+)'")


def _nothing(_: str) -> Relation | None:
    return None


def made_up(text: str, seed: str) -> TableFacts | None:
    """Facts for every table of a file; None where no column is compared with a text."""
    values: dict[str, set[str]] = defaultdict(set)
    for found in _COMPARED.finditer(text):
        values[found[1].lower()].update(_TEXT.findall(found[2]))
    rng, columns = random.Random(seed), dict[str, ColumnFacts]()
    for column, known in values.items():
        drawn = sorted(known)
        rng.shuffle(drawn)
        cut = rng.randrange(len(drawn))
        ours, theirs = (*drawn[:cut], "a value that no file names"), drawn[cut:]
        columns[column] = ColumnFacts(commercial=ours, enterprise=tuple(theirs), nullable=rng.random() < 0.5)
    return TableFacts(columns=columns) if columns else None


def main() -> None:
    """Print the figures, and the commonest reasons why files are not read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", default="bigquery")
    parser.add_argument("projects", nargs="+", type=Path)
    given = parser.parse_args()
    for project in given.projects:
        count, reasons = Counter[str](), Counter[str]()
        started = time.process_time()
        for file in sorted(project.rglob("*.sql")):
            text = file.read_text(encoding="utf-8", errors="replace")
            if "models" not in file.relative_to(project).parts or not text.strip():
                continue
            count["files"] += 1
            found = classify(text, _nothing, _nothing, dialect=given.dialect)
            if found.commercial is not None:
                count["read"] += 1
                count += _cut(text, file.name, given.dialect)
            elif "compile the project" in (why := found.reasons[0].reason):
                count["macros"] += 1
            else:
                reasons[why.partition(". Line")[0]] += 1
        spent = (time.process_time() - started) / max(count["files"], 1) * 1000
        print(
            f"{project}: {count['files']} files, {count['macros']} a macro call only; of the others {count['read']} "
            f"read; {count['cut']} changed under made-up facts by {count['cuts']} cuts, {count['again']} of them "
            f"again by a second run ({spent:.0f} ms a file)"
        )
        for why, times in reasons.most_common(5):
            print(f"  {times} times: {why}")


def _cut(text: str, seed: str, dialect: str) -> Counter[str]:
    facts = made_up(text, seed)
    if facts is None:
        return Counter()

    def lookup(name: str) -> Relation | None:
        return base_relation(name, Facts(tables={name: facts}))

    found = specialise(text, lookup, dialect=dialect)
    again = specialise(found.text, lookup, dialect=dialect) if found.cuts else found
    return Counter(cut=bool(found.cuts), cuts=len(found.cuts), again=bool(found.cuts and again.cuts))


if __name__ == "__main__":
    main()
