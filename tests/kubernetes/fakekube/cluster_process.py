"""fakekube as a process: started, stopped, and how others reach it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import httpx
import yaml

from tests.kubernetes.fakekube import processes

ROOT = Path(__file__).parents[3]


class ClusterProcess:
    """A fake cluster on free ports of 127.0.0.1, `url` by HTTP and `secure_url` by HTTPS.

    `data`: folder for `fakekube.log`, `ca.crt` and the pods' logs and volumes. `manifests`: YAML files or folders the
    cluster begins with. `images`: prefixes of the images that can be pulled (all but `…:missing` without).
    `image_environment`: variables that images set. `mapped`: paths in pods and the folders that stand for them; folders
    that pods and tests share are mapped to themselves when they lie below a path that is a volume of the pods.
    `programs`: a folder of what images bring, instead of this environment. `namespace`: where manifests go that name
    none, and where `Cluster` looks. `back_off`: seconds before the first retry of a Job or a container.
    `rollout_patience`: seconds after which a Deployment's rollout has failed. `bookmark_every`: seconds.
    """

    def __init__(
        self,
        data: Path,
        manifests: Iterable[Path] = (),
        *,
        images: Iterable[str] = (),
        image_environment: Mapping[str, str] | None = None,
        mapped: Mapping[str, Path] | None = None,
        workdir: Path | None = None,
        programs: Path | None = None,
        namespace: str = "mg-dw",
        back_off: float = 10.0,
        rollout_patience: float = 600.0,
        bookmark_every: float = 60.0,
        port: int = 0,
    ) -> None:
        self.data = data.resolve()
        self.namespace = namespace
        words = [*(f"--manifests={path}" for path in manifests), *(f"--image={prefix}" for prefix in images)]
        words += [f"--image-env={name}={value}" for name, value in (image_environment or {}).items()]
        words += [f"--map={path}={folder}" for path, folder in (mapped or {}).items()]
        words += [f"--workdir={workdir}"] if workdir else []
        words += [f"--programs={programs}"] if programs else []
        words += [f"--namespace={namespace}"]
        self._words = [*words, f"--back-off={back_off}", f"--bookmark-every={bookmark_every}"]
        self._words.append(f"--rollout-patience={rollout_patience}")
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self.url = self.secure_url = ""

    def start(self) -> None:
        """Raises RuntimeError with what it wrote when it does not get ready."""
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.kubernetes.fakekube", "--until-eof"]
        command += [f"--port={self._port}", f"--data={self.data}"]
        log = self.data / "fakekube.log"
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [*command, *self._words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                text=True, start_new_session=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("fakekube is ready"):
            self.stop()
            raise RuntimeError(f"fakekube did not start:\n{log.read_text()}")
        self.url, self.secure_url = line.split()[-2:]
        self._http = httpx.Client(base_url=self.url, timeout=60.0, trust_env=False)

    @property
    def pid(self) -> int:
        """Of the process. Raises RuntimeError when it has not been started."""
        if self._process is None:
            raise RuntimeError("the cluster is not running")
        return self._process.pid

    def stop(self) -> None:
        """Stop it and whatever its pods have started."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None
        processes.kill(processes.CLUSTER, str(self.data))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kubeconfig(self, path: Path, account: str | None = None, *, tls: bool = False) -> Path:
        """Write a kubeconfig for a service account (`name`, or `system:serviceaccount:ns:name`), or for the admin.
        With `tls` by HTTPS, without which kubectl sends no token."""
        server = {"server": self.secure_url, "certificate-authority": str(self.data / "ca.crt")}
        context = {"cluster": "fakekube", "user": "user", "namespace": self.namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fakekube",
            "clusters": [{"name": "fakekube", "cluster": server if tls else {"server": self.url}}],
            "users": [{"name": "user", "user": {"token": account} if account else {}}],
            "contexts": [{"name": "fakekube", "context": context}],
        }
        path.write_text(yaml.safe_dump(content))
        return path
