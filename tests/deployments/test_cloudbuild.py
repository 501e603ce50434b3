"""The three builds: only fields that Cloud Build knows, only names that exist, only what their accounts may do."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployments.configuration import ROOT, Configuration

NAMES = ("test", "pipeline", "dbt")
ACCOUNTS = {"test": "cloud-build-test", "pipeline": "cloud-build", "dbt": "dbt-runner"}
BUILT_IN = {"PROJECT_ID", "BUILD_ID", "COMMIT_SHA", "SHORT_SHA"}
"""Those of Cloud Build's own substitutions that are used (cloud.google.com/build/docs/configuring-builds)."""
CLOUD_CLI = "gcr.io/google.com/cloudsdktool/google-cloud-cli:541.0.0"


def _path(name: str) -> Path:
    return ROOT / "deployments" / f"cloudbuild-{name}.yaml"


def _build(name: str) -> dict[str, Any]:
    return yaml.safe_load(_path(name).read_text())


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """Of the API itself: Google's discovery document of Cloud Build v1, which google-api-python-client carries."""
    document = files("googleapiclient") / "discovery_cache" / "documents" / "cloudbuild.v1.json"
    return json.loads(document.read_text())["schemas"]


@pytest.fixture(scope="module")
def configuration() -> Configuration:
    return Configuration.here()


def _problems(value: Any, schema: dict[str, Any], schemas: dict[str, Any], where: str) -> Iterator[str]:
    """What the API would refuse."""
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    if schema.get("readOnly"):
        yield f"{where}: is Cloud Build's to set"
    elif schema["type"] == "object":
        if not isinstance(value, dict):
            yield f"{where}: no mapping"
            return
        for key, inner in value.items():
            known = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
            if known is None:
                yield f"{where}.{key}: no such field"
            else:
                yield from _problems(inner, known, schemas, f"{where}.{key}")
    elif schema["type"] == "array":
        if not isinstance(value, list):
            yield f"{where}: no list"
            return
        for number, inner in enumerate(value):
            yield from _problems(inner, schema["items"], schemas, f"{where}[{number}]")
    elif not isinstance(value, {"string": str, "boolean": bool, "integer": int}[schema["type"]]):
        yield f"{where}: {value!r} is no {schema['type']}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {', '.join(schema['enum'])}"
    elif schema.get("format") == "google-duration" and not re.fullmatch(r"\d+(\.\d+)?s", value):
        yield f"{where}: {value!r} is no duration"


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_one_that_cloud_build_knows(name: str, schemas: dict[str, Any]) -> None:
    assert list(_problems(_build(name), schemas["Build"], schemas, "build")) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"step": []}, "build.step: no such field"),
        ({"timeout": "1h"}, "build.timeout: '1h' is no duration"),
        ({"status": "SUCCESS"}, "build.status: is Cloud Build's to set"),
        ({"options": {"logging": "CLOUD"}}, "build.options.logging: 'CLOUD' is none of"),
        ({"steps": [{"name": "a", "scripts": "b"}]}, "build.steps[0].scripts: no such field"),
        ({"steps": [{"name": "a", "args": "b"}]}, "build.steps[0].args: no list"),
    ],
)
def test_a_slip_in_a_field_is_found(change: dict[str, Any], problem: str, schemas: dict[str, Any]) -> None:
    build = copy.deepcopy(_build("pipeline")) | change
    assert any(p.startswith(problem) for p in _problems(build, schemas["Build"], schemas, "build"))


def _scripts(name: str) -> dict[str, str]:
    return {step["id"]: step["script"] for step in _build(name)["steps"] if "script" in step}


@pytest.mark.parametrize("name", NAMES)
def test_every_step_has_a_name_of_its_own_and_runs_a_script_or_arguments(name: str) -> None:
    steps = _build(name)["steps"]
    assert len({step["id"] for step in steps}) == len(steps)
    for step in steps:
        assert ("script" in step) != ("args" in step), "Cloud Build takes one or the other"
        assert not ("script" in step and "entrypoint" in step)


@pytest.mark.parametrize("name", NAMES)
def test_every_script_is_bash_that_stops_at_the_first_failure(name: str) -> None:
    for step, script in _scripts(name).items():
        assert script.startswith("#!/bin/bash\nset -euo pipefail\n"), step
        checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), step


@pytest.mark.parametrize("script", ["release.sh", "dbt-build.sh"])
def test_the_scripts_beside_them_can_be_run(script: str) -> None:
    path = ROOT / "deployments" / script
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_substitution_is_built_in_or_given_by_the_trigger(name: str, configuration: Configuration) -> None:
    """One that is not would be an empty text: builds of a trigger are never told of it."""
    given = set(configuration.locals()["substitutions"]) if name != "test" else set[str]()
    text = "\n".join(line for line in _path(name).read_text().splitlines() if not line.lstrip().startswith("#"))
    used = set(re.findall(r"\$\{?(_?[A-Z][A-Z_]+)\b", text))
    assert used <= given | BUILT_IN
    if _scripts(name) and used:
        assert _build(name)["options"]["automapSubstitutions"] is True, "else a script would find nothing"


