"""The BigQuery warehouse for tests that were written for any warehouse.

They ask for rows in DuckDB's SQL; what differs from GoogleSQL in spelling is changed on the way.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from connectors.google import GoogleAccess
from connectors.warehouse.bigquery import BigQueryWarehouse
from connectors.warehouse.bigquery.googlesql import spoken

_CHANGES = (
    (re.compile(r"\bEXCLUDE\b"), "EXCEPT"),
    (re.compile(r"\bSTG\."), '"STG".'),
    (re.compile(r"second\((\w+)\)::INT"), r"EXTRACT(SECOND FROM \1)"),
)


class AnyWarehouse(BigQueryWarehouse):
    """A BigQuery warehouse in a dataset of its own that is asked in DuckDB's SQL."""

    def __init__(self, google: GoogleAccess, **more: Any) -> None:
        super().__init__(google, dataset=f"STG_{secrets.token_hex(4)}", patience=20, **more)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        for pattern, said in _CHANGES:
            sql = pattern.sub(said, sql)
        everything = sql.endswith(" ORDER BY ALL")
        found = await super().rows(spoken(sql.removesuffix(" ORDER BY ALL"), dataset=self.dataset))
        return sorted(found, key=lambda row: str(list(row.values()))) if everything else found
