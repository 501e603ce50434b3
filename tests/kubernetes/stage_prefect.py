"""A real Prefect server on PostgreSQL, its REST API as a test asks it, and what it wrote about every request."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.kubernetes.stage_postgres import Postgres
from tests.kubernetes.stage_processes import Process, free_port, plain_environment, wait_for

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
LONG = 900.0
"""Seconds within which anything happens, on two cores that others use, too."""
_START_SECONDS = 600.0
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OURS = "asked-by=test"
"""Marks a test's own questions in the access log."""
_POLLING = ("get_scheduled_flow_runs", "/workers/heartbeat", "/api/health", "/api/work_pools/mg-dw ", "/api/ready")
"""What a worker asks all the time, whether or not anything runs."""
AUTH = "mg-dw:a password of the stage"
_SETTINGS = {
    "PREFECT_SERVER_LOGGING_LEVEL": "INFO",
    "PREFECT_SERVER_UI_ENABLED": "false",
    # Two cores do here what many do in the cluster.
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    # No schedule of prefect.yaml may come due in the middle of a test.
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    # What takes minutes in the cluster takes seconds here.
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "2",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "5",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "2",
    # 300 s in the cluster. A pod has to start and renew it within that time, else its run ends.
    "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "60",
}


class PrefectServer:
    """`prefect server start` on a PostgreSQL; it keeps its port when it is restarted.

    Args:
        folder: for its log and its volume.
        settings: the ConfigMap `prefect-server`.
    """

    def __init__(self, folder: Path, postgres: Postgres, settings: Mapping[str, str]) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/api"
        environment = {
            **plain_environment(),
            **settings,
            **_SETTINGS,
            "PREFECT_HOME": str(folder / "server"),
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder / "server-ui"),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url,
            "PREFECT_SERVER_API_AUTH_STRING": AUTH,
        }
        self._slots = folder / "server" / "concurrency_leases"
        prefect = Path(sys.executable).parent / "prefect"
        command = [prefect, "server", "start", "--host", "127.0.0.1", "--port", str(self._port)]
        self.process = Process("prefect-server", command, environment, folder)
        self.api = Api(self.url)

    def start(self) -> None:
        """Start and wait until it serves; the first start migrates the database."""
        self.process.start()
        self.wait()

    def wait(self) -> None:
        """Wait until it serves. Raises RuntimeError with its log when it does not come up."""
        self.process.wait_until(self.api.is_healthy, _START_SECONDS)

    def stop(self) -> None:
        """Stop it."""
        self.process.stop()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stopped while the block runs; it serves again at its end."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def lose_slots(self) -> None:
        """Let nobody hold a slot of a concurrency limit, while it is stopped. Raises FileNotFoundError."""
        shutil.rmtree(self._slots)

    def requests_since(self, mark: int) -> Counter[str]:
        """Requests by method and path since `mark()`, ids as `{id}`, without a worker's polling and our questions."""
        with self.process.log.open("rb") as log:
            log.seek(mark)
            records = [json.loads(line) for line in log if line.startswith(b'{"name":"uvicorn.access"')]
        asked = (f"{method} {path}" for _, method, path, *_ in (one["args"] for one in records))
        kept = (_UUID.sub("{id}", one) for one in asked if _OURS not in one)
        return Counter(one for one in kept if not any(polling in f"{one} " for polling in _POLLING))

    def mark(self) -> int:
        """A place in the access log."""
        return self.process.log.stat().st_size


