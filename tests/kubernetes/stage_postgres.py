"""A PostgreSQL server on loopback, as the Prefect server has it in the cluster."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.kubernetes import install
from tests.kubernetes.stage_processes import Process, free_port, plain_environment, run

_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60", "shared_buffers=64MB")
_START_SECONDS = 60.0


class Postgres:
    """One server with one empty database, `prefect`. Use as `with Postgres(folder) as postgres:`.

    PostgreSQL refuses to run as root: then it runs as `nobody`, from a copy in a folder that `nobody` can read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self.port = free_port()

    @property
    def url(self) -> str:
        """The address, as Prefect wants it."""
        return f"postgresql+asyncpg://prefect@127.0.0.1:{self.port}/prefect"

    def __enter__(self) -> Postgres:
        self._home = Path(tempfile.mkdtemp(prefix="mgdw-postgres-"))
        programs = install.postgres()
        if self._user is not None:
            shutil.copytree(programs, self._home / "programs")
            programs = self._home / "programs"
            self._home.chmod(0o755)
        data = self._home / "data"
        data.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(data, self._user, self._user)
        binaries = programs / "bin"
        environment = {**plain_environment(), "LC_ALL": "C"}
        make = Process(
            "initdb",
            [binaries / "initdb", "--pgdata", data, "--username", "prefect", "--auth", "trust", "--no-sync",
             "--encoding", "UTF8"],
            environment, self._folder, user=self._user,
        )  # fmt: skip
        make.start()
        make.finish(_START_SECONDS)
        options = [word for one in _QUICK for word in ("-c", one)]
        self.process = Process(
            "postgres",
            [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(self.port), "-k", "", *options],
            environment, self._folder, user=self._user, stop_with=signal.SIGINT,  # does not wait for clients to leave
        )  # fmt: skip
        self.process.start()
        is_ready = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        self.process.wait_until(lambda: subprocess.run(is_ready, check=False).returncode == 0, _START_SECONDS)
        run([binaries / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "prefect", "-d", "postgres",
             "-c", "CREATE DATABASE prefect"], environment, self._folder)  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
        shutil.rmtree(self._home, ignore_errors=True)
