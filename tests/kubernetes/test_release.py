"""`deployments/release.sh` against a cluster with the manifests of staging, with the rights of Cloud Build."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes import install
from tests.kubernetes.fakekube.client import Cluster
from tests.kubernetes.stage_manifests import Manifests

ROOT = Path(__file__).resolve().parents[2]
APPS = ("prefect-server", "prefect-worker")
REPOSITORY = "us-central1-docker.pkg.dev/mg-dw-workbench-staging/mg-dw-docker-images/mg-dw"
COMMIT = "3f1c0de3f1c0"


def image(number: int, *, there: bool = True) -> str:
    """An image by digest; the registry has those whose digest begins with 1."""
    return f"{REPOSITORY}@sha256:{1 if there else 2}{number:063d}"


class Site:
    """A cluster as a person has set it up, and its releases by Cloud Build. Its `mgdw` writes down what it is asked
    for, and fails while `broken` is there."""

    def __init__(self, folder: Path, manifests: Manifests) -> None:
        programs = folder / "image"
        programs.mkdir()
        self.broken, self.asked = folder / "broken", folder / "asked"
        script = f'#!/bin/sh\necho "$@" >> {self.asked}\n! [ -e {self.broken} ]\n'
        (programs / "mgdw").write_text(script)
        (programs / "mgdw").chmod(0o755)
        rendered = folder / "staging.yaml"
        rendered.write_text(manifests.text)
        known = [f"{REPOSITORY}@sha256:1", "gcr.io/"]
        self.cluster = Cluster(
            folder / "cluster", [rendered], images=known, programs=programs, back_off=0.1, rollout_patience=0.5
        )
        self._folder = folder

    def __enter__(self) -> Site:
        self.cluster.start()
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prefect-api-auth"}}
        self.cluster.create({**secret, "stringData": {"auth-string": "admin:pass"}})
        [binding] = [one for one in self._get("rbac.authorization.k8s.io/v1", "rolebindings")
                     if one["metadata"]["name"] == "cloud-build"]  # fmt: skip
        self.user = binding["subjects"][0]["name"]
        self._config = self.cluster.kubeconfig(self._folder / "kubeconfig", f"user:{self.user}", tls=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.cluster.stop()

    def release(self, *words: str, environment: str = "staging") -> subprocess.CompletedProcess[str]:
        """Run the script."""
        path = f"{install.kubectl().parent}:{os.environ['PATH']}"
        variables = {"PATH": path, "KUBECONFIG": str(self._config), "HOME": str(self._folder),
                     "ROLLOUT_TIMEOUT": "300s", "POLL_SECONDS": "0.2"}  # fmt: skip
        command = ["bash", str(ROOT / "deployments" / "release.sh"), environment, *words]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)

    def runs(self) -> set[str]:
        """The images that server and worker are to run."""
        found = [one for one in self._get("apps/v1", "deployments") if one["metadata"]["name"] in APPS]
        assert len(found) == len(APPS)
        return {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in found}

    @property
    def records(self) -> dict[str, str]:
        """The ConfigMap with the releases that are kept."""
        return self._record().get("data") or {}

    @property
    def kept(self) -> list[str]:
        return sorted(key for key in self.records if key != "current")

    def keep(self, records: dict[str, str]) -> None:
        """Put records there, as earlier releases have left them."""
        self.cluster.patch(self._path("v1", "configmaps") + "/mg-dw-releases", {"data": records})

    def _record(self) -> dict[str, Any]:
        return next(one for one in self._get("v1", "configmaps") if one["metadata"]["name"] == "mg-dw-releases")

    def _get(self, version: str, plural: str) -> list[dict[str, Any]]:
        return self.cluster.request("GET", self._path(version, plural)).raise_for_status().json()["items"]

    def _path(self, version: str, plural: str) -> str:
        return f"/{'apis' if '/' in version else 'api'}/{version}/namespaces/mg-dw/{plural}"


@pytest.fixture(scope="module")
def manifests() -> Manifests:
    return Manifests()


@pytest.fixture
def site(tmp_path: Path, manifests: Manifests) -> Iterator[Site]:
    with Site(tmp_path, manifests) as started:
        yield started


def test_a_release_brings_its_image_to_server_and_worker_and_lets_it_write_the_deployments(site: Site) -> None:
    done = site.release(image(1), COMMIT)
    assert done.returncode == 0, done.stderr + done.stdout
    assert site.runs() == {image(1)}
    [key] = site.kept
    assert key.endswith(f"-{COMMIT}") and site.records["current"] == key
    [asked] = site.asked.read_text().splitlines()
    assert asked.startswith("deploy ") and f"--image {image(1)}" in asked and f"--release {COMMIT}" in asked
    kinds = [one["kind"] for one in yaml.safe_load_all(site.records[key]) if one]
    assert {"ConfigMap", "Deployment", "Job"} == set(kinds)


def test_a_release_needs_no_right_that_cloud_build_does_not_have(site: Site) -> None:
    start = len(site.cluster.calls())
    assert site.release(image(1), COMMIT).returncode == 0
    calls = [one for one in site.cluster.calls(start) if one["user"] == site.user]
    assert calls and not [one for one in calls if one["status"] in (401, 403)]
    written = [
        one["resource"] for one in calls if one["verb"] in ("create", "patch") and one["name"] != "mg-dw-releases"
    ]
    assert "deployments" in written and "jobs" in written
    assert "configmaps" not in written[written.index("deployments") :], "settings come before the pods that want them"


def test_an_image_that_is_not_there_is_rolled_back_at_once(site: Site) -> None:
    assert site.release(image(1), COMMIT).returncode == 0
    good = site.kept
    failed = site.release(image(2, there=False), "abcdef1")
    assert failed.returncode == 1
    assert "going back to " + good[0] in failed.stdout
    assert site.runs() == {image(1)}
    assert site.kept == good and site.records["current"] == good[0]


def test_a_release_whose_job_fails_is_rolled_back_at_once(site: Site) -> None:
    assert site.release(image(1), COMMIT).returncode == 0
    good = site.kept
    site.broken.touch()
    failed = site.release(image(2), "abcdef1")
    assert failed.returncode == 1 and "does not come back either" in failed.stderr, (
        "the Job of the one before fails, too"
    )
    assert site.runs() == {image(1)} and site.kept == good
    site.broken.unlink()
    assert site.release(image(3), "abcdef2").returncode == 0
    assert site.runs() == {image(3)}


def test_a_first_release_that_fails_says_that_there_is_none_before_it(site: Site) -> None:
    site.broken.touch()
    failed = site.release(image(1), COMMIT)
    assert failed.returncode == 1 and "there is none to go back to" in failed.stderr
    assert not site.kept


def test_going_back_goes_one_further_each_time_and_to_any_that_is_kept(site: Site) -> None:
    keys: list[str] = []
    for number in (1, 2, 3):
        done = site.release(image(number), f"abcdef{number}")
        assert done.returncode == 0, done.stderr
        keys += [key for key in site.kept if key not in keys]
    for number in (2, 1):
        assert site.release("--previous").returncode == 0
        assert site.runs() == {image(number)} and site.records["current"] == keys[number - 1]
    nothing = site.release("--previous")
    assert nothing.returncode == 1 and "no release is kept that is older" in nothing.stderr
    assert site.release("--to", keys[2]).returncode == 0
    assert site.runs() == {image(3)}
    listed = site.release("--list").stdout.splitlines()
    assert listed == [keys[0], keys[1], f"{keys[2]}  (now)"]
    unknown = site.release("--to", "20200101-000000-abcdef9")
    assert unknown.returncode == 1 and "no release 20200101-000000-abcdef9 is kept" in unknown.stderr


def test_ten_releases_are_kept(site: Site) -> None:
    site.keep({f"202601{day:02d}-000000-abcdef0": "kind: None\n" for day in range(1, 11)})
    assert site.release(image(1), COMMIT).returncode == 0
    assert len(site.kept) == 10
    assert site.kept[0].startswith("20260102") and site.kept[-1].endswith(COMMIT)


def test_what_is_wrong_with_the_request_is_said_before_anything_is_changed(site: Site) -> None:
    start = len(site.cluster.calls())
    for words, environment, told in (
        ((image(1), COMMIT), "production", "kubectl points at staging, not at production"),
        ((f"{REPOSITORY}:latest", COMMIT), "staging", "is no image by digest"),
        ((image(1), "main"), "staging", "'main' is no commit"),
        ((image(1),), "staging", "is no commit"),
    ):
        refused = site.release(*words, environment=environment)
        assert refused.returncode == 1 and told in refused.stderr, refused.stderr
        assert "What to do:" in refused.stderr
    assert site.release(image(1), COMMIT, environment="here").returncode == 2
    assert not [one for one in site.cluster.calls(start) if one["verb"] in ("create", "patch", "update", "delete")]
