"""The outside world of the walk: one small business, and a server for each source, made new between steps."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from connectors.sync import Plan
from sandbox.faults import Faults
from sandbox.netsuite.app import create_app as create_netsuite
from sandbox.netsuite.credentials import NetSuiteCredentials
from sandbox.s3 import REGION, S3Server
from sandbox.salesforce import SalesforceCredentials, SalesforceOptions
from sandbox.salesforce import create_app as create_salesforce
from sandbox.world import World
from sandbox.zuora.app import create_app as create_zuora
from sandbox.zuora.credentials import ZuoraCredentials
from sandbox.zuora.options import ZuoraOptions
from tests.reliability.child import Nursery
from tests.reliability.effects import CrashError, Effects, Step
from tests.reliability.run import Job, Order, Ran, run
from tests.reliability.wire import AtOnce, WalkedServers, Wire

SOURCES = ("salesforce", "netsuite", "zuora", "s3")
TABLES = {
    "salesforce": ("sfdc_account", "sfdc_contact"),
    "netsuite": ("netsuite_customers", "netsuite_invoices"),
    "zuora": ("zuora_account", "zuora_invoice"),
    "s3": ("s3_cm_usage_data", "s3_emma_usage_data"),
}
"""Tables walked, two of each: with late rows, soft and hard deletes, both file formats."""
SCALE = 0.02
PAGE_ROWS = 12
"""Rows a page at every source that has pages, so that a table has several."""


@dataclass
class Crashed:
    """How a run ended that went wrong at a step.

    Attributes:
        reached: whether it came to the step's effect at all.
        ran: what it did, when it ended by itself.
    """

    reached: bool
    ran: Ran | None


class Front:
    """One source's server and what a connector needs to know of it."""

    def __init__(self, source: str, make: Callable[[], tuple[Any, Callable[[], None]]], url: str, wire: Wire) -> None:
        self.source = source
        self.url = url
        self.wire = wire
        self._make = make
        self._close: Callable[[], None] = lambda: None

    def renew(self) -> None:
        """Forget what clients left at the server: sessions, jobs, results."""
        self._close()
        self.wire.app, self._close = self._make()

    def close(self) -> None:
        """Free what the server keeps."""
        self._close()


