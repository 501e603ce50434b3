""".hyper files from Parquet, with Tableau's own engine (no server, no network)."""

from __future__ import annotations

from pathlib import Path

from tableauhyperapi import Connection, CreateMode, HyperException, HyperProcess, Telemetry, escape_string_literal

from connectors.errors import StorageFull, WorkFailed

_PARAMETERS = {
    # Without it hyperd leaves a log in the working directory.
    "log_config": "",
    # The first file format that holds 128-bit numerics, which NUMERIC(38,9) is.
    "default_database_version": "3",
}


def write_hyper(parquet: Path, target: Path) -> int:
    """Make `target` a .hyper file with one table, `Extract.Extract`, holding the rows of `parquet`.

    The file appears whole or not at all. Returns its rows.

    Raises:
        StorageFull: no room at the target.
        WorkFailed: Hyper refused the data.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    try:
        with (
            HyperProcess(Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters=_PARAMETERS) as hyper,
            Connection(hyper.endpoint, str(partial), CreateMode.CREATE_AND_REPLACE) as connection,
        ):
            connection.catalog.create_schema("Extract")
            rows_of = f"external({escape_string_literal(str(parquet.resolve()))}, FORMAT => 'parquet')"
            connection.execute_command(f'CREATE TABLE "Extract"."Extract" AS SELECT * FROM {rows_of}')  # noqa: S608 - escaped
            rows = connection.execute_scalar_query('SELECT count(*) FROM "Extract"."Extract"')
        partial.replace(target)
    except (HyperException, OSError) as error:
        partial.unlink(missing_ok=True)
        text = " ".join(str(error).split())[:300]
        if "No space left" in text:
            raise StorageFull(f"no room for {target}") from error
        raise WorkFailed(f"{target.name} could not be written: {text}") from error
    return int(str(rows))
