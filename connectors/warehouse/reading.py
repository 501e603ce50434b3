"""One batch as DuckDB reads it, for both warehouses: its relations, and what must add up before anything is loaded."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import duckdb

from connectors.batch import Manifest
from connectors.contract import Table
from connectors.errors import CountMismatch, TooManyMisfits, UnreadableFile
from connectors.warehouse import quarantine
from connectors.warehouse.bury import DELETES, Bury
from connectors.warehouse.conform import Conform, conform, conform_deletes, conform_keys
from connectors.warehouse.ddl import has_files
from connectors.warehouse.limits import Limits
from connectors.warehouse.readers import StoredPart, plain_count
from connectors.warehouse.sql import names

Run = Callable[[str], list[tuple[Any, ...]]]
"""Runs one statement and returns its rows."""

READ_ERRORS = (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException)
"""What DuckDB raises when a part cannot be parsed."""


@dataclass(frozen=True)
class Reading:
    """One batch read by DuckDB.

    Args:
        paths: part name -> local file (`Lake.local`).
        run: runs a statement where the batch's temporary tables are.
        again: the ledger has the batch: it is read from the lake once more.
    """

    table: Table
    manifest: Manifest
    paths: Mapping[str, str]
    run: Run
    limits: Limits
    again: bool

    @cached_property
    def rows(self) -> Conform:
        """The typed rows. Raises UnreadableFile when a part lacks a key column or the cursor."""
        return conform(self.table, self.manifest, self.paths)

    @property
    def has_keys(self) -> bool:
        """True when the batch says which keys live."""
        return self.manifest.scope == "keys" or any(part.kind == "keys" for part in self.manifest.parts)

    def stage_deletes(self, bury: Bury) -> bool:
        """Read the keys that the source reports deleted; False when the batch has no such part.

        Raises UnreadableFile: one of them cannot be read.
        """
        deletes = conform_deletes(self.table, self.manifest, self.paths)
        if deletes is None:
            return False
        self.run(bury.stage_deletes(deletes))
        if self.run(f"SELECT 1 FROM {DELETES} WHERE NOT _fits LIMIT 1"):  # noqa: S608 - a constant
            raise UnreadableFile(
                f"{self.table.name}: a deletes part holds a key or a time that cannot be read", table=self.table.name
            )
        return True

    def stage_keys(self, bury: Bury) -> None:
        """Read the living keys, and make sure that none was lost on the way: what is absent will be buried.

        Raises UnreadableFile, CountMismatch.
        """
        parts = [part for part in self.manifest.parts if part.kind == "keys"]
        self.run(bury.stage_keys(conform_keys(self.table, self.manifest, self.paths)))
        count, distinct, unreadable = self.run(bury.count_keys())[0]
        if unreadable:
            raise UnreadableFile(
                f"{self.table.name}: a keys part holds a key or a time that cannot be read", table=self.table.name
            )
        if self.manifest.scope == "keys" and self.manifest.source_rows is not None:
            self._compare_count("the source counted", self.manifest.source_rows, count, "keys")
        if None not in (counted := [part.rows for part in parts]):
            self._compare_count("the parts were written with", sum(n or 0 for n in counted), count, "keys")
        self._compare_count("the keys parts name", count, distinct, "keys, each key once")

    def check_count(self, read: int) -> None:
        """Compare with the source's own count, or else with what was counted while the parts were written."""
        if self.manifest.scope == "keys":
            return
        counted = [p.rows for p in self.manifest.parts if p.kind == "rows"]
        if self.manifest.source_rows is not None:
            self._compare_count("the source counted", self.manifest.source_rows, read, "rows")
        elif None not in counted:
            self._compare_count("the parts were written with", sum(n or 0 for n in counted), read, "rows")

    def check_repeats(self, repeats: int, read: int) -> None:
        """A query names no key twice: where one came twice another was lost, although the count is right.

        Files may repeat a key. So may several queries of one batch (`details.queries`), each of which is looked at
        alone then: the entry's `parts` say what it brought.
        """
        manifest = self.manifest
        if not repeats or manifest.source_rows is None or has_files(self.table):
            return
        queries: Sequence[Mapping[str, Any]] = manifest.details.get("queries", ())
        if len(queries) < 2:
            self._compare_count("the source counted", manifest.source_rows, read - repeats, "rows, each key once")
        for query in queries if len(queries) > 1 else ():
            self._check_query(frozenset(query.get("parts", ())))

    def _check_query(self, brought: frozenset[str]) -> None:
        parts = tuple(part for part in self.manifest.parts if part.kind == "rows" and part.name in brought)
        if not parts:
            return
        rows = conform(self.table, replace(self.manifest, parts=parts), self.paths).select(marked=False)
        keys = names(self.table.primary_key)
        count, distinct = self.run(f"SELECT count(*), count(DISTINCT ({keys})) FROM ({rows}) WHERE _misfit = 0")[0]  # noqa: S608 - quoted
        self._compare_count("one query brought", count, distinct, "rows, each key once")

    def check_misfits(self, misfits: int, read: int) -> None:
        """Stop at the limit. Raises TooManyMisfits with the commonest reasons."""
        if self.limits.too_many_misfits(misfits, read):
            raise self._too_many(misfits, read)

    def check_gzip(self) -> None:
        """Check gzip's checksums, which DuckDB inflates without looking at.

        Of source files, where nobody counted the rows, and of everything that has lain in the lake. A page that an API
        has just sent was checked on its way and is counted: looking once more would cost a tenth of its load
        (measured: 0.3 s for 50 MB).
        """
        for part in self.manifest.parts:
            if part.name.endswith(".gz") and (part.source_file or self.again):
                try:
                    _inflate(self.paths[part.name])
                except (zlib.error, EOFError, OSError) as error:
                    raise self._unreadable(part.source_file or part.name, str(error)) from error

    def blamed(self, error: duckdb.Error) -> duckdb.Error | UnreadableFile:
        """Find the part that cannot be read alone; the error itself when each of them can."""
        for part in self.manifest.parts:
            try:
                # Outside the (failed) transaction.
                with duckdb.connect() as apart:
                    apart.execute(plain_count(self.table, StoredPart(part, self.paths[part.name]))).fetchall()
            except READ_ERRORS as cause:
                return self._unreadable(part.source_file or part.name, str(cause))
        return error

    def _compare_count(self, who: str, expected: int, read: int, what: str) -> None:
        if read != expected:
            raise CountMismatch(
                f"{self.table.name}: {who} {expected} {what}, {read} were parsed",
                remedy=f"Nothing was loaded. Look at the batch in the lake ({self.manifest.prefix}), remove its folder "
                "and run again: it is extracted anew.",
                table=self.table.name, expected=expected, read=read,
            )  # fmt: skip

    def _too_many(self, misfits: int, read: int) -> TooManyMisfits:
        found = self.run(quarantine.select_reasons(self.rows.quarantine()))
        reasons = "; ".join(
            f"{n:,} × {f'{column}: ' if column else ''}{reason}, as in {_short(example)}"
            for reason, column, n, example in found
        )
        limits = self.limits
        return TooManyMisfits(
            f"{self.table.name}: {misfits:,} of {read:,} rows do not fit the contract: {reasons}",
            remedy="Nothing was loaded and nothing is in quarantine. Correct the type or the rule in the contract and "
            f"run again. If the rows are wrong indeed, raise MGDW_QUARANTINE_SHARE ({limits.quarantine_share}) or "
            f"MGDW_QUARANTINE_ROWS ({limits.quarantine_rows}).",
            table=self.table.name, misfits=misfits, read=read, reasons=[reason for reason, *_ in found],
        )  # fmt: skip

    def _unreadable(self, part: str, why: str) -> UnreadableFile:
        first = " ".join(line.strip() for line in why.splitlines()[:3])
        remedy = (
            "Nothing of the batch was loaded. Have the file delivered again, or remove the batch's folder in the lake "
            f"({self.manifest.prefix}) and run again."
        )
        if self.again:
            remedy = (
                f"STG is as it was. The copy in the lake ({self.manifest.prefix}) is damaged: read the window again "
                "with `mgdw backfill`, or have the file delivered again."
            )
        return UnreadableFile(
            f"{self.table.name}: {part} cannot be read: {first}",
            remedy=remedy,
            table=self.table.name, part=part,
        )  # fmt: skip


def _inflate(path: str) -> None:
    with gzip.open(path) as file:
        while file.read(1 << 20):
            pass


def _short(example: str | None) -> str:
    return "an empty value" if example is None else repr(example if len(example) <= 60 else example[:57] + "...")
