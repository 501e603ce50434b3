"""Which Tableau data sources may be refreshed, from dbt's exposures. Pure functions over manifest.json."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exposure:
    """One Tableau data source and the marts it shows. `upstream` holds every dbt node it depends on, by name."""

    name: str
    data_source: str
    marts: tuple[str, ...]
    upstream: frozenset[str]

    def blocked_by(self, untrusted: Collection[str]) -> list[str]:
        """The nodes among `untrusted` that this data source depends on; it is refreshed only when there are none."""
        return sorted(self.upstream.intersection(untrusted))


def tableau_exposures(manifest: dict[str, Any]) -> list[Exposure]:
    """Every exposure with `config.meta.tableau`, by name."""
    found: list[Exposure] = []
    for unique_id, node in manifest["exposures"].items():
        tableau = (node.get("config", {}).get("meta") or node.get("meta") or {}).get("tableau")
        if not tableau:
            continue
        marts = tuple(d.split(".")[2] for d in node["depends_on"]["nodes"])
        found.append(Exposure(node["name"], tableau["name"], marts, frozenset(_ancestors(unique_id, manifest["parent_map"]))))
    return sorted(found, key=lambda e: e.name)


def _ancestors(unique_id: str, parents: dict[str, list[str]]) -> set[str]:
    """Names of all nodes above; a source table is named as `<source>.<table>`."""
    names: set[str] = set()
    seen: set[str] = set()
    waiting = list(parents.get(unique_id, []))
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        waiting += parents.get(node, [])
        parts = node.split(".")
        names.add(".".join(parts[2:]) if parts[0] == "source" else parts[2])
    return names
