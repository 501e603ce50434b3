"""S3 under the state machine: the real connector on a socket to a model bucket.

The promise. Of a row that several files hold, the newest delivery wins (of two in one second the later name). A row
that no file holds any more, each as it was delivered last, is deleted. A file that vanishes from the bucket holds what
it held. Left out because nobody can say what is right: two deliveries of one key in the same second.
"""

from __future__ import annotations

import csv
import functools
import io
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar
from unittest.mock import patch

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from pydantic import SecretStr

from connectors.contract import DataType
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.sync import SyncOutcome, sync
from tests.reliability.model.bucket import TROUBLES, ModelBucket, StoredFile, Trouble, door, show
from tests.reliability.model.effects import Crash, Effects
from tests.reliability.model.machine import ANY, CRASHES, SECONDS, SELDOM, STARTS
from tests.reliability.model.secrets_found import traces
from tests.reliability.model.stage import Stage
from tests.reliability.model.table import contract_table, drawn
from tests.reliability.model.watched import Reach, Tally, shown, went_well, without_batch

USAGE = contract_table(
    "s3", "s3_usage", "usage/",
    {
        "id": ("id", DataType.STRING), "name": ("name", DataType.STRING), "amount": ("amount", DataType.NUMERIC),
        "seats": ("seats", DataType.INT64), "active": ("active", DataType.BOOL), "day": ("day", DataType.DATE),
        "seen_at": ("seen_at", DataType.TIMESTAMP),
    },
    format="csv",
)  # fmt: skip
SECRET, TOKEN = "s3-planted-secret-4711", "s3-planted-session-4712"
TROUBLED = st.dictionaries(ANY, st.sampled_from(TROUBLES), max_size=3)
FILES = st.integers(0, 3)
ROWS = st.dictionaries(st.integers(0, 4), st.integers(0, 30), max_size=5)


