"""The image: what its Dockerfile says, and what happens when its steps are carried out in a folder (no engine here)."""

from __future__ import annotations

import base64
import compileall
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.kubernetes import containerfile
from tests.kubernetes.containerfile import DOCKERFILE, DOCKERIGNORE, ROOT, Built
from tests.kubernetes.stage_processes import Process, free_port

CHECKS = ROOT / ".checks" / "bin"
TEXT = DOCKERFILE.read_text()
BUILD, FINAL = containerfile.stages(TEXT)


def entrypoints() -> list[str]:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    return sorted({d["entrypoint"] for d in deployments})


IMPORT_ALL = """
import importlib, sys
for entrypoint in sys.argv[2:]:
    module, _, name = entrypoint.rpartition(".")
    found = importlib.import_module(module)
    assert found.__file__.startswith(sys.argv[1]), found.__file__
    assert callable(getattr(found, name))
"""


# What the files say


def test_a_linter_for_dockerfiles_finds_nothing() -> None:
    found = subprocess.run([CHECKS / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_a_security_scan_of_the_dockerfile_finds_nothing_grave() -> None:
    options = ("--quiet", "--skip-check-update", "--skip-version-check", "--severity", "MEDIUM,HIGH,CRITICAL")
    found = subprocess.run(
        [CHECKS / "trivy", "config", *options, "--exit-code", "1", DOCKERFILE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_both_stages_start_from_the_same_exact_python_of_the_version_the_lock_is_for() -> None:
    assert BUILD.image == FINAL.image
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", FINAL.image)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert wanted.startswith(">=3.11")
    assert FINAL.values("LABEL")["org.opencontainers.image.base.name"].endswith(FINAL.image)


def test_it_runs_as_a_user_without_rights_and_writes_below_tmp_only() -> None:
    assert FINAL.last("USER") == "1001:1001"
    environment = FINAL.values("ENV")
    written = ("HOME", "TMPDIR", "PREFECT_HOME", "DBT_LOG_PATH", "MGDW_DBT_TARGET_PATH")
    assert all(containerfile.is_below(environment[name], "/tmp") for name in written)


def test_packages_come_from_the_lock_with_hashes_and_are_compiled() -> None:
    (install,) = [i.rest for i in BUILD.instructions if i.word == "RUN" and "runtime.txt" in i.rest]
    assert "uv pip sync" in install
    assert "--require-hashes" in install
    assert "--compile-bytecode" in install


def test_the_final_stage_takes_two_folders_from_the_build_and_nothing_from_outside() -> None:
    copies = [i.rest for i in FINAL.instructions if i.word == "COPY"]
    assert copies == ["--from=build /opt/venv /opt/venv", "--from=build /app /app"]


def test_what_is_copied_is_sent_and_what_is_sent_is_copied() -> None:
    sources = [i.rest.split()[0] for i in BUILD.instructions if i.word == "COPY"]
    rules = containerfile.ignore_rules(DOCKERIGNORE.read_text())
    assert sorted(rule[1:] for rule in rules if rule.startswith("!")) == sorted(sources)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("connectors/errors.py", True),
        ("flows/cli.py", True),
        ("dbt/models/staging/x.sql", True),
        ("dbt/dbt_project.yml", True),
        ("k8s/work-pool/base-job-template.json", True),
        ("deployments/automations/late.yaml", True),
        ("locks/runtime.txt", True),
        ("prefect.yaml", True),
        (".git/config", False),
        (".venv/bin/python", False),
        (".demo/mgdw.duckdb", False),
        (".sandbox.env", False),
        ("dbt/target/manifest.json", False),
        ("dbt/logs/dbt.log", False),
        ("flows/__pycache__/cli.cpython-311.pyc", False),
        ("connectors/zuora/__pycache__/source.cpython-311.pyc", False),
        ("deployments/gcp/production.tfvars", False),
        ("k8s/overlays/production/kustomization.yaml", False),
        ("sandbox/__main__.py", False),
        ("tests/conftest.py", False),
    ],
)
def test_the_context_is_what_the_image_is_made_of(path: str, sent: bool) -> None:
    assert containerfile.is_sent(path, containerfile.ignore_rules(DOCKERIGNORE.read_text())) is sent


def test_a_build_trigger_names_this_file() -> None:
    assert "deployments/Dockerfile" in (ROOT / "deployments" / "gcp" / "build.tf").read_text()


# What was sent, with the packages of this environment


def test_what_is_sent_is_enough_to_import_every_flow(tmp_path: Path) -> None:
    app = sent(tmp_path)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PREFECT_HOME": str(tmp_path / "prefect")}
    subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(app), *entrypoints()],
        cwd=app,
        env={**environment, "PYTHONPATH": str(app)},
        check=True,
    )


