"""Every name that is used exists, and every name that exists is used."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.deployments.configuration import Configuration
from tests.deployments.spelling import provider

_REFERENCE = re.compile(r"(?<![\w.\"-])(data\.)?(google_\w+)\.(\w+)(?:\[[^\]]*\])?(?:\.(\w+))?")


def dangling(configuration: Configuration) -> list[str]:
    """Variables, locals, resources and attributes that are used but do not exist."""
    text = _expressions(configuration)
    found = [f"var.{n} does not exist" for n in sorted(_names(r"\bvar\.(\w+)", text) - set(configuration.variables()))]
    found += [
        f"local.{n} does not exist" for n in sorted(_names(r"\blocal\.(\w+)", text) - set(configuration.locals()))
    ]
    return found + list(_dangling_resources(configuration, text))


def unused(configuration: Configuration) -> list[str]:
    """Variables, locals and data sources that nobody looks at."""
    text = _expressions(configuration)
    used = _names(r"\bvar\.(\w+)", _without_variables(configuration))
    found = [f"variable {name} is not used" for name in configuration.variables() if name not in used]
    found += [f"local {n} is not used" for n in configuration.locals() if not re.search(rf"\blocal\.{n}\b", text)]
    return found + [f"data.{k}.{n} is not used" for k, n, _ in configuration.data() if f"data.{k}.{n}" not in text]


def each_without_for_each(configuration: Configuration) -> list[str]:
    """Resources that speak of `each` without being repeated."""
    return [
        f"{kind}.{name} uses each without for_each"
        for kind, name, body in configuration.resources()
        if re.search(r"\beach\.(key|value)\b", str(body)) and "for_each" not in body
    ]


def undescribed(configuration: Configuration) -> list[str]:
    """Variables without description, type or validation; outputs without description."""
    found: list[str] = []
    for name, body in configuration.variables().items():
        needed = (
            ("description", "type")
            if body.get("type") in ("bool", "${bool}")
            else ("description", "type", "validation")
        )
        found += [f"variable {name} has no {part}" for part in needed if part not in body]
        found += [
            f"variable {name}: a validation says nothing" for v in body.get("validation", []) if not v["error_message"]
        ]
    return found + [
        f"output {n} has no description" for n, body in configuration.outputs().items() if "description" not in body
    ]


def _dangling_resources(configuration: Configuration, text: str) -> Iterator[str]:
    known = {f"{k}.{n}": k for k, n, _ in configuration.resources()}
    known |= {f"data.{k}.{n}": f"data.{k}" for k, n, _ in configuration.data()}
    for data, kind, name, attribute in sorted(set(_REFERENCE.findall(text))):
        address = f"{data}{kind}.{name}"
        if address not in known:
            yield f"{address} does not exist"
        elif attribute and address in known:
            schema = provider()["types"].get(known[address], {"exports": [], "attributes": {}, "blocks": {}})
            if attribute not in {"id", *schema["exports"], *schema["attributes"], *schema["blocks"]}:
                yield f"{address} has no {attribute}"


def _expressions(configuration: Configuration) -> str:
    """The files without the words of descriptions, in which anything may stand."""
    return re.sub(r'(description|error_message|display_name|title)\s*=\s*"(?:[^"\\$]|\\.)*"', "", configuration.text)


def _without_variables(configuration: Configuration) -> str:
    """A variable that only its own validation looks at is not used."""
    return "\n".join(text for name, text in configuration.files.items() if name != "variables.tf")


def _names(pattern: str, text: str) -> set[str]:
    return set(re.findall(pattern, text))
