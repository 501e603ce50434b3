"""DuckDB's errors in the program's own terms."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator
from pathlib import Path

import duckdb

from connectors.errors import ConfigurationError, InternalError, StorageFull, WarehouseBusy

_HOLDER = re.compile(r"lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_NO_ROOM = ("No space left on device", "Disk quota exceeded", "File too large", "max_temp_directory_size")
_NO_ACCESS = ("Permission denied", "Read-only file system", "Operation not permitted")


def is_locked(error: BaseException) -> bool:
    """True when another process holds the file, or this one holds it with other settings."""
    return isinstance(error, duckdb.Error) and (
        "Could not set lock on file" in str(error) or "different configuration" in str(error)
    )


def busy(path: Path, error: duckdb.Error, waited: float) -> WarehouseBusy:
    """Say who holds the file."""
    holder = _HOLDER.search(str(error))
    who = f"process {holder['pid']} ({holder['program']})" if holder else "another connection"
    return WarehouseBusy(
        f"the warehouse {path} is in use by {who}; waited {waited:.0f} s for it",
        remedy="Close that program (a DuckDB file is open in one process at a time), then run the flow again.",
        path=str(path), pid=int(holder["pid"]) if holder else None,
    )  # fmt: skip


@contextlib.contextmanager
def explained(path: Path) -> Generator[None]:
    """Turn what the engine says about room, access and memory into one clear error about `path`."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        if any(sign in str(error) for sign in (*_NO_ROOM, *_NO_ACCESS)):
            raise StorageFull(f"cannot write the warehouse {path}: {first}", path=str(path)) from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise ConfigurationError(
                f"the load needs more memory than the warehouse may use: {first}",
                remedy="Raise MGDW_DUCKDB_MEMORY_LIMIT.",
            ) from error
        if "not a valid DuckDB database" in str(error) or "Is a directory" in str(error):
            raise ConfigurationError(
                f"{path} is no DuckDB database: {first}", remedy="Point MGDW_DUCKDB_PATH at another file."
            ) from error
        if isinstance(error, duckdb.Error) and not isinstance(error, duckdb.TransactionException):
            raise InternalError(f"the warehouse {path} refused a statement: {first}") from error
        raise
