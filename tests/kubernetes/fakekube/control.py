"""What only tests may do, below `/_fakekube/`: break things, read the calls, wait for a change."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from typing import Any

from aiohttp import web

from tests.kubernetes.fakekube import errors, resources
from tests.kubernetes.fakekube.app import Api
from tests.kubernetes.fakekube.cluster_state import ClusterState
from tests.kubernetes.fakekube.pod_runner import PodRunner


class Control:
    """The handlers; bodies and answers are JSON."""

    def __init__(self, state: ClusterState, api: Api) -> None:
        self._state = state
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_fakekube/calls", self._calls),
            web.get("/_fakekube/wait", self._wait),
            web.get("/_fakekube/processes", self._processes),
            web.post("/_fakekube/pods/{namespace}/{name}/{what}", self._pod),
            web.post("/_fakekube/nodes/{name}/{what}", self._node),
            web.post("/_fakekube/api/{what}", self._network),
        ]

    async def _calls(self, request: web.Request) -> web.Response:
        start = int(request.query.get("start", "0"))
        return web.json_response([dataclasses.asdict(one) for one in self._api.calls[start:]])

    async def _wait(self, request: web.Request) -> web.Response:
        """Answers when something has changed after `version`, or after so many seconds."""
        store, after = self._state.store, int(request.query["version"])
        changed = asyncio.Event()
        forget = store.listen(lambda _: changed.set())
        try:
            if store.version <= after:
                await asyncio.wait_for(changed.wait(), float(request.query["seconds"]))
        except TimeoutError:
            pass
        finally:
            forget()
        return web.json_response({"version": store.version})

    async def _processes(self, request: web.Request) -> web.Response:
        from tests.kubernetes.fakekube import processes

        return web.json_response(await asyncio.to_thread(processes.marked, processes.POD, request.query["uid"]))

    def _runner(self, request: web.Request) -> PodRunner:
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        pod = self._state.store.get(resources.PODS, namespace, name)
        if (runner := self._state.kubelet.runner(pod)) is None:
            raise errors.bad_request(f"pod {name} has not started")
        return runner

    async def _pod(self, request: web.Request) -> web.Response:
        return await self._guarded(self._break_pod, request)

    async def _break_pod(self, request: web.Request) -> None:
        runner = self._runner(request)
        if request.match_info["what"] == "kill":
            await asyncio.to_thread(runner.kill)
        else:
            for run in [one for one in runner.runs.values() if one.running]:
                await asyncio.to_thread(run.end_by_memory)

    async def _node(self, request: web.Request) -> web.Response:
        return await self._guarded(self._break_node, request)

    async def _break_node(self, request: web.Request) -> None:
        kubelet, name = self._state.kubelet, request.match_info["name"]
        actions = {
            "shut-down": functools.partial(kubelet.shut_down, grace=float(request.query.get("grace", "25"))),
            "lose": kubelet.lose,
            "unreachable": kubelet.mark_unreachable,
            "evict": kubelet.evict_unreachable,
            "remove": kubelet.remove,
            "restore": kubelet.restore,
        }
        actions[request.match_info["what"]](name)

    async def _network(self, request: web.Request) -> web.Response:
        match request.match_info["what"]:
            case "partition":
                self._api.unreachable = True
                self._api.hang_up()
            case "heal":
                self._api.unreachable = False
            case "compact":
                self._state.store.compact()
            case "hang-up":
                self._api.hang_up()
            case other:
                raise web.HTTPNotFound(text=other)
        return web.json_response({})

    async def _guarded(self, action: Any, request: web.Request) -> web.Response:
        try:
            await action(request)
        except errors.ApiError as error:
            return web.json_response(error.body, status=error.code)
        return web.json_response({})
