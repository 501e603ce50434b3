"""The stage: everything of the cluster that can run on this machine, joined by the manifests of `k8s/`.

Real are PostgreSQL, the Prefect server, the worker, every flow run, dbt and DuckDB. Ours are the Kubernetes API, which
runs pods as processes, and the sandbox, which is the world outside.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from sandbox.sandbox import Sandbox
from tests.kubernetes.containerfile import DOCKERFILE, stages
from tests.kubernetes.fakekube import processes
from tests.kubernetes.fakekube.client import Cluster
from tests.kubernetes.stage_manifests import NAMESPACE, ROOT, Manifests
from tests.kubernetes.stage_postgres import Postgres
from tests.kubernetes.stage_prefect import AUTH, LONG, PrefectServer
from tests.kubernetes.stage_processes import Process, free_port, plain_environment, run, wait_for
from tests.kubernetes.stage_warehouse import Warehouse

REPOSITORY = "us-docker.pkg.dev/mg-dw-workbench-staging/images/mg-dw"
IMAGE = f"{REPOSITORY}@sha256:{'5' * 64}"
_SCALE = 0.1
"""About 5,000 rows."""
_ENVIRONMENT = "flow-run-environment"
_ELSEWHERE = ("PREFECT_DEFAULT_RESULT_STORAGE_BLOCK", "MGDW_GCP_PROJECT", "MGDW_GCP_LOCATION")
"""Settings of the overlay that name what is in Google Cloud."""
_BIN = ROOT / ".venv" / "bin"


class Stage:
    """Use as `with Stage(folder) as stage:`.

    Attributes:
        sandbox: Salesforce, NetSuite, Zuora, S3, Tableau, Slack.
        server: the Prefect server, and its API as `api`.
        cluster: the Kubernetes API with its nodes.
        worker: the process of the Deployment `prefect-worker`, under its service account.
    """

    sandbox: Sandbox
    server: PrefectServer
    cluster: Cluster
    worker: Process

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = folder / "shared"
        self.shared.mkdir()
        self._manifests = Manifests()
        self._stack = ExitStack()

    @property
    def api(self) -> Any:
        """The Prefect server's API."""
        return self.server.api

    def __enter__(self) -> Stage:
        with ExitStack() as stack:
            self.sandbox = stack.enter_context(Sandbox(scale=_SCALE))
            postgres = stack.enter_context(Postgres(self.folder))
            self.server = PrefectServer(self.folder, postgres, self._manifests.settings("prefect-server"))
            stack.callback(self.server.stop)
            self.server.process.start()
            self._parse_project()
            self.server.wait()
            self.cluster = stack.enter_context(self._new_cluster())
            self.cluster.create(_secret("prefect-api-auth", {"auth-string": AUTH}))
            self.use(Warehouse(self.shared / "none"))
            self.deploy()
            self.worker = self._new_worker()
            stack.callback(self.worker.stop)
            self.start_worker()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def use(self, warehouse: Warehouse, **settings: str) -> None:
        """Let pods that start from now on work on this warehouse, with these further settings."""
        warehouse.home.mkdir(exist_ok=True)
        data = {**self.flow_settings(warehouse), **settings}
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{_ENVIRONMENT}"
        found = self.cluster.request("GET", path).raise_for_status().json()
        self.cluster.request("PUT", path, {**found, "data": data}).raise_for_status()

    def flow_settings(self, warehouse: Warehouse) -> dict[str, str]:
        """The ConfigMap of `k8s/`, with this machine's places in it."""
        declared = {n: v for n, v in self._manifests.settings(_ENVIRONMENT).items() if n not in _ELSEWHERE}
        here = {"MGDW_SECRETS": "environment", "MGDW_LEASE_SECONDS": "15"}
        return {**declared, **self.sandbox.environment(), **warehouse.environment(), **here}

    def client_settings(self) -> dict[str, str]:
        """What a person's terminal needs to reach the Prefect server."""
        return {
            "PREFECT_API_URL": self.server.url,
            "PREFECT_API_AUTH_STRING": AUTH,
            "PREFECT_HOME": str(self.folder / "terminal"),
        }

    def prefect(self, *words: str) -> str:
        """Run the command `prefect` in a person's terminal; returns what it printed. Raises RuntimeError."""
        return run([_BIN / "prefect", *words], {**plain_environment(), **self.client_settings()}, ROOT, LONG)

    def mgdw(self, warehouse: Warehouse, *words: str) -> str:
        """Run the command `mgdw` beside the cluster, on the same warehouse. Raises RuntimeError with its output."""
        settings = {**self.flow_settings(warehouse), **self.client_settings()}
        return run([_BIN / "mgdw", *words], {**plain_environment(), **settings, "COLUMNS": "1000"}, ROOT, LONG)

    def deploy(self, *options: str) -> str:
        """Run the Job of `k8s/jobs/deploy.yaml` with these options in the place of its own. Returns what it printed."""
        text = (ROOT / "k8s" / "jobs" / "deploy.yaml").read_text().replace("IMAGE", IMAGE)
        body = yaml.safe_load(text.replace("http://prefect-server:4200/api", self.server.url))
        body["spec"]["template"]["spec"]["containers"][0]["args"] = ["mgdw", "deploy", "--image", IMAGE, *options]
        job = self.cluster.create(body)["metadata"]["name"]
        selector = f"batch.kubernetes.io/job-name={job}"
        self.cluster.wait_for(lambda one: _is_over(one, job), LONG, "the end of the deploy Job")
        printed = self.cluster.logs(self.cluster.pods(selector)[-1])
        if not _is_over(self.cluster, job, "Complete"):
            raise RuntimeError(f"the deploy Job failed:\n{printed}")
        return printed

    def start_worker(self) -> None:
        """Start the worker, and wait until its health says that it asks for work."""
        self.worker.start()
        health = f"http://127.0.0.1:{self.worker.environment['PREFECT_WORKER_WEBSERVER_PORT']}/health"
        self.worker.wait_until(lambda: _answers(health), LONG)

    def pod(self, flow_run: str, seconds: float = LONG) -> dict[str, Any]:
        """The newest pod of a flow run that runs a process."""

        def look(cluster: Cluster) -> dict[str, Any] | None:
            pods = sorted(
                cluster.pods(f"prefect.io/flow-run-id={flow_run}"), key=lambda one: one["metadata"]["creationTimestamp"]
            )
            return pods[-1] if pods and pods[-1]["status"].get("phase") == "Running" else None

        return self.cluster.wait_for(look, seconds, f"a running pod of {flow_run}")

    def processes(self) -> list[int]:
        """Pids of everything that pods have started and that still lives."""
        return processes.marked(processes.CLUSTER, str(self.cluster.data))

    @contextmanager
    def scene(self, warehouse: Warehouse, **settings: str) -> Iterator[None]:
        """One scenario on a warehouse: nothing is left of it for the next one, and it ends clean by itself."""
        self._forget_incidents()
        self.sandbox.slack.messages.clear()
        self.use(warehouse, **settings)
        try:
            yield
            self._assert_quiet()
        finally:
            self._clean()

    @contextmanager
    def job_variables(self, deployment: str, **variables: Any) -> Iterator[None]:
        """A deployment whose runs get other job variables while the block runs."""
        found = self.api.get(f"/deployments/name/{deployment}")
        path, declared = f"/deployments/{found['id']}", found["job_variables"]
        self.api.patch(path, job_variables={**declared, **variables})
        try:
            yield
        finally:
            self.api.patch(path, job_variables=declared)

    @contextmanager
    def no_room(self) -> Iterator[None]:
        """Pods that are made while the block runs wait for a node, and get one at its end."""
        nodes = self.cluster.request("GET", "/api/v1/nodes").raise_for_status().json()["items"]
        paths = [f"/api/v1/nodes/{node['metadata']['name']}" for node in nodes]
        try:
            for path in paths:
                self.cluster.patch(path, {"spec": {"unschedulable": True}})
            yield
        finally:
            for path in paths:
                self.cluster.patch(path, {"spec": {"unschedulable": None}})

    @contextmanager
    def automation(self, name: str, *, within: float) -> Iterator[None]:
        """An automation that waits so many seconds instead of minutes while the block runs."""
        [(automation, declared)] = [one for one in self._automations() if one[1]["name"] == name]
        self.api.put(f"/automations/{automation}", **declared | {"trigger": {**declared["trigger"], "within": within}})
        try:
            yield
        finally:
            self.api.put(f"/automations/{automation}", **declared)

    def slack(self, count: int) -> list[str]:
        """What Slack was told, when it is so many messages."""
        workspace = self.sandbox.slack
        return wait_for(f"{count} messages", lambda: len(workspace.texts) >= count and workspace.texts, LONG)

    def wait_for_no_process(self) -> None:
        """Until nothing lives that a pod has started."""
        wait_for("end of the pods' processes", lambda: not self.processes(), LONG)

    def wait_for_succeeded_jobs(self, selector: str = "prefect.io/flow-run-id") -> list[dict[str, Any]]:
        """The Jobs with such labels when each has succeeded: a run is Completed before its pod has ended."""

        def look() -> list[dict[str, Any]] | None:
            jobs = self.cluster.jobs(selector)
            return jobs if {job["status"].get("succeeded") for job in jobs} == {1} else None

        return wait_for("success of the Jobs", look, LONG)

    def _automations(self) -> list[tuple[str, dict[str, Any]]]:
        fields = ("name", "description", "enabled", "tags", "trigger", "actions")
        return [(one["id"], {field: one[field] for field in fields}) for one in self.api.post("/automations/filter")]

    def _forget_incidents(self) -> None:
        """A deployment whose last run failed in one scene is not told to run well again in the next: what an automation
        has seen belongs to its trigger's id."""
        for automation, declared in self._automations():
            trigger = {key: value for key, value in declared["trigger"].items() if key != "id"}
            self.api.put(f"/automations/{automation}", **declared | {"trigger": trigger})

    def _assert_quiet(self) -> None:
        assert [(run["name"], run["state_name"]) for run in self._unfinished()] == []
        self.wait_for_no_process()

    def _unfinished(self) -> list[dict[str, Any]]:
        states = ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED"]
        return self.api.runs(state={"type": {"any_": states}})

    def _cancel_all(self) -> bool:
        """True when there was none: the server may be about to cancel the children of one that we have cancelled."""
        unfinished = self._unfinished()
        for flow_run in unfinished:
            self.api.post(f"/flow_runs/{flow_run['id']}/set_state", state={"type": "CANCELLED"}, force=True)
        return not unfinished

    def _clean(self) -> None:
        for faults in self.sandbox.faults.values():
            faults.clear()
        wait_for("end of all runs", self._cancel_all, LONG, every=1)
        for job in self.cluster.jobs():
            self.cluster.delete(f"jobs/{job['metadata']['name']}", policy="Background")
        processes.kill(processes.CLUSTER, str(self.cluster.data))

    def _new_cluster(self) -> Cluster:
        manifests = self.folder / "manifests.yaml"
        manifests.write_text(self._manifests.text)
        image = {
            name: value for name, value in stages(DOCKERFILE.read_text())[-1].values("ENV").items() if name != "PATH"
        }
        return Cluster(
            self.folder / "cluster", [manifests], images=[IMAGE], image_environment=image, workdir=ROOT,
            mapped={"/app/dbt/target": self.folder / "manifest", "/app": ROOT, str(self.shared): self.shared},
        )  # fmt: skip

    def _parse_project(self) -> None:
        """What the image's build does: the manifest of the dbt project."""
        words = [_BIN / "dbt", "--quiet", "parse", "--project-dir", "dbt", "--profiles-dir", "dbt", "--target", "prod"]
        environment = {**plain_environment(), "DBT_LOG_PATH": str(self.folder / "dbt-logs")}
        run([*words, "--target-path", self.folder / "manifest"], environment, ROOT, LONG)

    def _new_worker(self) -> Process:
        [declared] = [one for one in self._manifests.objects if _is_workers(one)]
        arguments = declared["spec"]["template"]["spec"]["containers"][0]["args"]
        environment = {
            **plain_environment(),
            **self._manifests.settings("prefect-worker"),
            "PREFECT_API_URL": self.server.url,
            "PREFECT_API_AUTH_STRING": AUTH,
            "PREFECT_WORKER_WEBSERVER_PORT": str(free_port()),
            "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "HOME": str(self.folder / "worker-home"),
            "KUBECONFIG": str(self.cluster.kubeconfig(self.folder / "kubeconfig", "prefect-worker")),
        }
        words = [str(_BIN / "prefect"), *(str(word).replace("/app/", f"{ROOT}/") for word in arguments[1:])]
        return Process("prefect-worker", words, environment, self.folder)


def _secret(name: str, data: dict[str, str]) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}


def _is_workers(found: dict[str, Any]) -> bool:
    return found["kind"] == "Deployment" and found["metadata"]["name"] == "prefect-worker"


def _is_over(cluster: Cluster, job: str, *how: str) -> bool:
    [found] = [one for one in cluster.jobs() if one["metadata"]["name"] == job]
    conditions = [one["type"] for one in found["status"].get("conditions") or () if one["status"] == "True"]
    return any(kind in conditions for kind in how or ("Complete", "Failed"))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
