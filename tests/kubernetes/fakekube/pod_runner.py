"""What a kubelet does with one pod: pulls, starts, restarts, ends and reports."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

from tests.kubernetes.fakekube import conditions, deletion, environment, pod_status, processes, resources
from tests.kubernetes.fakekube.container import Command, Log, Run
from tests.kubernetes.fakekube.events import record
from tests.kubernetes.fakekube.node_settings import NodeSettings
from tests.kubernetes.fakekube.store import Object, Store, key_of, same, stamp


class PodRunner:
    """One pod on its node, from being assigned to being gone."""

    def __init__(self, store: Store, pod: Object, settings: NodeSettings) -> None:
        self._store = store
        self._pod = pod
        self._settings = settings
        self.uid: str = pod["metadata"]["uid"]
        self.folder = settings.data / "pods" / self.uid
        self.lost = False
        """The node is away: nothing is reported any more."""
        self.runs: dict[str, Run] = {}
        self._waiting: dict[str, dict[str, Any]] = {}
        self._last: dict[str, dict[str, Any]] = {}
        self._previous_logs: dict[str, Log] = {}
        self._restarts: dict[str, int] = {}
        self._initialized = False
        self._stopping: asyncio.Event = asyncio.Event()
        self._deadline: float | None = None
        self._deadline_changed = asyncio.Event()
        self.configuration_changed = asyncio.Event()
        self._volumes: dict[str, Path] = {}
        self._ended_because: tuple[str, str] | None = None

    # What others ask for

    def terminate(self, grace: float) -> None:
        """SIGTERM now, SIGKILL after `grace` seconds; a later call may only shorten that."""
        due = asyncio.get_running_loop().time() + grace
        if self._deadline is None or due < self._deadline:
            self._deadline = due
            self._deadline_changed.set()
        if not self._stopping.is_set():
            self._stopping.set()
            for run in self.runs.values():
                run.terminate()

    def shut_down(self, grace: float) -> None:
        """The node goes down: end within `grace` seconds, and have failed, whatever the process says."""
        message = "Pod was terminated in response to imminent node shutdown."
        self._ended_because = ("Terminated", message)
        if (present := self._present()) is not None:
            marked = conditions.put(present, "DisruptionTarget", "True", "TerminationByKubelet", message)
            self._store.update(resources.PODS, marked)
        self.terminate(min(grace, self._pod["spec"]["terminationGracePeriodSeconds"]))

    def kill(self) -> None:
        """SIGKILL to every process of the pod, with nothing said before."""
        processes.kill(processes.POD, self.uid)

    def log(self, container: str, *, previous: bool) -> Log | None:
        if previous:
            return self._previous_logs.get(container)
        run = self.runs.get(container)
        return run.log if run else None

    # Its life

    async def run(self) -> None:
        """Raises nothing of the pod's own: what goes wrong with it stands in its status."""
        spec = self._pod["spec"]
        self.folder.mkdir(parents=True, exist_ok=True)
        watchdog = asyncio.create_task(self._enforce_deadline())
        alarm = self._own_deadline(spec.get("activeDeadlineSeconds"))
        try:
            for one in [*(spec.get("initContainers") or ()), *spec["containers"]]:
                self._waiting[one["name"]] = {"waiting": {"reason": "PodInitializing"}}
            if await self._initialize(spec):
                self._initialized = True
                sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
                helping = [asyncio.create_task(self._keep(one, "Always")) for one in sidecars]
                await asyncio.gather(*(self._keep(one, spec["restartPolicy"]) for one in spec["containers"]))
                if sidecars:
                    self.terminate(spec["terminationGracePeriodSeconds"])
                    await asyncio.gather(*helping)
            self._report(ended=True)
            if not self.lost and "deletionTimestamp" in (self._present() or self._pod)["metadata"]:
                deletion.delete(self._store, resources.PODS, self._pod, {"gracePeriodSeconds": 0})
        finally:
            watchdog.cancel()
            if alarm is not None:
                alarm.cancel()

    def _own_deadline(self, seconds: int | None) -> asyncio.TimerHandle | None:
        def over() -> None:
            self._ended_because = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
            self.terminate(self._pod["spec"]["terminationGracePeriodSeconds"])

        return None if seconds is None else asyncio.get_running_loop().call_later(seconds, over)

    async def _initialize(self, spec: dict[str, Any]) -> bool:
        for one in spec.get("initContainers") or ():
            if one.get("restartPolicy") == "Always":
                continue
            await self._keep(one, "Never" if spec["restartPolicy"] == "Never" else "OnFailure")
            ended = self._state(one["name"]).get("terminated", {"exitCode": 1})
            if ended["exitCode"] != 0:
                return False
        return True

    async def _keep(self, container: dict[str, Any], policy: str) -> None:
        """Run a container, again and again where the policy says so."""
        name, back_off = container["name"], self._settings.restart_back_off
        while not self._stopping.is_set():
            command = await self._prepare(container)
            if command is None:
                return
            restarts = self._restarts.get(name, 0)
            run = self.runs[name] = Run(str(uuid.uuid4()), Log(self.folder / f"{name}.{restarts}.log"))
            run.log.path.touch()
            await run.start(command)
            self._waiting.pop(name, None)
            record(self._store, self._pod, "Started", f"Started container {name}", by="kubelet")
            self._report()
            if self._stopping.is_set():
                run.terminate()
            await run.wait()
            code = run.state["terminated"]["exitCode"]
            if self._stopping.is_set() or self.lost or policy == "Never" or (policy == "OnFailure" and code == 0):
                self._report()
                return
            self._restarts[name] = restarts + 1
            self._last[name], self._previous_logs[name] = run.state, run.log
            message = f"back-off {back_off:g}s restarting failed container={name} pod={self._pod['metadata']['name']}"
            self._wait_state(name, "CrashLoopBackOff", message)
            await self._pause(back_off)
            back_off = min(back_off * 2, 300.0)

    async def _prepare(self, container: dict[str, Any]) -> Command | None:
        """The command, once the image is there and the configuration complete; None when the pod ends before."""
        name, image = container["name"], container["image"]
        attempt = 0
        while (refusal := self._settings.images.refusal(image)) is not None:
            record(self._store, self._pod, "Failed", refusal, by="kubelet", warning=True)
            self._wait_state(name, "ErrImagePull", refusal)
            self._wait_state(name, "ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {refusal}')
            await self._pause(min(self._settings.restart_back_off * 2**attempt, 300.0))
            attempt += 1
            if self._stopping.is_set():
                return None
        while True:
            self.configuration_changed.clear()
            try:
                return self._command(container)
            except environment.ConfigurationMissing as error:
                record(self._store, self._pod, "Failed", f"Error: {error}", by="kubelet", warning=True)
                self._wait_state(name, "CreateContainerConfigError", str(error))
            if not await self._pause(None, self.configuration_changed):
                return None

    def _command(self, container: dict[str, Any]) -> Command:
        settings, metadata = self._settings, self._pod["metadata"]
        self._volumes |= environment.make_volumes(self._store, self._pod, self.folder / "volumes")
        tmp = self.folder / "tmp"
        tmp.mkdir(exist_ok=True)
        paths = environment.paths(container, self._volumes, settings.mapped)
        # What the image sets lies in its own /tmp; a /tmp in the pod's spec may be a folder that tests share with it.
        inside = environment.Paths({"/tmp": tmp, **paths.prefixes})
        image = {"HOME": "/tmp", "TMPDIR": "/tmp", **settings.images.variables}
        own = environment.variables(self._store, self._pod, container)
        found = {name: inside.host(value) for name, value in image.items()}
        found |= {"HOSTNAME": metadata["name"], **{name: paths.host(value) for name, value in own.items()}}
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        words = [paths.host(environment.expand(word, own)) for word in words] or ["(the image's own command)"]
        folder = paths.host(container["workingDir"]) if "workingDir" in container else str(settings.workdir or tmp)
        marks = {processes.POD: self.uid, processes.CLUSTER: str(settings.data)}
        return Command(words, Path(folder), {**environment.host_variables(settings.programs), **found, **marks})

    async def _pause(self, seconds: float | None, *also: asyncio.Event) -> bool:
        """Wait for the time or one of the events; False when the pod is being ended."""
        tasks = [asyncio.create_task(event.wait()) for event in (self._stopping, *also)]
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        return not self._stopping.is_set()

    async def _enforce_deadline(self) -> None:
        """SIGKILL when the grace is over, which may be shortened meanwhile."""
        await self._stopping.wait()
        while True:
            self._deadline_changed.clear()
            left = None if self._deadline is None else self._deadline - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._deadline_changed.wait(), left)
            except TimeoutError:
                break
        await asyncio.to_thread(self.kill)

    # What it reports

    def _wait_state(self, name: str, reason: str, message: str) -> None:
        self._waiting[name] = {"waiting": {"reason": reason, "message": message}}
        self._report()

    def _state(self, name: str) -> dict[str, Any]:
        if name in self._waiting or name not in self.runs:
            return self._waiting.get(name, {"waiting": {"reason": "PodInitializing"}})
        return self.runs[name].state

    def _present(self) -> Object | None:
        found = self._store.find(resources.PODS, *key_of(self._pod))
        return found if found is not None and same(found, self._pod) else None

    def _report(self, *, ended: bool = False) -> None:
        present = self._present()
        if present is None or self.lost:
            return
        spec, status = present["spec"], dict(present["status"])
        status.setdefault("startTime", stamp())
        status |= {"hostIP": "127.0.0.1", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}
        for field, kind in (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")):
            if spec.get(kind):
                status[field] = [self._container_status(one) for one in spec[kind]]
        states = [one["state"] for one in status["containerStatuses"]]
        if ended:
            failed = not all(one.get("terminated", {"exitCode": 1})["exitCode"] == 0 for one in states)
            status["phase"] = "Failed" if failed or self._ended_because else "Succeeded"
            if self._ended_because:
                status["reason"], status["message"] = self._ended_because
        elif any("running" in one or "terminated" in one for one in states):
            status["phase"] = "Running"
        pod = pod_status.with_conditions({**present, "status": status}, status["phase"], self._initialized)
        self._store.update(resources.PODS, pod)

    def _container_status(self, spec: dict[str, Any]) -> dict[str, Any]:
        name, run = spec["name"], self.runs.get(spec["name"])
        identity = run.identity if run else ""
        return pod_status.container(
            spec, self._state(name), self._last.get(name), self._restarts.get(name, 0), identity
        )
