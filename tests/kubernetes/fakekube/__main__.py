"""`python -m tests.kubernetes.fakekube`: a cluster on 127.0.0.1 until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

from aiohttp import web

from tests.kubernetes.fakekube.app import Api
from tests.kubernetes.fakekube.certificate import server_context
from tests.kubernetes.fakekube.cluster_state import ClusterState
from tests.kubernetes.fakekube.control import Control
from tests.kubernetes.fakekube.images import Images
from tests.kubernetes.fakekube.node_settings import NodeSettings


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text}: NAME=VALUE is wanted")
    return name, value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fakekube", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--data", type=Path, required=True, help="folder for pods: logs, volumes, scratch space")
    parser.add_argument("--manifests", "--rbac", type=Path, action="append", default=[], metavar="PATH",
                        help="YAML file or folder: what the cluster begins with")  # fmt: skip
    parser.add_argument("--namespace", default="default", help="of what the manifests give none")
    parser.add_argument("--image", action="append", default=[], metavar="PREFIX",
                        help="images that can be pulled; without any, all but those tagged `missing`")  # fmt: skip
    parser.add_argument("--image-env", type=_pair, action="append", default=[], metavar="NAME=VALUE",
                        help="a variable that images set")  # fmt: skip
    parser.add_argument("--map", type=_pair, action="append", default=[], metavar="PATH=FOLDER",
                        help="a path in pods, and the folder of this machine that stands for it")  # fmt: skip
    parser.add_argument("--workdir", type=Path, help="where containers start; else a folder of their own")
    parser.add_argument("--programs", type=Path, default=Path(sys.executable).parent,
                        help="what images bring: a folder that comes first on PATH")  # fmt: skip
    parser.add_argument(
        "--back-off", type=float, default=10.0, help="seconds before a Job's or a container's first retry"
    )
    parser.add_argument("--rollout-patience", type=float, default=600.0,
                        help="seconds after which a rollout has failed, also when its Deployment has more")  # fmt: skip
    parser.add_argument("--bookmark-every", type=float, default=60.0, help="seconds between bookmarks of a watch")
    parser.add_argument("--until-eof", action="store_true", help="end also when stdin does: with whoever started it")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    data: Path = arguments.data.resolve()
    settings = NodeSettings(
        data=data,
        images=Images(tuple(arguments.image), dict(arguments.image_env)),
        mapped={path: Path(folder) for path, folder in arguments.map},
        workdir=arguments.workdir,
        programs=arguments.programs,
        restart_back_off=arguments.back_off,
    )
    state = ClusterState(settings, arguments.back_off, arguments.rollout_patience)
    state.load(arguments.manifests, arguments.namespace)
    api = Api(state, arguments.bookmark_every)
    application = web.Application(client_max_size=16 * 2**20)
    application.add_routes([*Control(state, api).routes(), web.route("*", "/{path:.*}", api.handle)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    data.mkdir(parents=True, exist_ok=True)
    await web.TCPSite(runner, "127.0.0.1", arguments.port).start()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(data)).start()
    working = asyncio.create_task(state.run())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if arguments.until_eof:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    [(host, port), (_, secure)] = runner.addresses
    print(f"fakekube is ready: http://{host}:{port} https://{host}:{secure}", flush=True)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        working.result()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    api.hang_up()
    await runner.cleanup()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(_serve(_arguments()))
