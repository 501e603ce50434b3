"""What a container's process gets: its variables, its command, and host folders for its volumes."""

from __future__ import annotations

import base64
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kubernetes.fakekube import quantities, resources
from tests.kubernetes.fakekube.store import Object, Store

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class ConfigurationMissing(Exception):
    """A Secret, a ConfigMap or a key that the pod wants is not there: it waits with CreateContainerConfigError."""


@dataclass(frozen=True)
class Paths:
    """How paths of a container become paths of this machine, the longest prefix first."""

    prefixes: dict[str, Path] = field(default_factory=dict)

    def host(self, text: str) -> str:
        """The text with a container's path at its start, or after a scheme, replaced; other texts as they are."""
        scheme, separator, rest = text.partition("://") if text.startswith("file://") else ("", "", text)
        for prefix in sorted(self.prefixes, key=len, reverse=True):
            if rest == prefix or rest.startswith(prefix.rstrip("/") + "/"):
                return scheme + separator + str(self.prefixes[prefix]) + rest[len(prefix.rstrip("/")) :]
        return text


def variables(store: Store, pod: Object, container: dict[str, Any]) -> dict[str, str]:
    """The container's environment: `envFrom` in order, then `env`, with `$(NAME)` put in.

    Raises ConfigurationMissing."""
    namespace, found = pod["metadata"]["namespace"], dict[str, str]()
    for source in container.get("envFrom") or ():
        for kind in ("configMapRef", "secretRef"):
            if kind in source:
                data = _data(store, namespace, kind, source[kind])
                found |= {source.get("prefix", "") + key: value.decode() for key, value in data.items()}
    for variable in container.get("env") or ():
        if "valueFrom" not in variable:
            found[variable["name"]] = expand(variable.get("value", ""), found)
        elif (value := _value_from(store, pod, container, variable["valueFrom"])) is not None:
            found[variable["name"]] = value
    return found


def expand(text: str, known: dict[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known, `$$` by one dollar."""
    return _REFERENCE.sub(lambda match: "$" if match[0] == "$$" else known.get(match[1], match[0]), text)


def _data(store: Store, namespace: str, kind: str, reference: dict[str, Any]) -> dict[str, bytes]:
    secret = kind.startswith("secret")
    resource = resources.SECRETS if secret else resources.CONFIG_MAPS
    name = reference.get("name") or reference.get("secretName") or ""
    found = store.find(resource, namespace, name)
    if found is None:
        if reference.get("optional"):
            return {}
        raise ConfigurationMissing(f'{"secret" if secret else "configmap"} "{name}" not found')
    data = found.get("data") or {}
    return {key: base64.b64decode(text) if secret else text.encode() for key, text in data.items()}


def _value_from(store: Store, pod: Object, container: dict[str, Any], source: dict[str, Any]) -> str | None:
    [(kind, reference)] = source.items()
    if kind == "fieldRef":
        return _field(pod, reference["fieldPath"])
    if kind == "resourceFieldRef":
        demand, _, name = reference["resource"].partition(".")
        text = ((container.get("resources") or {}).get(demand) or {}).get(name, "0")
        return str(-(-quantities.parse(text) // quantities.parse(reference.get("divisor") or "1")))
    namespace = pod["metadata"]["namespace"]
    data = _data(store, namespace, kind, reference)
    if reference["key"] in data:
        return data[reference["key"]].decode()
    if reference.get("optional"):
        return None
    noun = "Secret" if kind == "secretKeyRef" else "ConfigMap"
    raise ConfigurationMissing(f"couldn't find key {reference['key']} in {noun} {namespace}/{reference['name']}")


def _field(pod: Object, path: str) -> str:
    if match := re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path):
        return (pod["metadata"].get(match[1]) or {}).get(match[2], "")
    value: Any = pod
    for step in path.split("."):
        value = value.get(step, "") if isinstance(value, dict) else ""
    return str(value)


def make_volumes(store: Store, pod: Object, folder: Path) -> dict[str, Path]:
    """A folder for each volume of the pod, filled from Secrets and ConfigMaps. Raises ConfigurationMissing."""
    made: dict[str, Path] = {}
    for volume in pod["spec"].get("volumes") or ():
        made[volume["name"]] = target = folder / volume["name"]
        target.mkdir(parents=True, exist_ok=True)
        sources = (volume.get("projected") or {}).get("sources") or [volume]
        for source in sources:
            for kind in ("configMap", "secret"):
                if kind in source:
                    data = _data(store, pod["metadata"]["namespace"], kind, source[kind])
                    items = source[kind].get("items") or [{"key": key, "path": key} for key in data]
                    for item in items:
                        path = target / item["path"]
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(data[item["key"]])
            if "downwardAPI" in source:
                for item in source["downwardAPI"].get("items") or ():
                    (target / item["path"]).write_text(_field(pod, item["fieldRef"]["fieldPath"]))
    return made


def paths(container: dict[str, Any], volumes: dict[str, Path], mapped: dict[str, Path]) -> Paths:
    """The paths of one container: its mounts, and the folders of the image that are mapped for the whole cluster."""
    mounts = {
        one["mountPath"]: volumes[one["name"]] / one.get("subPath", "") for one in container.get("volumeMounts") or ()
    }
    return Paths({**mapped, **mounts})


def host_variables(programs: Path) -> dict[str, str]:
    """What a process of this machine needs and an image would bring: where programs lie, and its locale."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ", "SSL_CERT_FILE") if name in os.environ}
    return {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", **kept}


def clean(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
