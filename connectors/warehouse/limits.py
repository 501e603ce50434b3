"""When a batch is too bad to be believed."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.batch import Manifest
from connectors.errors import MassDeletion


@dataclass(frozen=True)
class Limits:
    """A batch stops when it passes both the share and the number of rows, so that small tables are left alone.

    Attributes:
        quarantine_share: of the rows of a batch, those that do not fit the contract (0 to 1).
        quarantine_rows: rows that do not fit.
        delete_share: of the living rows of the table, those of which the batch would make tombstones (0 to 1).
        delete_rows: rows of which it would make tombstones.
    """

    quarantine_share: float = 0.05
    quarantine_rows: int = 100
    delete_share: float = 0.5
    delete_rows: int = 100

    def too_many_misfits(self, misfits: int, read: int) -> bool:
        """True when a batch of `read` rows has more misfits than single bad rows explain."""
        return misfits > self.quarantine_rows and misfits > self.quarantine_share * read

    def too_many_deleted(self, deleted: int, living: int) -> bool:
        """True when a batch deletes more of the rows that were living before it than is believable."""
        return deleted > self.delete_rows and deleted > self.delete_share * living


def mass_deletion(manifest: Manifest, buried: int, living: int) -> MassDeletion:
    """What stops a batch that would make tombstones of `buried` of `living` rows."""
    return MassDeletion(
        f"{manifest.table}: {manifest.window} would delete {buried:,} of {living:,} living rows",
        remedy="Nothing was loaded. Check that the source still shows all rows to the integration user. If "
        "they are gone indeed, run once with MGDW_DELETE_SHARE=1.",
        table=manifest.table, deleted=buried, living=living,
    )  # fmt: skip


__all__ = ["Limits", "mass_deletion"]
