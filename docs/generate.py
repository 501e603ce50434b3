"""Writes the generated pages: docs/settings.md, and the list of tables in docs/contract.md. Run by `make docs`."""

from __future__ import annotations

import importlib
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from connectors.contract import Table, load_contract
from connectors.secrets import SCHEME
from connectors.settings import SystemSettings, safe_url

ROOT = Path(__file__).resolve().parent.parent
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
CONTRACT_PAGE = ROOT / "docs" / "contract.md"
START, END = "<!-- tables, written by `make docs` -->", "<!-- end of tables -->"

_FIRST = ("flows/settings.py", "connectors/warehouse/settings.py", "connectors/google.py")
_TITLES = {
    "flows": "The flows",
    "warehouse": "Warehouse and lake",
    "s3": "S3",
    "netsuite": "NetSuite",
    "connectors": "Google Cloud",
}
_NAMES: dict[object, str] = {
    str: "text", bool: "true or false", int: "whole number", float: "number", frozenset[str]: "JSON list",
    Path: "path", SecretStr: "secret",
}  # fmt: skip
_BOUNDS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}
_INTRODUCTION = """\
# Settings

Environment variables, read when a flow starts. Each group is one class; all that is wrong in a group is reported at
once, by variable and never by value. This page is written by `make docs` from those classes.

A setting may hold `secret://name` instead of a value. The name is looked up when a connector is built and not before:
with `MGDW_SECRETS=environment` in the variable of that name (`secret://sfdc-client-secret` is `SFDC_CLIENT_SECRET`),
with `MGDW_SECRETS=gcp` in Google Secret Manager. Durations are seconds, sizes are bytes. URLs are https; plain http is
taken for this machine only.

One more variable is read by `mgdw deploy`: `MGDW_HOME`, the folder that runs work in; without it this checkout, or
`/app` of the image. `prefect deploy --all` wants it set, and `MGDW_IMAGE`, the image of the runs.
"""


def settings_page() -> str:
    """The text of docs/settings.md."""
    models = list(settings_models())
    sections = [_INTRODUCTION]
    for model in models:
        package = model.__module__.split(".")[-2]
        lines = [f"## {_TITLES.get(package, package.capitalize())}", ""]
        lines += [
            f"`{model.__name__}`, {_source(model)}",
            "",
            "| variable | type | default | meaning |",
            "|---|---|---|---|",
        ]
        lines += [_row(model, name, field) for name, field in model.model_fields.items()]
        sections.append("\n".join(lines) + "\n")
    sections.append(_secrets(models))
    return "\n".join(sections)


def settings_models() -> Iterator[type[SystemSettings]]:
    """Every settings class: the flows' and the warehouse's first, then the outside systems'."""
    found = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("connectors/*/settings.py"))]
    for path in dict.fromkeys((*_FIRST, *found)):
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        for value in vars(module).values():
            if not isinstance(value, type) or value.__module__ != module.__name__:
                continue
            # What only has another prefix is told by its parent's table.
            if issubclass(value, SystemSettings) and SystemSettings in value.__bases__:
                yield value


def tables_section() -> str:
    """The list of tables for docs/contract.md, without its markers."""
    lines = ["| table | object at the source | key | cursor | columns |", "|---|---|---|---|---:|"]
    return "\n".join(lines + [_table_row(table) for table in load_contract().tables])


def contract_page(page: str) -> str:
    """`page` with the list of tables between its markers brought up to date."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{tables_section()}\n{END}{after}"


def main() -> None:
    """Write both pages."""
    SETTINGS_PAGE.write_text(settings_page())
    CONTRACT_PAGE.write_text(contract_page(CONTRACT_PAGE.read_text()))


def _source(model: type[SystemSettings]) -> str:
    path = f"{model.__module__.replace('.', '/')}.py"
    return f"[{path}](../{path})"


def _row(model: type[SystemSettings], name: str, field: FieldInfo) -> str:
    cells = (f"`{model.variable(name)}`", _kind(field), _default(field), field.description or "")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _kind(field: FieldInfo) -> str:
    annotation, metadata = _plain(field.annotation), list(field.metadata)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    is_url = any(getattr(entry, "func", None) is safe_url for entry in (*metadata, *_metadata_within(field.annotation)))
    limits = [text for entry in metadata for text in _limits(entry)]
    return ", ".join(["URL" if is_url else _NAMES[annotation], *limits])


def _plain(annotation: Any) -> Any:
    """The type without `| None` and without `Annotated`."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def _metadata_within(annotation: Any) -> Iterator[object]:
    for inner in get_args(annotation):
        yield from getattr(inner, "__metadata__", ())


def _limits(entry: object) -> Iterator[str]:
    for kind, (attribute, sign) in _BOUNDS.items():
        if isinstance(entry, kind):
            yield f"{sign} {getattr(entry, attribute):,}"
    if isinstance(entry, MinLen):
        yield "not empty" if entry.min_length == 1 else f"at least {entry.min_length} characters"
    if pattern := getattr(entry, "pattern", None):
        yield f"like `{pattern}`"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default_factory is not None:
        return "follows other settings"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if value is None:
        return "not set"
    if isinstance(value, Path) and value.is_relative_to(ROOT):
        return f"`{value.relative_to(ROOT)}` in this checkout"
    return f"`{value}`" if value not in ("", frozenset()) else "empty"


def _secrets(models: list[type[SystemSettings]]) -> str:
    """Every secret that a default names, and the settings it fills."""
    users: dict[str, list[str]] = {}
    for model in models:
        for name, field in model.model_fields.items():
            words = f"{_default(field)} {field.description}"
            for secret in re.findall(rf"{SCHEME}([a-z0-9-]*[a-z0-9])", words):
                if f"{SCHEME}{secret}" in _default(field) or f"default {SCHEME}{secret}" in words:
                    users.setdefault(secret, []).append(f"`{model.variable(name)}`")
    lines = ["## Secrets by their usual names", "", "| secret | in the environment | used by |", "|---|---|---|"]
    lines += [f"| `{name}` | `{name.upper().replace('-', '_')}` | {', '.join(by)} |" for name, by in users.items()]
    return "\n".join(lines) + "\n"


def _table_row(table: Table) -> str:
    declared = f"dbt/models/staging/{table.source}/_{table.source}__sources.yml"
    where = f"`{table.object}`" + (f" where `{table.filter}`" if table.filter else "")
    key = ", ".join(f"`{name}`" for name in table.primary_key)
    cursor = f"`{table.cursor}`" if table.cursor else "the delivery"
    return f"| [`{table.name}`](../{declared}) | {where} | {key} | {cursor} | {len(table.columns)} |"


if __name__ == "__main__":
    main()