class Api:
    """The REST API, as a person's scripts would use it. Waits survive a restart of the server."""

    def __init__(self, url: str) -> None:
        user, _, password = AUTH.partition(":")
        self._client = httpx.Client(base_url=url, timeout=30, params={"asked-by": "test"}, auth=(user, password))

    def is_healthy(self) -> bool:
        """True when the server answers."""
        try:
            return self._client.get("/health", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def get(self, path: str, **query: str) -> Any:
        """GET. Raises HTTPStatusError."""
        return self._client.get(path, params=query).raise_for_status().json()

    def post(self, path: str, **payload: Any) -> Any:
        """POST a JSON object. Raises HTTPStatusError."""
        answer = self._client.post(path, json=payload).raise_for_status()
        return answer.json() if answer.content else None

    def put(self, path: str, **payload: Any) -> None:
        """PUT a JSON object. Raises HTTPStatusError."""
        self._client.put(path, json=payload).raise_for_status()

    def patch(self, path: str, **payload: Any) -> None:
        """PATCH with a JSON object. Raises HTTPStatusError."""
        self._client.patch(path, json=payload).raise_for_status()

    def start_run(self, deployment: str, **parameters: Any) -> str:
        """Start `flow/deployment` now. Returns the id of its flow run."""
        found = self.get(f"/deployments/name/{deployment}")
        return self.post(f"/deployments/{found['id']}/create_flow_run", parameters=parameters)["id"]

    def run(self, flow_run: str) -> dict[str, Any]:
        """The flow run now."""
        return self.get(f"/flow_runs/{flow_run}")

    def cancel(self, flow_run: str) -> None:
        """Ask for a run's end, as the button of the UI does."""
        self.post(f"/flow_runs/{flow_run}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})

    def retry(self, flow_run: str) -> None:
        """Let a run that has ended begin again, as the button of the UI does."""
        self.post(f"/flow_runs/{flow_run}/set_state", state={"type": "SCHEDULED", "name": "AwaitingRetry"}, force=True)

    def runs(self, **by: Any) -> list[dict[str, Any]]:
        """Flow runs by a filter of the API, oldest first."""
        found = self.post("/flow_runs/filter", flow_runs=by or None, sort="EXPECTED_START_TIME_ASC")
        return sorted(found, key=lambda run: run["created"])

    def children(self, parent: str) -> dict[str, list[dict[str, Any]]]:
        """The runs that a run started, by flow name."""
        found: dict[str, list[dict[str, Any]]] = {}
        for run in self.runs(parent_flow_run_id={"any_": [parent]}):
            found.setdefault(self.flow_name(run["flow_id"]), []).append(run)
        return found

    def flow_name(self, flow_id: str) -> str:
        """The name of a flow."""
        return self.get(f"/flows/{flow_id}")["name"]

    def states(self, flow_run: str) -> list[str]:
        """Names of all states that a run went through."""
        return [one["name"] for one in self.get("/flow_run_states/", flow_run_id=flow_run)]

    def logs(self, flow_run: str) -> str:
        """What a run wrote to its log."""
        found = self.post("/logs/filter", logs={"flow_run_id": {"any_": [flow_run]}}, sort="TIMESTAMP_ASC")
        return "\n".join(one["message"] for one in found)

    def renew_slot(self, flow_run: str, *, seconds: float) -> None:
        """Renew a running run's slot of its deployment's limit. Raises HTTPStatusError (410) when it has lost it."""
        lease = self.run(flow_run)["state"]["state_details"]["deployment_concurrency_lease_id"]
        self.post(f"/v2/concurrency_limits/leases/{lease}/renew", lease_duration=seconds)

    def artifacts(self, *flow_runs: str) -> list[str]:
        """Keys of what these runs wrote for people."""
        return [one["key"] for one in self.post("/artifacts/filter", artifacts={"flow_run_id": {"any_": flow_runs}})]

    def wait(self, flow_run: str, *states: str, seconds: float = LONG) -> dict[str, Any]:
        """The run, when it is in one of the states (types, default: the final ones)."""
        wanted = states or FINAL

        def look() -> dict[str, Any] | None:
            try:
                run = self.run(flow_run)
            except (httpx.TransportError, httpx.HTTPStatusError):
                return None
            return run if run["state_type"] in wanted else None

        try:
            return wait_for("", look, seconds)
        except TimeoutError:
            run = self.run(flow_run)
            message = f"{run['name']} is {run['state_name']} after {seconds:.0f} s, not {', '.join(wanted)}"
            raise TimeoutError(
                f"{message}; its states: {self.states(flow_run)}; its log:\n{self.logs(flow_run)}"
            ) from None

    def wait_child(self, parent: str, flow: str, *states: str) -> None:
        """Until the run of `flow` that a run has started is in one of the states (types); RUNNING by default."""

        def look() -> str | None:
            runs = self.children(parent).get(flow)
            return runs[-1]["id"] if runs else None

        self.wait(wait_for(f"run of {flow}", look, LONG), *(states or ("RUNNING",)))

    def wait_state_name(self, flow_run: str, name: str, seconds: float = LONG) -> None:
        """Until the run's state has this name."""
        wait_for(f"{name}", lambda: self.run(flow_run)["state_name"] == name, seconds)

    def wait_run_count(self, flow_run: str, count: int, seconds: float = LONG) -> None:
        """Until the run has begun so many times."""
        wait_for(f"start {count} of the run", lambda: self.run(flow_run)["run_count"] >= count, seconds)
