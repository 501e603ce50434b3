"""How the nodes of a cluster behave."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.kubernetes.fakekube.images import Images

SPOT = "cloud.google.com/gke-spot"


@dataclass(frozen=True)
class NodeSettings:
    """`data`: where pods keep their folders. `mapped`: folders of the image, or shared ones, by their path in a pod.

    `restart_back_off` is in seconds (a cluster's is 10)."""

    data: Path
    images: Images = field(default_factory=Images)
    mapped: dict[str, Path] = field(default_factory=dict)
    workdir: Path | None = None
    programs: Path = Path(sys.executable).parent
    """What images bring: a folder that comes first on PATH."""
    restart_back_off: float = 10.0
    memory_check: float = 1.0
    """Seconds between two looks at how much memory pods take."""
    nodes: dict[str, dict[str, str]] = field(default_factory=lambda: {"node-1": {}, "spot-1": {SPOT: "true"}})
    """Name to labels."""
