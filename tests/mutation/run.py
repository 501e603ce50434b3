"""Mutation testing: `python -m tests.mutation.run [module ...]`, all modules without arguments.

The tree is copied, changed there, and the module's tests run until the first that fails. A survivor has to be listed
in equivalent.toml with the reason why no test can tell it from the original; otherwise the run fails, as it does when
a listed one is killed or gone. Written for this project because cosmic-ray and mutmut leave SQL text alone, and start
an interpreter for each mutant: here it is forked with everything imported but our own code, which is compiled before.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from importlib.util import cache_from_source
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from tests.mutation.modules import MODULES, Module
from tests.mutation.operators import Mutant, mutants
from tests.reliability import results

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("equivalent.toml")
_OURS = ("tests", "connectors", "flows", "sandbox")
_FORK = multiprocessing.get_context("fork")


class Stand:
    """A copy of the tree in which one mutant at a time is tried."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tree"
        self._said = folder / "said"
        self._temp = folder / "temp"
        files = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout
        for path in filter(None, files.decode().split("\0")):
            if (ROOT / path).is_file():
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / path, self.folder / path)
        for name in _OURS:
            compileall.compile_dir(self.folder / name, quiet=2)

    def start(self, module: Module, source: str, rank: Mapping[str, float]) -> ForkProcess:
        """Run the module's tests against `source` in its place, the tests of a low rank first."""
        path = self.folder / module.path
        path.write_text(source)
        Path(cache_from_source(path)).unlink(missing_ok=True)
        shutil.rmtree(self._temp, ignore_errors=True)
        self._temp.mkdir()
        self._said.write_text("")
        process = _FORK.Process(target=_try, args=(self.folder, module, rank, self._said, self._temp))
        process.start()
        return process

    def end(self, module: Module, process: ForkProcess) -> str | None:
        """Put the module back; the test that failed, or None."""
        if process.is_alive():
            process.kill()
        process.join()
        shutil.copyfile(ROOT / module.path, self.folder / module.path)
        if process.exitcode == 0:
            return None
        return next((test for test, seconds in self.told() if seconds < 0), "(not collected, or out of time)")

    def imported(self) -> list[str]:
        """What the last process had imported that is not ours."""
        return self._said.with_name("imported").read_text().splitlines()

    def output(self) -> str:
        """What pytest printed last."""
        return (self.folder.parent / "output").read_text()[-3000:]

    def told(self) -> list[tuple[str, float]]:
        """The tests that ran, and how many seconds each took; -1 for one that failed."""
        lines = self._said.read_text().splitlines()
        return [(test, float(seconds)) for seconds, _, test in (line.partition(" ") for line in lines)]


