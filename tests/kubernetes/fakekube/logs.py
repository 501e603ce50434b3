"""`pods/log`: what a container wrote, its tail, or all that comes."""

from __future__ import annotations

from aiohttp import web

from tests.kubernetes.fakekube import errors
from tests.kubernetes.fakekube.cluster_state import ClusterState
from tests.kubernetes.fakekube.resources import Target


async def serve(request: web.Request, state: ClusterState, target: Target) -> web.StreamResponse:
    """Takes `container`, `previous`, `follow`, `tailLines` and `limitBytes`. Raises ApiError: 404, 400 when the
    container has not started."""
    query = request.query
    pod = state.store.get(target.resource, target.namespace, target.name or "")
    names = [one["name"] for kind in ("containers", "initContainers") for one in pod["spec"].get(kind) or ()]
    name = query.get("container")
    if name is None:
        if len(pod["spec"]["containers"]) > 1:
            raise errors.bad_request(
                f"a container name must be specified for pod {target.name}, choose one of: [{' '.join(names)}]"
            )
        name = pod["spec"]["containers"][0]["name"]
    if name not in names:
        raise errors.bad_request(f"container {name} is not valid for pod {target.name}")
    runner = state.kubelet.runner(pod)
    previous = query.get("previous", "").lower() == "true"
    log = runner.log(name, previous=previous) if runner else None
    if log is None:
        if previous:
            raise errors.bad_request(f'previous terminated container "{name}" in pod "{target.name}" not found')
        statuses = [*pod["status"].get("containerStatuses", ()), *pod["status"].get("initContainerStatuses", ())]
        waiting = next((one["state"].get("waiting", {}) for one in statuses if one["name"] == name), {})
        reason = waiting.get("reason", "ContainerCreating")
        raise errors.bad_request(f'container "{name}" in pod "{target.name}" is waiting to start: {reason}')
    written = log.path.read_bytes()
    position = len(written)
    if (tail := query.get("tailLines")) is not None:
        written = b"".join(written.splitlines(keepends=True)[-int(tail) :] if int(tail) else [])
    if (limit := query.get("limitBytes")) is not None:
        written = written[: int(limit)]
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    await response.write(written)
    if query.get("follow", "").lower() == "true":
        async for chunk in log.follow(position):
            await response.write(chunk)
    return response
