"""Arguments and blocks against the provider's schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.deployments.configuration import Body, Configuration
from tests.deployments.provider_schema import SNAPSHOT

_META = {"count", "depends_on", "for_each", "lifecycle", "provider"}
_IN_BLOCKS = {"dynamic"}
_LITERALS = {"string": str, "number": (int, float), "bool": bool, "list": list, "map": dict}


@cache
def provider() -> dict[str, Any]:
    """The kept part of the provider's schema."""
    return json.loads(SNAPSHOT.read_text())


def misspelt(configuration: Configuration) -> list[str]:
    """Arguments the provider does not know, required ones that are missing, values of another type."""
    found = [f for body in configuration.providers() for f in _check("provider", body, provider()["provider"])]
    everything = [(kind, f"{kind}.{name}", body) for kind, name, body in configuration.resources()]
    everything += [(f"data.{kind}", f"data.{kind}.{name}", body) for kind, name, body in configuration.data()]
    for kind, address, body in everything:
        schema = provider()["types"].get(kind)
        found += _check(address, body, schema) if schema else [f"{address}: the kept schema has no {kind}"]
    return found


def wrong_provider(configuration: Configuration) -> list[str]:
    """The pinned provider is not the one whose schema is kept."""
    pinned = re.search(r'version\s*=\s*"~> (\d+\.\d+)"', configuration.text)
    kept = provider()["version"].rsplit(".", 1)[0]
    return [] if pinned and pinned[1] == kept else [f"the provider is not pinned to ~> {kept}, whose schema is kept"]


def _check(where: str, body: Body, schema: dict[str, Any], top: bool = True) -> Iterator[str]:
    blocks, attributes = schema["blocks"], schema["attributes"]
    given = {name for name in body if not (top and name in _META)}
    dynamic = {label: content for entry in body.get("dynamic", []) for label, content in entry.items()}
    given = (given - _IN_BLOCKS) | set(dynamic)
    for name in sorted(given - set(blocks) - set(attributes)):
        yield f"{where}: there is no {name!r}"
    for name in sorted(set(schema["required"]) - given):
        yield f"{where}: {name!r} is required"
    for name in sorted(given & set(attributes)):
        yield from _value(f"{where}.{name}", body[name], attributes[name])
    for name in sorted(given & set(blocks)):
        bodies = body.get(name, []) if name not in dynamic else []
        if not isinstance(bodies, list):
            yield f"{where}: {name!r} is a block, not an argument"
            continue
        if len(bodies) > 1 and not blocks[name]["many"]:
            yield f"{where}: only one {name!r} block is allowed"
        bodies = bodies + ([dynamic[name]["content"][0]] if name in dynamic else [])
        for inner in bodies:
            yield from _check(f"{where}.{name}", inner, blocks[name], top=False)


def _value(where: str, value: Any, kind: str) -> Iterator[str]:
    if (isinstance(value, str) and "${" in value) or kind in ("any", "object"):
        return
    shape = kind.split("(", maxsplit=1)[0]
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value) and shape != "list":
        yield f"{where} is an argument, not a block"
    elif (isinstance(value, bool) and shape != "bool") or not isinstance(value, _LITERALS[shape]):
        yield f"{where} is {value!r}, which is no {kind}"
