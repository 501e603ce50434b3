"""What every STG table looks like, read from dbt's own source files.

`dbt/models/staging/<source>/_<source>__sources.yml` is the only place where an STG table is declared.
From it come the field lists sent to the sources, the typed reads, the DDL and the data dictionary.
"""

from __future__ import annotations

import functools
from pathlib import Path

from connectors.contract.model import Column, Contract, DataType, QualityRule, Table

DEFAULT_ROOT = Path(__file__).resolve().parent.parent.parent / "dbt" / "models" / "staging"


@functools.cache
def load_contract(root: Path = DEFAULT_ROOT) -> Contract:
    """Read and check every `_<source>__sources.yml` below `root`.

    Raises:
        ContractError: with every problem of every file at once, as `file:line: text`.
    """
    from ruamel.yaml import YAML

    tables: list[Table] = []
    for path in sorted(root.glob("*/_*__sources.yml")):
        raw = YAML(typ="safe").load(path)["sources"][0]
        for t in raw["tables"]:
            meta = t["config"]["meta"]
            key = tuple(meta["primary_key"])
            columns = tuple(
                Column(
                    c["name"],
                    DataType(c["data_type"]),
                    c.get("config", {}).get("meta", {}).get("field") or field_name(raw["name"], c["name"]),
                    c["description"],
                    c["name"] in key,
                )
                for c in t["columns"]
            )
            part = meta.get("partition_by")
            tables.append(
                Table(
                    raw["name"], t["name"], t["description"], meta.get("object") or meta["prefix"], columns, key,
                    meta.get("cursor"), meta.get("filter"), meta.get("deleted_flag"),
                    (part["column"], part["granularity"]) if part else None, tuple(meta.get("cluster_by", ())),
                    meta.get("format"), tuple(QualityRule(**q) for q in meta.get("quality", ())),
                )
            )  # fmt: skip
    return Contract(tuple(tables))


def field_name(source: str, column: str) -> str:
    if source in ("salesforce", "zuora"):
        return "".join(p[:1].upper() + p[1:] for p in column.split("_"))
    return column.replace("_", "") if source == "netsuite" else column


__all__ = ["DEFAULT_ROOT", "Column", "Contract", "DataType", "QualityRule", "Table", "load_contract"]
