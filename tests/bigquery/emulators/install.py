"""Installs the emulators into `.emulators/`: an environment of their own, since they need DuckDB 1.5.

One folder per state of the lock and the edits, so that a change never disturbs servers that run. A build that was
stopped half way has no stamp and is begun anew. `python -m tests.bigquery.emulators.install` (make test-bigquery).
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2] / ".emulators"
_DAY = 86_400.0
_DECIDES = ("lock.txt", "patch.py", "install.py")
_EXTENSIONS = """
import duckdb, importlib.util, pathlib, shutil, sys
[release] = duckdb.sql("SELECT library_version FROM pragma_version()").fetchone()
[platform] = duckdb.sql("PRAGMA platform").fetchone()
target = pathlib.Path(sys.argv[1]) / ".duckdb" / "extensions" / release / platform
target.mkdir(parents=True)
for name in ("ducklake", "httpfs", "icu", "spatial"):
    package = pathlib.Path(importlib.util.find_spec(f"duckdb_extension_{name}").origin).parent
    shutil.copy(package / "extensions" / release / f"{name}.duckdb_extension", target)
"""
"""DuckDB looks for extensions below the home folder and would otherwise download them."""


def home() -> Path:
    """Where the emulators of this checkout are, or will be: `venv/`, `home/` and, when all is there, `installed`."""
    state = hashlib.sha256(sys.version.split()[0].encode())
    for name in _DECIDES:
        state.update((HERE / name).read_bytes())
    return ROOT / state.hexdigest()[:12]


def installed() -> Path:
    """`home()`, when all is there. Raises RuntimeError with the command that installs it."""
    if not _is_installed():
        raise RuntimeError("the emulators are not installed, or are of an earlier state: run `make test-bigquery`")
    return home()


def python() -> Path:
    """The emulators' interpreter, which has zetasql too. Raises RuntimeError as `installed`."""
    return installed() / "venv" / "bin" / "python"


def install() -> None:
    """Build what is missing; removes what states of the lock left that are older than a day, since servers of a
    younger one may still run. Raises CalledProcessError."""
    ROOT.mkdir(exist_ok=True)
    with (ROOT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_installed():
            return
        folder = home()
        shutil.rmtree(folder, ignore_errors=True)
        print("Installing the emulators into .emulators/ (once; half a minute, 700 MB) ...", flush=True)
        _run(sys.executable, "-m", "venv", folder / "venv")
        python = folder / "venv" / "bin" / "python"
        # Not uv: it has no way to pass over local-bigquery's wish for Python 3.13, which the edits make unnecessary.
        _run(python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps", "--require-hashes",
             "--ignore-requires-python", "--no-compile", "-r", HERE / "lock.txt")  # fmt: skip
        _run(python, HERE / "patch.py")
        _run(python, "-c", _EXTENSIONS, folder / "home")
        (folder / "installed").touch()
        for other in ROOT.iterdir():
            if other.is_dir() and other != folder and time.time() - other.stat().st_mtime > _DAY:
                shutil.rmtree(other, ignore_errors=True)


def _is_installed() -> bool:
    return (home() / "installed").exists()


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    install()
