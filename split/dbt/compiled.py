"""What dbt made of the models: compiled SQL, found in a target folder or compiled anew, and the names in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

_QUOTES = re.compile(r"[\"`\[\]]")
_NODES = ("model", "snapshot")
EPHEMERAL = "__dbt__cte__"
"""Before the name of an ephemeral model, where dbt writes it into its readers."""


class NotCompiled(RuntimeError):
    """dbt did not compile the project. The message holds the end of what it printed."""


@dataclass(frozen=True)
class Compiled:
    """Compiled SQL.

    Attributes:
        texts: by the node's name.
        names: `schema.table` in lower case to the node's name, or to `source.table`.
        adapter: dbt's adapter, where the manifest tells it.
    """

    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    adapter: str | None = None

    def naming(self, names: Mapping[str, str]) -> Compiled:
        """The same where these names are known as well."""
        return replace(self, names={**names, **self.names})

    def name(self, relation: str) -> str:
        """The node or source that a table of compiled SQL is."""
        found = self.names.get(relation.lower())
        return found if found is not None else relation.rpartition(".")[2].removeprefix(EPHEMERAL)


def read_compiled(target: Path, texts: Mapping[str, str]) -> tuple[Compiled, list[tuple[str, str, str]]]:
    """The compiled SQL of a target folder that still belongs to these texts, by node name.

    Returns:
        what was found, and for what was not usable: node name, path (empty: the node's own), message.
    """
    manifest = _manifest(target)
    adapter = str(manifest.get("metadata", {}).get("adapter_type") or "") or None
    found: dict[str, str] = {}
    names: dict[str, str] = {}
    problems: list[tuple[str, str, str]] = []
    for source in manifest.get("sources", {}).values():
        if relation := _qualified(source.get("relation_name")):
            names[relation] = f"{source['source_name']}.{source['name']}"
    for node in manifest.get("nodes", {}).values():
        if relation := _qualified(node.get("relation_name")):
            names[relation] = node["name"]
        if node.get("resource_type") not in _NODES or node["name"] not in texts:
            continue
        text = _compiled_text(target, node)
        if text is None:
            continue
        if _bare(node.get("raw_code") or "") not in _bare(texts[node["name"]]):
            problems.append((node["name"], "", "the compiled SQL is older than the model; compile the project again"))
            continue
        found[node["name"]] = text
    if not manifest:
        found = {f.stem: f.read_text(encoding="utf-8") for f in sorted((target / "compiled").rglob("*.sql"))}
        found = {name: text for name, text in found.items() if name in texts}
    return Compiled(found, names, adapter), problems


def compile_project(path: Path, target: Path, *, profiles: Path | None = None) -> Path:
    """Run `dbt compile` in a process of its own, writing to `target` only; returns it. Raises NotCompiled."""
    command = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "compile", "--project-dir", str(path)]
    command += ["--target-path", str(target), "--profiles-dir", str(profiles or path)]
    settings = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_LOG_PATH": str(target / "logs")}
    done = subprocess.run(  # noqa: S603 - dbt beside this Python, a folder the caller named
        command, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        # dbt tells of its errors on the one, and Python on the other of what it met while it ended.
        said = done.stdout.strip() or done.stderr.strip()
        raise NotCompiled("\n".join(said.splitlines()[-15:]))
    return target


def _manifest(target: Path) -> dict[str, Any]:
    try:
        return json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def _compiled_text(target: Path, node: Mapping[str, Any]) -> str | None:
    below = target / "compiled" / node["package_name"]
    places = (below / node["original_file_path"], below / node["original_file_path"] / node["path"].split("/")[-1])
    file = next((place for place in places if place.is_file()), None)
    return file.read_text(encoding="utf-8") if file is not None else node.get("compiled_code")


def _qualified(relation: str | None) -> str | None:
    """`schema.table` of a full name."""
    parts = _QUOTES.sub("", relation).lower().split(".") if relation else []
    return ".".join(parts[-2:]) if len(parts) > 1 else None


def _bare(text: str) -> str:
    return "".join(text.split())
