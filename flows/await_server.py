"""`python -m flows.await_server COMMAND …`: the command, once Prefect's server answers.

How the pod of a flow run begins. Prefect's client repeats what a server that is being restarted does not answer, but
not its first request: a run whose pod starts in that half minute would be Crashed before it began.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from typing import NoReturn

_PATIENCE = 900.0
"""Seconds; then the command is started all the same, and says in its own words what is wrong."""
_PAUSE = 1.0
_ANSWER = 10.0
"""Seconds that one question may take."""


def main() -> None:
    """Wait, and become the command: the same process, so signals and the exit code are the command's own."""
    command = sys.argv[1:]
    if not command:
        raise SystemExit("Which command? python -m flows.await_server prefect flow-run execute")
    # The first process of a container is deaf to signals that it has not asked for.
    signal.signal(signal.SIGTERM, _end)
    if url := os.environ.get("PREFECT_API_URL"):
        _wait(f"{url.rstrip('/')}/health")
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command is the pod's own
    except OSError as error:
        raise SystemExit(f"{command[0]} cannot be started: {error.strerror}") from error


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def _wait(url: str) -> None:
    began, told = time.monotonic(), False
    while (silence := _silence(url)) and time.monotonic() - began < _PATIENCE:
        if not told:
            sys.stderr.write(f"waiting for Prefect's server: {url}: {silence}\n")
            told = True
        time.sleep(_PAUSE)


def _silence(url: str) -> str | None:
    """Why the server is not there; None once it answers. What waiting cannot cure (a refusal, an address that is none)
    is the command's to tell."""
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER):  # noqa: S310 - the server's address is the operator's
            return None
    except urllib.error.HTTPError as error:
        return str(error) if error.code >= 500 else None
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    except ValueError:
        return None


if __name__ == "__main__":
    main()
