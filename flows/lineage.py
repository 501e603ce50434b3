"""What is built from what: models and Tableau data sources above a table. Pure functions over dbt's manifest.json."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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
        found.append(
            Exposure(node["name"], tableau["name"], marts, frozenset(_ancestors(unique_id, manifest["parent_map"])))
        )
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
        names.add(node_name(node))
    return names


def models_above(manifest: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Names of all models built from the given models or `<source>.<table>`, the given models not included."""
    wanted = set(names)
    waiting = [node for node in manifest["child_map"] if node_name(node) in wanted]
    found: dict[str, None] = {}
    seen: set[str] = set(waiting)
    while waiting:
        for child in manifest["child_map"].get(waiting.pop(), []):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                if child.startswith("model."):
                    found[node_name(child)] = None
    return sorted(found.keys() - wanted)


def node_name(unique_id: str) -> str:
    """A model by its name; a source table as `<source>.<table>`."""
    parts = unique_id.split(".")
    return ".".join(parts[2:]) if parts[0] == "source" else parts[2]