def main() -> int:
    """0 when every survivor is listed and every listed one survives."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="module")
    parser.add_argument("--at-once", type=int, default=2, help="mutants tried side by side (default: 2)")
    given = parser.parse_args()
    asked = set(given.modules)
    _import_others()
    listed = tomllib.loads(LIST.read_text())["mutant"]
    good = True
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        stands = [Stand(Path(folder) / str(i)) for i in range(given.at_once)]
        for module in (m for m in MODULES if not asked or m.path in asked):
            known = {_key(entry): entry["reason"] for entry in listed if entry["module"] == module.path}
            every, survivors = _examine(module, stands)
            lost = [m for m in survivors if _name(m) not in known]
            false = known.keys() - {_name(m) for m in survivors}
            for m in lost:
                print(f'\nSURVIVED\n[[mutant]]\nmodule = "{module.path}"\nwhere = "{m.where}"')
                print(f"line = '''{m.line}'''\nchange = '''{m.change}'''\nreason = \"\"")
            for name in sorted(false):
                print(f"\nLISTED AS EQUIVALENT, BUT KILLED OR GONE: {' | '.join(name)}")
            counts = {
                "mutants": every,
                "killed": every - len(survivors),
                "equivalent": len(survivors) - len(lost),
                "survivors": len(lost),
            }
            print(f"\n{module.path}: {counts}", flush=True)
            results.write("mutation", {**(results.read("mutation") or {}), module.path: counts})
            good = good and not lost and not false
    return 0 if good else 1


def _examine(module: Module, stands: list[Stand]) -> tuple[int, list[Mutant]]:
    """How many mutants there are, and which of them no test noticed."""
    source = (ROOT / module.path).read_text()
    began = time.monotonic()
    unchanged = stands[0].start(module, source, {})
    unchanged.join()
    if failed := stands[0].end(module, unchanged):
        raise SystemExit(f"{module.path}: the tests fail without any change: {failed}\n{stands[0].output()}")
    for name in stands[0].imported():
        with contextlib.suppress(Exception):  # what cannot be imported out of its turn is imported by each process
            importlib.import_module(name)
    lasting: dict[str, float] = defaultdict(float)
    for test, seconds in stands[0].told():
        lasting[test] += seconds
    limit = 30 + 5 * (time.monotonic() - began)
    every = mutants_of(module)
    todo, free = deque(every), list(stands)
    at_work: dict[int, tuple[Stand, Mutant, ForkProcess, float]] = {}
    killers: dict[str, Counter[str]] = defaultdict(Counter)
    killed: Counter[str] = Counter()
    survivors: list[Mutant] = []
    while todo or at_work:
        while todo and free:
            stand, mutant = free.pop(), todo.popleft()
            # What found its neighbours finds a mutant soonest, else what is quick.
            near = killers[mutant.where]
            rank = {test: seconds - killed[test] - 1000 * near[test] for test, seconds in lasting.items()}
            process = stand.start(module, mutant.source, rank)
            at_work[process.sentinel] = (stand, mutant, process, time.monotonic() + limit)
        wait(list(at_work), timeout=1)
        for sentinel, (stand, mutant, process, deadline) in list(at_work.items()):
            if process.is_alive() and time.monotonic() < deadline:
                continue
            killer = stand.end(module, process)
            if killer is None:
                survivors.append(mutant)
                print(f"\nlives: {' | '.join(_name(mutant))}")
            else:
                killed[killer] += 1
                killers[mutant.where][killer] += 1
            print("." if killer else "", end="", flush=True)
            free.append(stand)
            del at_work[sentinel]
    return len(every), survivors


def mutants_of(module: Module) -> list[Mutant]:
    """Every change that is tried in a module as it is now."""
    found = mutants((ROOT / module.path).read_text(), with_sql=module.sql)
    return [m for m in found if not module.only or m.where.startswith(module.only)]


def _try(folder: Path, module: Module, rank: Mapping[str, float], said: Path, temp: Path) -> None:
    """In the forked process: run pytest in the copy, and exit with its code."""
    import pytest

    output = os.open(said.with_name("output"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = str(temp)
    here = {str(ROOT), "", "."}
    sys.path[:] = [str(folder), *(p for p in sys.path if p not in here)]
    for name in [n for n in sys.modules if n.split(".")[0] in _OURS]:
        del sys.modules[name]

    class Order:
        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            items.sort(key=lambda item: rank.get(item.nodeid, 0))

        def pytest_runtest_logreport(self, report: Any) -> None:
            with said.open("a") as lines:
                lines.write(f"{-1 if report.failed else report.duration:.4f} {report.nodeid}\n")

    options = [
        "-x",
        "-q",
        "--assert=plain",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-m",
        "not slow",
        f"--basetemp={temp}/tests",
    ]
    code = pytest.main([*options, *module.tests], plugins=[Order()])
    # Prefect takes its settings from the environment when it is imported, and that is made by the tests.
    others = [n for n in sys.modules if n.split(".")[0] not in (*_OURS, "__main__", "prefect", "conftest")]
    said.with_name("imported").write_text("\n".join(others))
    os._exit(code)


def _import_others() -> None:
    """What every test process needs, none of it ours; and examples that are the same each time, not made smaller."""
    import duckdb  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import httpx  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import pytest_asyncio  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from hypothesis import Phase, settings

    sys.dont_write_bytecode = True
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutation", derandomize=True, database=None, deadline=None, phases=phases)
    settings.load_profile("mutation")


def _name(mutant: Mutant) -> tuple[str, str, str]:
    return mutant.where, mutant.line, mutant.change


def _key(entry: dict[str, str]) -> tuple[str, str, str]:
    return entry["where"], entry["line"], entry["change"]


if __name__ == "__main__":
    sys.exit(main())