class Site:
    """Use as `with Site() as site`: day 0 of a business; `advance` moves it on."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.world = World.create(scale=SCALE)
            stack.callback(self.world.close)
            # Small answers, asked for thousands of times: one thread, and the catalogue read once.
            self.world.sql("SET threads = 1")
            self.world.columns = functools.cache(self.world.columns)
            self.nursery = stack.enter_context(Nursery())
            self.fronts: dict[str, Front] = {}
            self._settings: dict[str, dict[str, Any]] = {}
            self._serve(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def advance(self, days: int) -> None:
        """Do so many days of business, and deliver their files."""
        for _ in range(days):
            self.world.advance(1)
            arrived = set(self.world.file_events)
            self.s3.deliver(file for file in self.world.files() if file.key in arrived)

    def job(self, source: str, folder: Path, **changes: Any) -> Job:
        """A run of the source, with connectors that do one thing at a time; `changes` are settings of the connector."""
        return Job(source, TABLES[source], {**self._settings[source], **changes}, str(folder))

    def clean(self, job: Job, effects: Effects | None = None, *, plan: Plan | None = None) -> Ran:
        """A run that goes well; raises AssertionError if a table was not loaded."""
        ran = self._run(job, effects or Effects(), plan=plan)
        assert not ran.failures, ran.failures
        return ran

    def crash(self, job: Job, step: Step) -> Crashed:
        """A run that goes wrong at the step: in this process, or in one of its own if it is killed."""
        if step.mode == "kill":
            return self._killed(job, step)
        effects = Effects(step)
        try:
            ran = self._run(job, effects)
            return Crashed(effects.reached, ran)
        except BaseException as error:
            if not _is_crash(error):
                raise
            return Crashed(effects.reached, None)

    def _run(self, job: Job, effects: Effects, *, plan: Plan | None = None) -> Ran:
        wire = self.fronts[job.source].wire

        async def watched() -> Ran:
            task = asyncio.current_task()
            loop = asyncio.get_running_loop()
            assert task

            def stop() -> None:
                loop.call_soon_threadsafe(task.cancel)

            wire.watch(effects, stop)
            try:
                return await run(job, effects, plan=plan)
            except asyncio.CancelledError:
                raise CrashError(str(effects.step)) from None
            finally:
                wire.over()

        return asyncio.run(watched())

    def _killed(self, job: Job, step: Step) -> Crashed:
        child: Future[int] = Future()
        effects = Effects(step, kill=lambda: os.kill(child.result(), signal.SIGKILL))
        wire = self.fronts[job.source].wire
        wire.watch(effects, lambda: None)
        try:
            status = self.nursery.run(Order(job, step), child.set_result)
        finally:
            wire.over()
        return Crashed(status == -signal.SIGKILL, Ran() if status == 0 else None)

    def _serve(self, stack: ExitStack) -> None:
        for source, make in (
            ("salesforce", self._salesforce), ("netsuite", self._netsuite), ("zuora", self._zuora),
        ):  # fmt: skip
            wire = Wire()
            servers = stack.enter_context(WalkedServers(wire))
            front = Front(source, make, servers.serve(make()[0], date_header=source == "netsuite"), wire)
            self.fronts[source] = front
            front.renew()
            stack.callback(front.close)
        wire = Wire()
        self.s3 = S3Server()
        self.s3._servers = WalkedServers(wire)
        stack.enter_context(self.s3)
        self.s3.deliver(self.world.files())
        bucket = wire.app
        self.fronts["s3"] = Front("s3", lambda: (bucket, lambda: None), self.s3.url, wire)
        self._settings = self._known()

    def _salesforce(self) -> tuple[Any, Callable[[], None]]:
        app = create_salesforce(
            self.world, SalesforceCredentials(), Faults(), SalesforceOptions(bulk_page_rows=PAGE_ROWS)
        )
        app.state.org.jobs._workers = AtOnce()
        return app, app.state.org.close

    def _netsuite(self) -> tuple[Any, Callable[[], None]]:
        return create_netsuite(self.world, NetSuiteCredentials(), Faults()), lambda: None

    def _zuora(self) -> tuple[Any, Callable[[], None]]:
        app = create_zuora(self.world, ZuoraCredentials(), Faults(), ZuoraOptions(segment_rows=PAGE_ROWS))
        app.state.tenant.jobs._workers = AtOnce()
        return app, app.state.tenant.close

    def _known(self) -> dict[str, dict[str, Any]]:
        org, account, tenant = SalesforceCredentials(), NetSuiteCredentials(), ZuoraCredentials()
        access_key, secret_key = self.s3.credentials
        return {
            "salesforce": {
                "login_url": self.fronts["salesforce"].url, "client_id": org.client_id,
                "client_secret": org.client_secret, "tables_at_once": 1, "pages_at_once": 1, "rest_below_rows": 0,
            },
            "netsuite": {
                "base_url": self.fronts["netsuite"].url, "account": account.account, "client_id": account.client_id,
                "certificate_id": account.certificate_id, "private_key": account.private_key,
                "lag_seconds": 0, "concurrency": 1, "page_rows": PAGE_ROWS, "part_rows": 2 * PAGE_ROWS,
            },
            "zuora": {
                "base_url": self.fronts["zuora"].url, "client_id": tenant.client_id,
                "client_secret": tenant.client_secret, "lag_seconds": 0, "downloads_at_once": 1,
            },
            "s3": {
                "bucket": self.s3.bucket, "region": REGION, "endpoint_url": self.s3.url, "access_key_id": access_key,
                "secret_access_key": secret_key, "concurrency": 1, "batch_files": 3, "retries": 3, "retry_seconds": 20,
            },
        }  # fmt: skip


def restored(base: Path, folder: Path) -> Path:
    """`folder`, made anew as a copy of `base`."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    return folder


def at(job: Job, folder: Path) -> Job:
    """The same job in another folder."""
    return replace(job, folder=str(folder))


def _is_crash(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_crash(inner) for inner in error.exceptions)
    return isinstance(error, (CrashError, asyncio.CancelledError))
