"""The google provider's schema, read from the Python bindings that are generated from it.

The provider itself is a binary that only its registry has; the bindings (package `cdktn-provider-google`, a download of
67 MB) hold each resource's arguments, blocks and exported attributes as Python source. `make check-gcp` installs them
into `.checks/`; this module reads them without running them and keeps what our files use in `google_provider.json`, so
that the tests need no download.

    python -m tests.deployments.provider_schema .checks            # write google_provider.json
    python -m tests.deployments.provider_schema .checks --check    # fail when it is not what the bindings say
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.deployments.configuration import Configuration

SNAPSHOT = Path(__file__).parent / "google_provider.json"
_OURS = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}
_INHERITED = {"cdktf_resource_type", "terraform_resource_type"}


class Bindings:
    """The bindings, installed below `folder`."""

    def __init__(self, folder: Path) -> None:
        (readme,) = folder.glob("cdktn_provider_google-*.dist-info/METADATA")
        self._folder = folder / "cdktn_provider_google"
        found = re.search(r"provider version ([\d.]+)", readme.read_text())
        assert found, f"{readme} does not say which provider it was made from"
        self.version = found[1]

    def resource(self, kind: str) -> dict[str, Any]:
        """The schema of `google_…`, or of a data source `data.google_…`. Raises FileNotFoundError."""
        module = kind.replace("data.google_", "data_google_").removeprefix("google_")
        return self._module(module, "".join(word.capitalize() for word in module.split("_")))

    def provider(self) -> dict[str, Any]:
        """The schema of the `provider "google"` block."""
        return self._module("provider", "GoogleProvider")

    def _module(self, module: str, name: str) -> dict[str, Any]:
        source = (self._folder / module / "__init__.py").read_text()
        classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
        schema = _block(classes, f"{name}Config")
        schema["exports"] = sorted(set(_exports(classes[name])) - set(schema["blocks"]))
        return schema


def snapshot(bindings: Bindings, configuration: Configuration) -> str:
    """What the configuration's resource types, data sources and provider may say, as JSON with a line for each."""
    kinds = {kind for kind, _, _ in configuration.resources()}
    kinds |= {f"data.{kind}" for kind, _, _ in configuration.data()}
    types = [f"{json.dumps(kind)}: {_compact(bindings.resource(kind))}" for kind in sorted(kinds)]
    separator = ",\n"
    head = f'"version": {json.dumps(bindings.version)},\n"provider": {_compact(bindings.provider())}'
    return f'{{\n{head},\n"types": {{\n{separator.join(types)}\n}}\n}}\n'


def _compact(schema: dict[str, Any]) -> str:
    return json.dumps(schema, separators=(",", ":"), sort_keys=True)


def _block(classes: dict[str, ast.ClassDef], name: str) -> dict[str, Any]:
    start = next(n for n in classes[name].body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    documented = _documented(start)
    schema: dict[str, Any] = {"required": [], "attributes": {}, "blocks": {}}
    for argument, default in zip(start.args.kwonlyargs, start.args.kw_defaults, strict=True):
        if argument.arg not in documented:
            continue
        terraform, text = documented[argument.arg]
        assert argument.annotation is not None
        annotation = ast.unparse(argument.annotation)
        inner = next((c for c in re.findall(r"'(\w+)'", annotation) if c in classes), None)
        if default is None:
            schema["required"].append(terraform)
        if inner and text.startswith(f"{terraform} block."):
            schema["blocks"][terraform] = {"many": "Sequence[" in annotation} | _block(classes, inner)
        else:
            schema["attributes"][terraform] = _type(annotation, inner)
    return schema


def _documented(start: ast.FunctionDef) -> dict[str, tuple[str, str]]:
    """Argument → its name in Terraform, and what is said of it. Arguments of the bindings' own have no link."""
    found: dict[str, tuple[str, str]] = {}
    for name, text in re.findall(r":param (\w+): (.*)", ast.get_docstring(start) or ""):
        link = re.search(r"\{@link \S+#(\w+) ", text)
        # The provider has an address to override for every service; we override none.
        if link and name not in _OURS and not name.endswith("_custom_endpoint"):
            found[name] = (link[1], text)
    return found


def _type(annotation: str, inner: str | None) -> str:
    plain = "object" if inner else next((t for k, t in _PLAIN.items() if k in annotation), "any")
    shape = next((t for k, t in _SHAPES.items() if k in annotation), "")
    return f"{shape}({plain})" if shape else plain


_PLAIN = {"builtins.bool": "bool", "jsii.Number": "number", "builtins.str": "string"}
_SHAPES = {"Sequence[": "list", "typing.Mapping[": "map"}


def _exports(resource: ast.ClassDef) -> Iterator[str]:
    for node in resource.body:
        if not isinstance(node, ast.FunctionDef) or node.name.endswith("_input") or node.name in _INHERITED:
            continue
        if any(ast.unparse(decorator) == "builtins.property" for decorator in node.decorator_list):
            yield node.name


def main() -> None:
    """Write the snapshot, or compare it."""
    folder, *options = sys.argv[1:]
    text = snapshot(Bindings(Path(folder)), Configuration.here())
    if "--check" not in options:
        SNAPSHOT.write_text(text)
    elif SNAPSHOT.read_text() != text:
        sys.exit(f"{SNAPSHOT.name} is not what the bindings say: write it anew, without --check")


if __name__ == "__main__":
    main()
