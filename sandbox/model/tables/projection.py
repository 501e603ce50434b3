"""How one frame becomes one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sandbox.model.arrow import stamp
from sandbox.model.company import Company
from sandbox.model.frame import Frame, Indexes

Columns = dict[str, pa.Array]


@dataclass(frozen=True)
class Projection:
    """One table of one system.

    Attributes:
        contract: name of the STG table whose contract names the columns; None for tables beside the contract.
        frame: name of the `Company` frame it shows.
        stage: the stage of history that must have run.
        key: the field that identifies a row.
        render: source fields (Arrow arrays) for the given rows of the frame.
        shown: which rows of the frame the system has at all.
        created: the frame's column with the row's creation stamp in this system.
    """

    schema: str
    table: str
    contract: str | None
    frame: str
    stage: str
    key: str
    render: Callable[[Company, Indexes], Columns]
    shown: Callable[[Company, Indexes], np.ndarray] | None = None
    created: str = "created"

    @property
    def name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.table}"

    def of(self, company: Company) -> Frame:
        """The frame it shows."""
        return getattr(company, self.frame)

    def visible(self, company: Company, rows: Indexes) -> Indexes:
        """Those of the rows that the system has."""
        return rows if self.shown is None else rows[self.shown(company, rows)]

    def rows(self, company: Company, rows: Indexes) -> pa.Table:
        """The rows as a table, `_deleted_at` included."""
        columns = self.render(company, rows)
        columns["_deleted_at"] = stamp(self.of(company)["gone"][rows])
        return pa.table(columns)
