"""What `doctor` looks at: one module per place, each a list of checks that say what they found and what to do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from connectors.errors import ConfigurationError, ContractError, MgdwError

ResultT = TypeVar("ResultT")


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_USED = "not used"


@dataclass(frozen=True)
class Diagnosis:
    """One line of the table.

    Attributes:
        check: what was looked at: `lake`, `salesforce`.
        where: the address, path, dataset or name.
        found: in words; never a secret.
        remedy: what a person should do; empty where nothing is to be done.
    """

    check: str
    where: str
    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """One look at one place.

    Attributes:
        name: of the group that `--only` selects.
        where: shown when the look itself fails.
        look: does it; what it raises becomes a failed line.
        seconds: after so long it counts as failed.
        remedies: remedy by type of error, where a general one would not help.
    """

    name: str
    where: str
    look: Callable[[], Awaitable[Sequence[Diagnosis]]]
    seconds: float = 60.0
    remedies: dict[type[BaseException], str] = field(default_factory=dict[type[BaseException], str])

    def ok(self, found: str, where: str | None = None) -> Diagnosis:
        """All is as it should be."""
        return Diagnosis(self.name, where or self.where, Status.OK, found)

    async def run(self, others: Collection[str]) -> list[Diagnosis]:
        """Look, within the time allowed. Raises nothing but cancellation.

        Args:
            others: names of the other checks: what one of them tells is not told again.
        """
        try:
            async with asyncio.timeout(self.seconds):
                return list(await self.look())
        except TimeoutError:
            remedy = f"Look whether {self.where} is up and reachable from here (network, proxy, firewall); run again."
            return [Diagnosis(self.name, self.where, Status.FAILED, f"no answer within {self.seconds:.0f} s", remedy)]
        except Exception as error:  # noqa: BLE001 - a check that breaks must not stop the others
            for teller, kind in (("contract", ContractError), ("settings", ConfigurationError)):
                concerns = isinstance(error, kind) and (teller == "contract" or "settings" in error.facts)
                if concerns and teller in others:
                    found = f"not checked: see {teller}"
                    return [Diagnosis(self.name, self.where, Status.WARNING, found, "Correct that first.")]
            return [self.failed(error)]

    def failed(self, error: BaseException, where: str | None = None) -> Diagnosis:
        """A failed line about an error."""
        found, remedy = told(error)
        own = next((text for kind, text in self.remedies.items() if isinstance(error, kind)), None)
        return Diagnosis(self.name, where or self.where, Status.FAILED, found, own or remedy)


def told(error: BaseException) -> tuple[str, str]:
    """Cause and remedy of an error, each in one line. Of a stranger's error only its kind and first words."""
    if isinstance(error, MgdwError):
        return " ".join(error.cause.split()), " ".join(error.remedy.split())
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:200]}", MgdwError.default_remedy


async def run_checks(checks: Sequence[Check]) -> list[Diagnosis]:
    """Run all side by side; the answers come in the order of the checks."""
    named = {check.name for check in checks}
    answers = await asyncio.gather(*(check.run(named - {check.name}) for check in checks))
    return [diagnosis for answer in answers for diagnosis in answer]


async def in_thread(work: Callable[[], ResultT]) -> ResultT:
    """Run a blocking call. Unlike `asyncio.to_thread`, a call that never ends keeps nobody from leaving."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[ResultT] = loop.create_future()

    def settle(result: ResultT | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # pyright: ignore[reportArgumentType] - one of the two is given

    def run() -> None:
        result, problem = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            problem = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=run, name="doctor", daemon=True).start()
    return await done
