"""What STG has to hold, straight from the sandbox's world, to compare a loaded warehouse with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from connectors.contract import load_contract
from sandbox.world import World
from tests.dbt.stg_from_world import fill_stg


class Oracle:
    """STG as the world is now, in a DuckDB file of its own."""

    def __init__(self, path: Path, world: World) -> None:
        self.path = path
        fill_stg(path, world)

    def differences(self, database: Path, tables: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Living rows that only the warehouse has, and that only the world has, by table; every column counts."""
        contract = load_contract()
        found: dict[str, tuple[int, int]] = {}
        with duckdb.connect(str(database), read_only=True) as connection:
            connection.execute(f"ATTACH '{self.path}' AS world (READ_ONLY)")
            for name in tables:
                columns = ", ".join(f'"{column.name}"' for column in contract.table(name).columns)
                loaded = f"SELECT {columns} FROM STG.{name} WHERE NOT _deleted"
                wanted = f"SELECT {columns} FROM world.STG.{name} WHERE NOT _deleted"
                counts = [
                    connection.execute(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchall()[0][0]
                    for one, other in ((loaded, wanted), (wanted, loaded))
                ]
                if any(counts):
                    found[name] = (counts[0], counts[1])
        return found