def test_every_substitution_of_the_triggers_is_used(configuration: Configuration) -> None:
    text = "".join(_path(name).read_text() for name in NAMES)
    assert [name for name in configuration.locals()["substitutions"] if name not in text] == []


@pytest.mark.parametrize("name", NAMES)
def test_builds_log_to_cloud_logging_only_which_their_accounts_require(name: str, configuration: Configuration) -> None:
    build = _build(name)
    assert build["options"]["logging"] == "CLOUD_LOGGING_ONLY"
    assert "logsBucket" not in build
    assert "serviceAccount" not in build, "it is the trigger's"
    assert "roles/logging.logWriter" in configuration.locals()["accounts"][ACCOUNTS[name]]["project"]


def _paths_used(name: str) -> set[str]:
    """Files and folders of this repository that the build names, the image's content with them."""
    text = "\n".join(line.partition(" #")[0] for line in _path(name).read_text().splitlines() if line[:1] != "#")
    words = set(re.findall(r"[\w./-]+", re.sub(r"^ +#.*$", "", text, flags=re.MULTILINE)))
    if name == "pipeline":
        dockerfile = (ROOT / "deployments" / "Dockerfile").read_text()
        for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
            words |= set(copied.split())
        words |= {".dockerignore", "k8s/overlays", "k8s/jobs"}  # docker's, and release.sh's
    words = {word for word in words if ("/" in word or word in ("dbt", ".dockerignore")) and (ROOT / word).exists()}
    return {word for word in words if not Path(word).is_absolute() and word not in (".", "./")}


@pytest.mark.parametrize("name", ["pipeline", "dbt"])
def test_a_change_of_anything_that_a_build_uses_starts_it(name: str, configuration: Configuration) -> None:
    included = configuration.locals()["builds"][name]["files"]
    used = _paths_used(name)
    assert len(used) >= 2
    for path in used | {f"deployments/cloudbuild-{name}.yaml"}:
        within = [f for f in included if path == f or (f.endswith("/**") and f"{path}/".startswith(f[:-2]))]
        assert within or any(f.startswith(f"{path}/") for f in included), f"{path} starts no build"
    for pattern in included:
        assert (ROOT / pattern.removesuffix("/**")).exists(), f"{pattern} is nothing"


def test_the_tests_run_on_the_images_own_base() -> None:
    bases = set(re.findall(r"^FROM (\S+)", (ROOT / "deployments" / "Dockerfile").read_text(), re.MULTILINE))
    assert bases == {step["name"] for step in _build("test")["steps"]}


def test_tools_of_google_have_one_version_that_knows_the_dns_endpoint() -> None:
    names = {step["name"] for name in NAMES for step in _build(name)["steps"] if "cloud-cli" in step["name"]}
    assert names == {CLOUD_CLI}
    release = _scripts("pipeline")["release"]
    assert 'get-credentials "$_CLUSTER" --location "$_REGION" --dns-endpoint' in release


def test_what_is_deployed_is_the_digest_that_was_pushed() -> None:
    scripts = _scripts("pipeline")
    assert '"$_IMAGES/mg-dw@${digest:?' in scripts["build"]
    assert 'deployments/release.sh "$_ENVIRONMENT" "$(cat image)" "$COMMIT_SHA"' in scripts["release"]


def test_the_digest_is_found_in_what_docker_writes(tmp_path: Path) -> None:
    """buildx writes this file (docs.docker.com/reference/cli/docker/buildx/build, --metadata-file)."""
    digest = "sha256:" + "1a" * 32
    content = {"buildx.build.ref": "b/b0/x", "containerimage.config.digest": "sha256:" + "2" * 64}
    content |= {"containerimage.digest": digest, "image.name": "r/mg-dw:1"}
    (tmp_path / "build.json").write_text(json.dumps(content, indent=2))
    (line,) = [line for line in _scripts("pipeline")["build"].splitlines() if line.startswith("digest=")]
    found = subprocess.run(
        ["bash", "-c", f"{line}; echo $digest"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == digest


def test_each_account_may_do_what_its_steps_do_and_tests_may_do_nothing(configuration: Configuration) -> None:
    found = configuration.locals()
    text = {name: _path(name).read_text() for name in NAMES}
    # images
    assert found["image_roles"]["cloud-build"] == "roles/artifactregistry.writer"
    assert found["image_roles"]["dbt-runner"] == "roles/artifactregistry.reader"
    # secrets: only the password of Prefect's API, and only where it is read
    secrets = re.findall(r"secrets versions access \S+ --secret (\S+)", "".join(text.values()))
    assert secrets == ["prefect-server-api-auth-string"]
    assert "secrets versions access" in text["pipeline"]
    assert "cloud-build" in found["secrets"]["prefect-server-api-auth-string"]["used_by"]
    # artifacts
    assert found["bucket_writers"]["artifacts/dbt-runner"] == {"bucket": "artifacts", "account": "dbt-runner"}
    assert "_ARTIFACTS" not in text["pipeline"]
    # a pull request reaches nothing
    assert not re.search(r"gcloud|docker|kubectl|\$_", text["test"])