class FilesMachine(RuleBasedStateMachine):
    """Files come, come again, late and broken, and vanish."""

    TABLE = USAGE
    stage: ClassVar[Stage]
    tally: ClassVar[Tally]
    settings: ClassVar[S3Settings]

    def __init__(self) -> None:
        super().__init__()
        self.stage.reset()
        self.tally.steps -= 1
        self.gone: dict[str, StoredFile] = {}
        self.broken: dict[str, tuple[StoredFile | None, int]] = {}
        self.was_live: set[str] = set()
        self.errors: list[BaseException] = []
        self.reach: dict[bool, Reach] = {}
        self.crash: tuple[int, bool] | None = None
        self.troubles: dict[int, Trouble] = {}
        self.hooks: dict[int, Any] = {}
        self.extra = False
        self.runs = 0

    @classmethod
    @contextmanager
    def opened(cls) -> Generator[None]:
        """The socket, for all examples; and one TLS context, which takes 17 ms to make and which no plain HTTP uses."""
        once = functools.cache(ssl.create_default_context)
        with door() as address, patch.object(ssl, "create_default_context", once):
            cls.settings = S3Settings(
                bucket="model-usage", endpoint_url=address, access_key_id="model", secret_access_key=SecretStr(SECRET),
                session_token=SecretStr(TOKEN), retries=0, batch_files=2,
            )  # fmt: skip
            yield

    # The bucket changes

    @initialize(start=st.sampled_from(STARTS), rows=ROWS, packed=st.booleans())
    def begin(self, start: datetime, rows: dict[int, int], packed: bool) -> None:
        self.bucket = ModelBucket(self.settings.bucket, start, SECRET)
        show(self.bucket)
        self.deliver(0, dict(rows) or {0: 1}, {}, packed)

    @rule(number=FILES, rows=ROWS, corrections=ROWS, packed=st.booleans(), late=st.sampled_from([0, 0, 30, 4000]))
    def deliver(
        self, number: int, rows: dict[int, int], corrections: dict[int, int], packed: bool, late: int = 0
    ) -> None:
        """A new file, or the next delivery of one, with rows of its own and corrections of rows of its neighbour."""
        self.bucket.advance(1)
        key = key_of(number)
        at = self.bucket.second - timedelta(seconds=late)
        before = self.known().get(key)
        if before is not None:
            at = max(at, before.delivered + timedelta(seconds=1), self.bucket.second - timedelta(seconds=late))
        elsewhere = {n for k, file in self.known().items() if k != key for n in file.rows}
        held = {number * 10 + n: seed for n, seed in rows.items()}
        held |= {
            ((number + 1) % 4) * 10 + n: s for n, s in corrections.items() if ((number + 1) % 4) * 10 + n in elsewhere
        }
        self.bucket.put(key, self.text(held), held, packed=packed, delivered=at)
        self.gone.pop(key, None)
        self.broken.pop(key, None)

    @rule(number=FILES, shared=ROWS, rows=ROWS)
    def share_rows_and_withdraw_them(self, number: int, shared: dict[int, int], rows: dict[int, int]) -> None:
        """A file has rows of its neighbour, and is delivered again without them."""
        self.deliver(number, rows, shared, packed=False)
        self.compare(full=False)
        self.deliver(number, rows, {}, packed=False)
        self.compare(full=False)

    @rule(number=FILES)
    def deliver_half_a_file(self, number: int) -> None:
        """A delivery that cannot be read: what was loaded of the file stays."""
        key = key_of(number)
        before = self.known().get(key)
        self.bucket.advance(1)
        self.bucket.put(key, self.text({number * 10: 1}), {}, packed=True, delivered=self.bucket.second)
        file = self.bucket.files[key]
        self.bucket.files[key] = StoredFile(file.body[:-9], file.delivered, {})
        self.broken[key] = (before, number)

    @precondition(lambda self: len(self.bucket.files) > 1)
    @rule(number=FILES)
    def withdraw(self, number: int) -> None:
        """A file vanishes after it was loaded."""
        key = key_of(number)
        if key not in self.broken and key in self.bucket.files and len(self.bucket.files) > 1:
            self.compare(full=False)
            self.gone[key] = self.bucket.files.pop(key)

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.bucket.advance(seconds)

    @rule()
    def add_field(self) -> None:
        self.extra = True

    # Things go wrong

    @rule(at=ANY, number=FILES, rows=ROWS, packed=st.booleans())
    def deliver_while_reading(self, at: int, number: int, rows: dict[int, int], packed: bool) -> None:
        self.hooks[at] = lambda: self.deliver(number, rows, {}, packed)

    # The loader runs

    @rule(full=SELDOM, crash=CRASHES, troubles=TROUBLED, ripe=st.booleans())
    def sync_in_trouble(
        self, full: bool, crash: tuple[int, bool] | None, troubles: dict[int, Trouble], ripe: bool
    ) -> None:
        """The process dies, requests fail, files are replaced: only that no row is stored twice."""
        if ripe:
            # Files that are younger than a minute are left for the next run.
            self.bucket.advance(120)
        # Nothing is asked for again here, so that most troubles end the run before it could die.
        self.crash, self.troubles = crash, {} if crash else troubles
        self.sync(full=full)
        self.look()

    @rule(full=SELDOM, crash=CRASHES, troubles=TROUBLED, ripe=st.booleans())
    def sync_in_trouble_and_compare(self, full: bool, crash: Any, troubles: dict[int, Trouble], ripe: bool) -> None:
        """The run after the one in trouble makes all of it good."""
        self.sync_in_trouble(full, crash, troubles, ripe)
        self.compare(full=full)

    @rule(number=FILES, rows=ROWS, full=SELDOM, crash=st.tuples(ANY, st.booleans()))
    def die_while_loading(self, number: int, rows: dict[int, int], full: bool, crash: tuple[int, bool]) -> None:
        """There is something to load, and the process dies over it."""
        self.deliver(number, rows, {}, packed=False)
        self.sync_in_trouble_and_compare(full, crash, {}, ripe=True)

    @rule(full=SELDOM)
    def sync_and_compare(self, full: bool) -> None:
        self.compare(full=full)

    @rule()
    def sync_twice(self) -> None:
        self.compare(full=False)
        outcome = self.sync(full=False)
        assert not outcome.results, outcome.results
        self.compare_table()

    @rule(pick=st.integers(0, 1000))
    def replay(self, pick: int) -> None:
        """Load a batch again from the lake."""
        stage = self.stage

        async def run() -> None:
            landed = stage.batches()
            manifests = [m async for m in stage.lake.manifests("s3", USAGE.name) if m.batch_id in landed]
            if manifests:
                manifest = manifests[pick % len(manifests)]
                await stage.warehouse.load(USAGE, manifest, stage.lake, run_id="replay", again=True)

        before = without_batch(self.look())
        stage.run(run())
        self.tally.replays += 1
        assert without_batch(self.look()) == before, "a batch loaded again has changed rows"

    @rule()
    def replay_all(self) -> None:
        """Load every batch again, in the order in which they lie in the lake."""
        for pick in range(len(self.stage.batches())):
            self.replay(pick)

    # How

    def text(self, rows: dict[int, int]) -> str:
        """A file's content."""
        out = io.StringIO()
        fields = [*USAGE.fields, *(["extra"] if self.extra else [])]
        writer = csv.DictWriter(out, fields, lineterminator="\n")
        writer.writeheader()
        for n, seed in rows.items():
            values = {c.field: written(value) for c, value in zip(USAGE.columns, row_of(n, seed).values(), strict=True)}
            writer.writerow(values | ({"extra": "more"} if self.extra else {}))
        return out.getvalue()

    def known(self) -> dict[str, StoredFile]:
        """The files as they count: a broken delivery does not, a vanished file still does."""
        files = {**self.gone, **self.bucket.files}
        for key, (before, _) in self.broken.items():
            files.pop(key, None)
            if before is not None:
                files[key] = before
        return files

    def expected(self) -> dict[str, dict[str, Any]]:
        """Living rows by key."""
        newest: dict[int, tuple[tuple[datetime, str], int]] = {}
        for key, file in self.known().items():
            for n, seed in file.rows.items():
                rank = (file.delivered, key)
                if n not in newest or rank > newest[n][0]:
                    newest[n] = rank, seed
        return {name_of(n): row_of(n, seed) for n, (_, seed) in newest.items()}

    def settle(self) -> None:
        """Nothing goes wrong any more; broken files are sent again; young files grow old enough."""
        self.crash, self.troubles, self.hooks = None, {}, {}
        for _, number in list(self.broken.values()):
            self.deliver(number, {1: 7}, {}, packed=False)
        self.bucket.advance(120)

    def sync(self, *, full: bool) -> SyncOutcome:
        """One run. Returns what is known of it when the process died on the way."""
        self.runs += 1
        self.tally.syncs += 1
        self.tally.crashes_drawn += self.crash is not None
        stage, calls, reach = self.stage, self.bucket.calls, self.reach.get(full, Reach())
        stage.effects = effects = Effects(*reach.crash(self.crash))
        clean = effects.is_clean and not self.troubles and not self.hooks
        self.bucket.arm(
            {1 + at % reach.requests: trouble for at, trouble in self.troubles.items()},
            {1 + at % reach.requests: happen for at, happen in self.hooks.items()},
        )
        self.crash, self.troubles, self.hooks = None, {}, {}
        outcome = SyncOutcome()

        async def run() -> SyncOutcome:
            async with S3Source(self.settings) as source:
                return await sync(source, [USAGE], stage.lake, stage.warehouse, run_id=f"run-{self.runs}", full=full)

        try:
            outcome = stage.run(run())
        except Crash:
            self.tally.crashes += 1
        except BaseExceptionGroup as group:
            if group.subgroup(Crash) is None:
                raise
            self.tally.crashes += 1
        finally:
            stage.effects = Effects()
            self.tally.faults += self.bucket.struck
            self.bucket.arm({}, {})
        if outcome.results:
            self.reach[full] = Reach(effects.count, self.bucket.calls - calls)
        self.errors += [failure.error for failure in outcome.failures]
        if clean:
            made = self.bucket.calls - calls
            self.tally.calls += made
            self.tally.most_calls = max(self.tally.most_calls, made)
            # The clock twice, a list twice, the fields of up to five files, each file (and once more where it moved).
            assert made <= 9 + 2 * len(self.bucket.files), made
        note(f"run {self.runs}: {outcome}")
        return outcome

    def compare(self, *, full: bool) -> None:
        """A clean run after which the table holds what the files hold."""
        self.settle()
        outcome = self.sync(full=full)
        went_well(outcome)
        self.compare_table()

    def compare_table(self) -> None:
        """STG against the files: every column of every row, and the tombstones."""
        stored, expected = self.look(), self.expected()
        living = {key: row for key, row in stored.items() if not row["_deleted"]}
        assert set(living) == set(expected), f"lost {set(expected) - set(living)}, extra {set(living) - set(expected)}"
        for key, want in expected.items():
            found = {name: living[key][name] for name in want}
            assert found == want, f"{key}: {found}, the file has {want}"
        assert self.was_live <= set(stored), "a row that was there is gone without a tombstone"
        for row in stored.values():
            if row["_deleted"]:
                assert row["_deleted_at"].replace(tzinfo=UTC) <= self.bucket.now, row
        self.tally.rows_compared += len(expected)
        self.tally.tombstones_compared += len(stored) - len(living)

    def look(self) -> dict[str, dict[str, Any]]:
        """What STG has now; every key once, every batch once."""
        stored = self.stage.stored()
        self.was_live |= {key for key, row in stored.items() if not row["_deleted"]}
        ids = self.stage.batches()
        assert len(set(ids)) == len(ids), "a batch is in the ledger twice"
        return stored

    def check_invariants(self, *arguments: Any, **options: Any) -> None:
        # Called after each step.
        self.tally.steps += 1
        super().check_invariants(*arguments, **options)

    def teardown(self) -> None:
        if not hasattr(self, "bucket"):
            return
        try:
            self.compare(full=False)
            self.compare(full=True)
            found = traces(self.stage, self.errors, [SECRET, TOKEN])
            assert not found, found
            self.tally.examples += 1
        finally:
            self.stage.clear()


def key_of(number: int) -> str:
    """The key of a file."""
    return f"usage/2026/file-{number}.csv"


def name_of(number: int) -> str:
    """The key of a row."""
    return f"row-{number}"


def row_of(number: int, seed: int) -> dict[str, Any]:
    """A row as STG should hold it."""
    values = drawn(USAGE, [], seed)
    return {c.name: name_of(number) if c.name == "id" else shown(c, values[c.field]) for c in USAGE.columns}


def written(value: Any) -> str:
    """A value as a file has it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%SZ}"
        case date():
            return value.isoformat()
        case _:
            return str(value)
