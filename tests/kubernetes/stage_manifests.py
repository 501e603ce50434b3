"""The manifests of `k8s/` as a person would apply them, and the settings in them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes import install
from tests.kubernetes.stage_processes import plain_environment, run

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "mg-dw"


class Manifests:
    """One overlay, as `kubectl kustomize` builds it."""

    def __init__(self, overlay: str = "staging") -> None:
        self._folder = ROOT / "k8s" / "overlays" / overlay

    @cached_property
    def text(self) -> str:
        """The YAML that `kubectl apply -f -` takes."""
        return run([install.kubectl(), "kustomize", self._folder], plain_environment(), ROOT)

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """Its objects."""
        return [one for one in yaml.safe_load_all(self.text) if one]

    def settings(self, name: str) -> dict[str, str]:
        """The variables of a ConfigMap, whose name may have a hash of its content at the end."""
        [found] = [
            one["data"]
            for one in self.objects
            if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith(name)
        ]
        return found
