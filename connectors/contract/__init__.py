"""What every STG table looks like, read from dbt's own source files.

`dbt/models/staging/<source>/_<source>__sources.yml` is the only place where an STG table is declared.
From it come the field lists sent to the sources, the typed reads, the DDL and the data dictionary.
"""

from __future__ import annotations

import functools
from pathlib import Path

from connectors.contract.document import Problems
from connectors.contract.model import (
    Archive,
    Column,
    CompleteWhen,
    Contract,
    DataType,
    Expected,
    FileRules,
    QualityRule,
    Table,
)
from connectors.contract.sources import tables_of
from connectors.errors import ContractError

DEFAULT_ROOT = Path(__file__).resolve().parent.parent.parent / "dbt" / "models" / "staging"


@functools.cache
def load_contract(root: Path = DEFAULT_ROOT) -> Contract:
    """Read and check every `_<source>__sources.yml` below `root`.

    Raises:
        ContractError: with every problem of every file at once, as `file:line: text`.
    """
    problems = Problems()
    paths = sorted(root.glob("*/_*__sources.yml"))
    if not paths:
        problems.add(root, 0, "no contract file: expected <source>/_<source>__sources.yml below it")
    tables = tables_of(paths, problems)
    if problems:
        raise ContractError(list(problems))
    return Contract(tuple(tables))


__all__ = [
    "DEFAULT_ROOT",
    "Archive",
    "Column",
    "CompleteWhen",
    "Contract",
    "DataType",
    "Expected",
    "FileRules",
    "QualityRule",
    "Table",
    "load_contract",
]
