"""`make sandbox`: the outside world in the foreground, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sandbox.sandbox import Sandbox


def main() -> int:
    """Run the sandbox until SIGINT or SIGTERM. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 is about 50,000 rows and 1,200 accounts")
    parser.add_argument("--seed", type=int, default=7, help="equal seeds give equal businesses")
    parser.add_argument("--database", type=Path, help="DuckDB file for a business that does not fit in memory")
    parser.add_argument("--control-port", type=int, default=0, help="port of the control app; any free one by default")
    parser.add_argument("--env-file", type=Path, default=Path(".sandbox.env"), help="file of settings to write")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    console = Console(highlight=False)
    try:
        with Sandbox(
            options.scale, options.seed, database=options.database, control_port=options.control_port
        ) as sandbox:
            _write_environment(options.env_file, sandbox.environment())
            _announce(console, sandbox, options.env_file, time.monotonic() - started)
            threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
    finally:
        options.env_file.unlink(missing_ok=True)
    return 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _write_environment(path: Path, settings: dict[str, str]) -> None:
    """Write settings that `set -a; source FILE; set +a` understands, readable by this user alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())


def _announce(console: Console, sandbox: Sandbox, env_file: Path, seconds: float) -> None:
    table = Table("system", "where", "who may log in", title="The outside world", title_justify="left")
    sfdc, suite = sandbox.salesforce.credentials, sandbox.netsuite.credentials
    logins = {
        "salesforce": f"client {sfdc.client_id}, or JWT for {sfdc.username}",
        "netsuite": f"account {suite.account}, certificate {suite.certificate_id}",
        "zuora": f"client {sandbox.zuora.credentials.client_id}",
        "s3": f"bucket {sandbox.s3.bucket}, key {sandbox.s3.credentials[0]}",
        "tableau": f"site {sandbox.tableau.site_url}, token {sandbox.tableau.token_name}",
        "slack": "the webhook's address is the secret",
        "control": f"curl -X POST {sandbox.urls['control']}/advance",
    }
    for system, url in sandbox.urls.items():
        table.add_row(system, url, logins[system])
    console.print(table)
    console.print(f"Ready after {seconds:.1f} s. Business time {sandbox.now:%Y-%m-%d %H:%M} UTC.")
    console.print(f"Secrets and settings: [bold]set -a; source {env_file}; set +a[/]. Ctrl-C ends it.", soft_wrap=True)


if __name__ == "__main__":
    raise SystemExit(main())
