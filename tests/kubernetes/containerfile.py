"""`deployments/Dockerfile` and `.dockerignore`, read and carried out without a container engine.

Of the Dockerfile's language this knows what ours uses (FROM, ARG, ENV, RUN, COPY, WORKDIR, USER, LABEL, CMD in their
shell or JSON form); any other word is an error. Carrying out means: in a folder of our own, with the image's absolute
paths moved below it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deployments" / "Dockerfile"
DOCKERIGNORE = ROOT / ".dockerignore"

_KNOWN = {"FROM", "ARG", "ENV", "RUN", "COPY", "WORKDIR", "USER", "LABEL", "CMD"}
_MOVED = re.compile(r"(?<![\w.$/-])/(opt/venv|app|build|tmp)(?![\w-])")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word in capitals and the rest, continued lines joined."""

    word: str
    rest: str


@dataclass
class Stage:
    """What follows one FROM."""

    image: str
    name: str | None
    instructions: list[Instruction] = field(default_factory=list)

    def values(self, word: str) -> dict[str, str]:
        """Names and values of all ENV or LABEL instructions."""
        pairs = [pair for i in self.instructions if i.word == word for pair in shlex.split(i.rest)]
        return dict(pair.split("=", 1) for pair in pairs)

    def last(self, word: str) -> str:
        """The rest of the last instruction of this kind. Raises IndexError."""
        return [i.rest for i in self.instructions if i.word == word][-1]


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile. Raises ValueError for what is not known here."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found: list[Stage] = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        if word not in _KNOWN:
            raise ValueError(f"not known here: {line}")
        if word == "FROM":
            image, *name = rest.split()
            found.append(Stage(image, name[1] if name else None))
        else:
            found[-1].instructions.append(Instruction(word, rest.strip()))
    return found


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    """A pattern of .dockerignore, for a path or for a folder it lies in."""
    parts = [
        ".*" if p == "**" else re.escape(p).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") for p in glob.split("/")
    ]
    text = "/".join(parts).replace(".*/", "(?:.*/)?")
    return re.compile(rf"{text}(?:/.*)?\Z")


def is_sent(path: str, rules: Sequence[str]) -> bool:
    """Whether a file is in the build's context: the last rule that fits it, or a folder above it, decides."""
    sent = True
    for rule in rules:
        keeps, glob = rule.startswith("!"), rule.removeprefix("!").strip("/")
        if _pattern(glob).match(path):
            sent = keeps
    return sent


def ignore_rules(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def context(root: Path = ROOT) -> Iterator[str]:
    """The files that a build is sent, as paths from the root."""
    rules = ignore_rules((root / DOCKERIGNORE.name).read_text())
    kept = {rule[1:].split("/")[0] for rule in rules if rule.startswith("!")}
    for top in sorted(kept):
        start = root / top
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            name = path.relative_to(root).as_posix()
            if path.is_file() and is_sent(name, rules):
                yield name


@dataclass(frozen=True)
class Built:
    """The image's files below `folder`, and how a command runs there."""

    folder: Path
    environment: Mapping[str, str]

    def moved(self, text: str) -> str:
        """A text with the image's absolute paths as they are here."""
        return _MOVED.sub(lambda found: f"{self.folder}{found.group(0)}", text)

    def run(self, command: Sequence[str], **extra: str) -> subprocess.CompletedProcess[str]:
        """Runs in the image's working directory and environment, and without root's power over permissions."""
        return subprocess.run(
            [*unprivileged(), *command],
            cwd=self.folder / "app",
            env={**self.environment, **extra},
            capture_output=True,
            text=True,
            check=False,
        )


def unprivileged() -> list[str]:
    """What goes before a command so that root may write only what its permissions let it; nothing for anybody else."""
    return [] if os.geteuid() else ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def build(folder: Path, text: str, root: Path = ROOT) -> Built:
    """Carry the first stage out below `folder`, and give it the last stage's environment.

    The last stage's own RUN concerns the base image's users and pip, which are not ours here. Raises
    CalledProcessError when a step fails.
    """
    first, *_, last = stages(text)
    base = folder / "base"
    subprocess.run([sys.executable, "-m", "venv", base], check=True)
    plain = {**_network(), "PATH": f"{base}/bin:/usr/bin:/bin", "HOME": str(folder / "home"), "LC_ALL": "C.UTF-8"}
    here = Built(folder, {})
    for part in ("app", "build", "tmp", "home", "sent"):
        (folder / part).mkdir()
    for name in context(root):
        (folder / "sent" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, folder / "sent" / name)

    directory, variables = folder, plain
    for step in first.instructions:
        if step.word == "ENV":
            variables |= dict(pair.split("=", 1) for pair in shlex.split(step.rest))
        elif step.word == "WORKDIR":
            directory = Path(here.moved(step.rest))
        elif step.word == "COPY":
            source, target = step.rest.split()
            _copy(folder / "sent" / source, Path(here.moved(target)))
        elif step.word == "RUN":
            variables.pop("UV_NO_CACHE", None)  # saves room in the image; here, time
            subprocess.run(["/bin/sh", "-ec", here.moved(step.rest)], cwd=directory, env=variables, check=True)
    image = {name: here.moved(value) for name, value in last.values("ENV").items()}
    image["PATH"] = image["PATH"].replace("$PATH", "/usr/bin:/bin")
    # Prefect's server for the checks here, not the image's: nothing reports home.
    quiet = {"LC_ALL": "C.UTF-8", "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    return Built(folder, {**image, **quiet})


def _network() -> dict[str, str]:
    """How this machine reaches a package index: proxies, certificates, and the settings of pip and uv."""
    ours = ("PIP_", "UV_", "SSL_", "HTTP_", "HTTPS_", "NO_PROXY", "ALL_PROXY", "REQUESTS_CA")
    return {name: value for name, value in os.environ.items() if name.upper().startswith(ours)}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def command(stage: Stage) -> list[str]:
    """The words of CMD."""
    return json.loads(stage.last("CMD"))


def is_below(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)
