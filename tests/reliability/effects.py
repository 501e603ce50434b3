"""What a run does to the world outside, one effect after the other, and the step of the walk that goes wrong at one."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Channel = Literal["http", "lake", "warehouse"]
Moment = Literal["before", "after"]
Mode = Literal["stop", "kill", "lapse"]
"""`stop`: the run ends with an error that nothing catches. `kill`: SIGKILL. `lapse`: this effect fails once, as a
broken connection or a conflict does, and the same run has to get over it."""


class CrashError(BaseException):
    """Ends a run. No `except Exception` catches it, so that no retry hides it."""


@dataclass(frozen=True, order=True)
class Effect:
    """One external effect: the `number`th (from 0) with this label in its channel.

    Attributes:
        label: what it does, without ids: `POST /v1/batch-query`, `commit zuora_account`, `COMMIT`.
    """

    channel: Channel
    label: str
    number: int


@dataclass(frozen=True)
class Step:
    """One step of the walk: at which effect a run goes wrong, and how.

    Attributes:
        effect: with an empty label the number counts all effects of the channel.
    """

    effect: Effect
    moment: Moment
    mode: Mode

    def __str__(self) -> str:
        of = self.effect
        return f"{self.mode} {self.moment} {of.channel}: {of.label or 'any effect'} #{of.number}"


def die() -> None:
    """End this process as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Effects:
    """Notes every effect of one run and makes the step's effect go wrong. Safe to use from any thread.

    Attributes:
        step: None for a run that goes well.
        kill: how this run's process is killed.
        log: every effect so far.
        reached: True once the step's effect was due.
    """

    step: Step | None = None
    kill: Callable[[], None] = die
    log: list[Effect] = field(default_factory=list[Effect])
    reached: bool = False
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def due(self, channel: Channel, label: str) -> Due:
        """Note an effect that is about to happen."""
        with self._lock:
            effect = Effect(channel, label, self._seen[channel, label])
            whole = Effect(channel, "", self._seen[channel, ""])
            self._seen[channel, label] += 1
            self._seen[channel, ""] += 1
            self.log.append(effect)
            hit = self.step is not None and self.step.effect in (effect, whole)
            self.reached |= hit
        return Due(effect, self.step if hit else None)


@dataclass(frozen=True)
class Due:
    """An effect about to happen; `step` is set when it is the one to go wrong."""

    effect: Effect
    step: Step | None

    def goes_wrong(self, moment: Moment) -> Mode | None:
        """How, if it goes wrong at this moment."""
        return self.step.mode if self.step and self.step.moment == moment else None
