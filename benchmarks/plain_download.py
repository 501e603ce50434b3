"""The reference: what a person would write by hand who wants no guarantees.

Log in, run the bulk job, let curl save the result pages, read them with one typed `read_csv` into a DuckDB table.
No raw copy is kept, nothing is counted, a value that does not fit ends the script.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.child import report
from connectors.contract import Table, load_contract
from connectors.warehouse.casting import DUCKDB_TYPES


def main() -> None:
    """Download and read once; `--folder` must be empty."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    folder: Path = parser.parse_args().folder
    table = load_contract().table("sfdc_account")
    started = time.monotonic()
    files = download(table, folder)
    downloaded = time.monotonic()
    database = duckdb.connect(str(folder / "plain.duckdb"))
    columns = ", ".join(f"'{c.name}': '{DUCKDB_TYPES[c.type]}'" for c in table.columns)
    database.execute(
        f"CREATE TABLE sfdc_account AS SELECT * FROM read_csv({[str(f) for f in files]}, header=true, "
        f"auto_detect=false, delim=',', quote='\"', escape='\"', columns={{{columns}}})"
    )
    database.execute("CHECKPOINT")
    loaded = time.monotonic()
    rows, revenue = database.execute("SELECT count(*), sum(annual_revenue)::VARCHAR FROM sfdc_account").fetchall()[0]
    database.close()
    size = sum(f.stat().st_size for f in files)
    report(rows=rows, revenue=revenue, bytes=size, download=downloaded - started, read=loaded - downloaded)


def download(table: Table, folder: Path) -> list[Path]:
    """Run the job and save its pages. curl fetches three at once, as the connector does."""
    base, token = os.environ["MGDW_SALESFORCE_LOGIN_URL"], log_in()
    jobs = f"{base}/services/data/v62.0/jobs/query"
    soql = f"SELECT {', '.join(table.fields)} FROM {table.object}"
    job = call(jobs, token, {"operation": "queryAll", "query": soql, "contentType": "CSV"})["id"]
    while call(f"{jobs}/{job}", token)["state"] != "JobComplete":
        time.sleep(0.05)
    pages, following = [], f"{jobs}/{job}/resultPages"
    while following:
        listed = call(urllib.parse.urljoin(base, following), token)
        pages += [urllib.parse.urljoin(base, page["resultUrl"]) for page in listed["resultPages"]]
        following = listed.get("nextRecordsUrl")
    files = [folder / f"page-{i:05d}.csv" for i in range(len(pages))]
    asked = "\n".join(f'url = "{page}"\noutput = "{file}"' for page, file in zip(pages, files, strict=True))
    subprocess.run(
        ["curl", "--silent", "--fail", "--parallel", "--parallel-max", "3",
         "--header", f"Authorization: Bearer {token}", "--config", "-"],
        input=asked, text=True, check=True,
    )  # fmt: skip
    return files


def log_in() -> str:
    """An access token by client credentials."""
    form = {
        "grant_type": "client_credentials",
        "client_id": os.environ["MGDW_SALESFORCE_CLIENT_ID"],
        "client_secret": os.environ["MGDW_SALESFORCE_CLIENT_SECRET"],
    }
    url = os.environ["MGDW_SALESFORCE_LOGIN_URL"] + "/services/oauth2/token"
    with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode()) as answer:
        return json.load(answer)["access_token"]


def call(url: str, token: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One JSON request."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
