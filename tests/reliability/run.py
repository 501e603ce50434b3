"""One run of one source by the real loop, with its effects noted: in this process, or in a forked one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from connectors.contract import Contract, Table, load_contract
from connectors.http import RetryPolicy
from connectors.lake import Lake
from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.source import NetSuiteSource
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.source import SalesforceSource
from connectors.source import Source
from connectors.sync import Plan, SyncOutcome, sync
from connectors.warehouse import Warehouse
from connectors.warehouse.bigquery import BigQueryWarehouse, Engine
from connectors.zuora.settings import ZuoraSettings
from connectors.zuora.source import ZuoraSource
from tests.reliability.cloud import access, bucket_of
from tests.reliability.effects import Effect, Effects, Step
from tests.reliability.seams import WalkedBucket, WalkedLake, WalkedWarehouse, before_each, moves_watched


async def _no_wait(_seconds: float) -> None:
    return None


IMPATIENT = RetryPolicy(attempts=4, sleep=_no_wait)


@dataclass(frozen=True)
class Job:
    """What a run needs, as values that fit into JSON.

    Attributes:
        source: system.
        tables: STG tables to load.
        settings: of the connector, secrets included (those of a sandbox).
        folder: holds the warehouse's file and the lake.
        full: read every object whole.
        loads_at_once: tables the warehouse loads side by side.
        project, place: a project of Google Cloud, and the dataset and folder of its bucket that hold warehouse and
            lake instead.
    """

    source: str
    tables: tuple[str, ...]
    settings: dict[str, Any]
    folder: str
    full: bool = False
    loads_at_once: int = 1
    one_at_a_time: bool = True
    project: str = ""
    place: str = ""

    @property
    def database(self) -> Path:
        return Path(self.folder, "mgdw.duckdb")

    @property
    def lake(self) -> Path:
        return Path(self.folder, "lake")

    @property
    def contract(self) -> Contract:
        """The contract of these tables alone."""
        contract = load_contract()
        return Contract(tuple(contract.table(name) for name in self.tables))


@dataclass(frozen=True)
class Order:
    """A job and the step it goes wrong at, on its way to another process."""

    job: Job
    step: Step | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Order:
        raw = json.loads(text)
        job = Job(**{**raw["job"], "tables": tuple(raw["job"]["tables"])})
        step = raw["step"] and Step(**{**raw["step"], "effect": Effect(**raw["step"]["effect"])})
        return cls(job, step)


@dataclass
class Ran:
    """What the runs of one job did together."""

    failures: list[str] = field(default_factory=list[str])
    changed: int = 0
    skipped: int = 0


def build(job: Job) -> Source:
    """The connector of the job."""
    match job.source:
        case "salesforce":
            return SalesforceSource(SalesforceSettings(**job.settings), retry=IMPATIENT)
        case "netsuite":
            return NetSuiteSource(NetSuiteSettings(**job.settings), retry=IMPATIENT)
        case "zuora":
            return ZuoraSource(ZuoraSettings(**job.settings), retry=IMPATIENT)
        case "s3":
            return S3Source(S3Settings(**job.settings))
        case other:
            raise ValueError(other)


async def run(job: Job, effects: Effects, *, plan: Plan | None = None) -> Ran:
    """One run: open the warehouse, create what is missing, log in, load.

    Tables go one at a time, so that effects come in a settled order; Zuora's share a job and go together.
    """
    ran = Ran()
    tables = job.contract.tables
    alone = job.one_at_a_time and job.source != "zuora"
    groups: Sequence[Sequence[Table]] = [(table,) for table in tables] if alone else [tables]
    lake, warehouse = _ground(job, effects)
    with moves_watched(job.lake, effects):
        async with warehouse:
            await warehouse.ensure(job.contract)
            async with build(job) as source:
                for group in groups:
                    outcome = await sync(source, group, lake, warehouse, run_id="reliability", full=job.full, plan=plan)
                    _add(ran, outcome)
    return ran


def _ground(job: Job, effects: Effects) -> tuple[Lake, Warehouse]:
    if not job.project:
        return WalkedLake(job.lake, effects), WalkedWarehouse(
            job.database, effects, threads=1, loads_at_once=job.loads_at_once, lock_wait=5.0
        )
    google, bucket = access(job.project), bucket_of(job.project)
    return WalkedBucket(effects, bucket, job.place, google), BigQueryWarehouse(
        google, dataset=job.place, bucket=bucket, prefix=job.place, engine=Engine("1GB", 1),
        loads_at_once=job.loads_at_once, on_statement=before_each(effects),
    )  # fmt: skip


def _add(ran: Ran, outcome: SyncOutcome) -> None:
    ran.failures += [f"{f.table}: {type(f.error).__name__}: {f.error}" for f in outcome.failures]
    ran.changed += sum(result.changed for result in outcome.results)
    ran.skipped += sum(result.skipped for result in outcome.results)