def test_what_is_sent_is_enough_for_dbt_to_parse_without_a_warehouse(tmp_path: Path) -> None:
    app = sent(tmp_path)
    (step,) = [i.rest for i in BUILD.instructions if i.word == "RUN" and "parse" in i.rest]
    parse = next(part for part in step.split("&&") if "dbt --quiet" in part)
    here = Built(tmp_path, {}).moved(parse).replace(f"{tmp_path}/opt/venv", sys.prefix)
    subprocess.run(["/bin/sh", "-ec", here], cwd=app, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=True)
    manifest = json.loads((tmp_path / "build" / "target" / "manifest.json").read_text())
    assert manifest["metadata"]["adapter_type"] == "bigquery"
    assert any(node.startswith("model.mg_dw.fct_") for node in manifest["nodes"])


def sent(folder: Path) -> Path:
    """The context's files as the image's /app."""
    app = folder / "app"
    for name in containerfile.context():
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, app / name)
    return app


# The steps carried out: everything installed anew


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    """The image's files in a folder that nobody may write to but /tmp."""
    with tempfile.TemporaryDirectory(prefix="mg-dw-image-") as folder:
        image = containerfile.build(Path(folder), TEXT)
        for part in ("opt", "app", "base"):
            subprocess.run(["chmod", "-R", "a-w", Path(folder) / part], check=True)
        yield image
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)


@pytest.mark.slow
def test_the_command_starts_from_a_tree_that_cannot_be_written(built: Built) -> None:
    assert containerfile.command(FINAL)[0] == "mgdw"
    shown = built.run([built.moved("/opt/venv/bin/mgdw"), "--help"])
    assert shown.returncode == 0, shown.stderr
    assert "daily-refresh" in built.run([built.moved("/opt/venv/bin/mgdw"), "run", "--help"]).stdout


@pytest.mark.slow
def test_every_flow_is_imported_from_the_image_and_nothing_is_written_there(built: Built) -> None:
    before = files(built)
    python = built.moved("/opt/venv/bin/python")
    imported = built.run([python, "-c", IMPORT_ALL, built.moved("/app"), *entrypoints()])
    assert imported.returncode == 0, imported.stderr
    assert files(built) == before


@pytest.mark.slow
def test_all_modules_are_compiled_and_never_compared_with_their_source(built: Built) -> None:
    for top in (built.folder / "opt" / "venv" / "lib", built.folder / "app"):
        for source in top.rglob("*.py"):
            cached = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
            if cached.exists():
                assert int.from_bytes(cached.read_bytes()[4:8], "little") == 1, f"{cached} looks at its source"
            else:
                assert not compiles(source), f"{source} is not compiled"


@pytest.mark.slow
def test_the_manifest_is_in_the_image_and_no_build_tool_is(built: Built) -> None:
    manifest = Path(built.environment["MGDW_DBT_MANIFEST"])
    assert json.loads(manifest.read_text())["metadata"]["project_name"] == "mg_dw"
    assert not (built.folder / "opt" / "venv" / "bin" / "pip").exists()
    assert not (built.folder / "opt" / "venv" / "bin" / "uv").exists()


@pytest.mark.slow
def test_the_server_starts_from_it_with_the_cluster_s_settings(built: Built) -> None:
    lines = (ROOT / "k8s/base/prefect-server/prefect-server.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    settings = {name: built.moved(value.replace("/var/lib", "/tmp")) for name, value in settings.items()}
    port, password = free_port(), "admin:secret"
    server = Process(
        "prefect-server",
        [*containerfile.unprivileged(), built.moved("/opt/venv/bin/prefect"), "server", "start", "--port", str(port)],
        {**built.environment, **settings, "PREFECT_SERVER_API_AUTH_STRING": password},
        built.folder,
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        try:
            server.start()
            server.wait_until(lambda: answers(client, "/api/ready"), 600)
            assert answers(client, "/api/health")
            assert client.get("/api/admin/version").status_code == 401
            token = base64.b64encode(password.encode()).decode()
            assert client.get("/api/admin/version", headers={"Authorization": f"Basic {token}"}).status_code == 200
            assert client.get("/", follow_redirects=True).headers["content-type"].startswith("text/html")
        finally:
            server.stop()
    assert "Read-only" not in server.log.read_text()
    assert "Permission denied" not in server.log.read_text()


def answers(client: httpx.Client, path: str) -> bool:
    """Whether a path is answered with 200."""
    try:
        return client.get(path).status_code == 200
    except httpx.HTTPError:
        return False


def files(image: Built) -> dict[str, tuple[int, int]]:
    """Each file of the image with its size and time of change (ns)."""
    tops = (image.folder / "opt", image.folder / "app")
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for top in tops
        for path in top.rglob("*")
        if path.is_file()
    }


def compiles(source: Path) -> bool:
    """Whether Python can compile it at all: some packages ship templates and files for other versions."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / source.name
        shutil.copyfile(source, copy)
        return bool(compileall.compile_file(copy, quiet=2))
