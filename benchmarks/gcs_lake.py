"""One part of 200 MB to a bucket and back: the lake in Cloud Storage against a plain upload and download of a file.

Both speak to the emulator on loopback, in fresh processes that alternate. The lake gets the bytes in pieces of 64 KiB,
as a source sends them, and never has them whole; the plain way has them in a file beforehand. The emulator hashes a
whole session anew for each of its chunks, so both go through `GcsWire`, which keeps sessions as Cloud Storage does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import child
from benchmarks.child import Run, report
from connectors.batch import Manifest
from connectors.google import GoogleAccess
from connectors.lake.gcs import GcsLake
from connectors.window import Window
from tests.bigquery.emulators.gcs_wire import GcsWire
from tests.bigquery.emulators.servers import Emulators

GOOGLE = GoogleAccess("mgdw-benchmark", "US")
PIECE = 64 * 1024
NOW = datetime(2026, 6, 15, tzinfo=UTC)


def plain(bucket: str, source: Path) -> None:
    """Upload the file, download it to another."""
    blob = GOOGLE.storage().bucket(bucket).blob(f"plain-{os.getpid()}")
    started = time.monotonic()
    blob.upload_from_filename(str(source))
    uploaded = time.monotonic()
    blob.download_to_filename(f"{source}.back")
    report(upload=uploaded - started, download=time.monotonic() - uploaded)


async def lake(bucket: str, source: Path) -> None:
    """Stream the file's bytes into a part, read it back as a local file."""
    lake = GcsLake(bucket, google=GOOGLE)
    batch = f"b{os.getpid()}"
    prefix = f"raw/benchmark/rows/{NOW:%Y-%m-%d}/{batch}"
    started = time.monotonic()
    async with lake.new_part(prefix, "rows.csv", kind="rows", format="csv") as part:
        with source.open("rb") as file:
            while piece := file.read(PIECE):
                await part.write(piece)
        part.finish(header=(), rows=None)
    uploaded = time.monotonic()
    manifest = Manifest(batch, "benchmark", "rows", Window(None, NOW), prefix, (part.part,), None, NOW)
    with lake.local(manifest, manifest.parts):
        report(upload=uploaded - started, download=time.monotonic() - uploaded)


def main() -> None:
    """Run the contest and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gcs_lake", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contestant", choices=["plain", "lake"], help=argparse.SUPPRESS)
    parser.add_argument("--bucket", help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant == "plain":
        plain(options.bucket, options.source)
    elif options.contestant == "lake":
        asyncio.run(lake(options.bucket, options.source))
    else:
        contest(options.megabytes, options.rounds)


def contest(megabytes: int, rounds: int) -> None:
    """Alternate the contestants."""
    runs: dict[str, list[Run]] = {"plain": [], "lake": []}
    with (
        tempfile.TemporaryDirectory(prefix="mgdw-bench-") as folder,
        Emulators(Path(folder, "servers")) as servers,
        GcsWire(servers.gcs_url) as wire,
    ):
        os.environ["STORAGE_EMULATOR_HOST"] = wire.url
        source = Path(folder, "rows")
        source.write_bytes(os.urandom(1024 * 1024) * megabytes)
        bucket = str(GOOGLE.storage().create_bucket("benchmark").name)
        for _ in range(rounds):
            for name, done in runs.items():
                arguments = ("--contestant", name, "--bucket", bucket, "--source", str(source))
                done.append(child.run("benchmarks.gcs_lake", *arguments, environment={}))
    table = Table(title=f"{megabytes} MB, medians of {rounds}")
    for heading in ("", "upload MB/s", "download MB/s", "CPU s", "peak MB"):
        table.add_column(heading, justify="right")
    for name, done in runs.items():
        table.add_row(
            name,
            *(f"{megabytes / statistics.median(r.facts[way] for r in done):.0f}" for way in ("upload", "download")),
            f"{statistics.median(r.cpu for r in done):.1f}",
            f"{statistics.median(r.memory for r in done):.0f}",
        )
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
