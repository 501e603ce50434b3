"""A Salesforce org with accounts and nothing else, on loopback, until its standard input closes.

Prints its settings as one line of JSON once it is ready. Equal bulk queries share one set of result pages, made by the
first job, so that what is measured is the client; both plain and gzip pages lie ready.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from sandbox.faults import Faults
from sandbox.salesforce import SalesforceCredentials, SalesforceOptions, create_app
from sandbox.server import Servers
from sandbox.world import World

ACCOUNTS_AT_SCALE_1 = 1200


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    accounts = parser.parse_args().accounts
    with tempfile.TemporaryDirectory(prefix="mgdw-bench-") as folder, Servers() as servers:
        world = World.create(
            scale=accounts / ACCOUNTS_AT_SCALE_1, database=Path(folder) / "world.duckdb", only={"salesforce.Account"}
        )
        credentials = SalesforceCredentials()
        options = SalesforceOptions(share_results=True, gzip_ahead=True)
        app = create_app(world, credentials, Faults(), options)
        settings = {
            "MGDW_SALESFORCE_LOGIN_URL": servers.serve(app, date_header=False),
            "MGDW_SALESFORCE_CLIENT_ID": credentials.client_id,
            "MGDW_SALESFORCE_CLIENT_SECRET": credentials.client_secret,
        }
        print(json.dumps(settings), flush=True)
        sys.stdin.read()
        servers.stop()
        world.close()


if __name__ == "__main__":
    main()
