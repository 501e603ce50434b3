"""What `k8s/` builds, as parsed objects, and how a copy of it is broken on purpose."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes import install

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
NAMESPACE = "mg-dw"

Body = dict[str, Any]
HIGH_AVAILABILITY = "production-with-high-availability"
VARIANTS = ("staging", "production", HIGH_AVAILABILITY)


@dataclass(frozen=True)
class Pod:
    """A pod template and what makes pods of it."""

    owner: str
    labels: dict[str, str]
    spec: Body

    @classmethod
    def of(cls, owner: Body) -> Pod:
        """Of a Deployment or a Job."""
        template = owner["spec"]["template"]
        name = owner["metadata"].get("name", owner["metadata"].get("generateName"))
        return cls(f"{owner['kind']} {name}", template["metadata"]["labels"], template["spec"])

    @property
    def containers(self) -> list[Body]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


@dataclass(frozen=True)
class Manifests:
    """The objects of one variant."""

    variant: str
    objects: tuple[Body, ...]

    @classmethod
    def built(cls, variant: str, k8s: Path = K8S) -> Manifests:
        """What kustomize makes of a variant. Raises CalledProcessError when it refuses."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "k8s"
            shutil.copytree(k8s, copy, ignore=shutil.ignore_patterns("__pycache__"))
            environment = copy / "overlays" / variant.partition("-")[0]
            if variant == HIGH_AVAILABILITY:
                with (environment / "kustomization.yaml").open("a") as file:
                    file.write("components: [../../components/high-availability]\n")
            return cls(variant, tuple(yaml.safe_load_all(kustomize(environment))))

    def of(self, kind: str) -> dict[str, Body]:
        """Objects of a kind by name."""
        return {o["metadata"]["name"]: o for o in self.objects if o["kind"] == kind}

    def config(self, name: str) -> dict[str, str]:
        """The data of a ConfigMap, whose name may have a hash of its content behind it. Raises ValueError."""
        (found,) = (
            o.get("data", {}) for n, o in self.of("ConfigMap").items() if n.rpartition("-")[0] == name or n == name
        )
        return found

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        return tuple(
            Pod(
                f"{o['kind']} {o['metadata']['name']}",
                o["spec"]["template"]["metadata"]["labels"],
                o["spec"]["template"]["spec"],
            )
            for o in self.objects
            if "template" in o.get("spec", {})
        )

    def containers(self) -> Iterator[tuple[str, Pod, Body]]:
        """(where, pod, container) of each, sidecars and init containers too."""
        for pod in self.pods:
            for container in pod.containers:
                yield f"{pod.owner}: {container['name']}", pod, container


def kustomize(folder: Path) -> str:
    """The YAML of a folder. Raises CalledProcessError."""
    command = [install.kubectl(), "kustomize", folder]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}).stdout


def deploy_job() -> Body:
    """The Job that writes deployments, as a build would create it."""
    return yaml.safe_load((K8S / "jobs" / "deploy.yaml").read_text().replace("IMAGE", IMAGE).replace("RELEASE", "r1"))


IMAGE = f"us-central1-docker.pkg.dev/mg-dw-workbench/mg-dw-docker-images/mg-dw@sha256:{'1' * 64}"


def schema_errors(objects: tuple[Body, ...], version: str) -> list[str]:
    """What a strict reading by the schemas of a Kubernetes version finds: unknown fields, wrong types, missing ones."""
    path = str(install.python_path())
    if path not in sys.path:
        sys.path.append(path)
    import kubernetes_validate

    found = []
    for one in objects:
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{one['kind']} {one['metadata'].get('name')}: {error.message} at {list(error.path)}")
    return found


def quantity(text: str | int) -> float:
    """A Kubernetes quantity as a number: cores or bytes."""
    units = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    for unit, factor in units.items():
        if str(text).endswith(unit):
            return float(str(text).removesuffix(unit)) * factor
    return float(text)
