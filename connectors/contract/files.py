"""Checks how the files of one table are delivered: text form, complete sets, what is expected, what is archived."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal, cast

from connectors.contract import vocabulary
from connectors.contract.checks import Checks
from connectors.contract.document import Value
from connectors.contract.model import Archive, CompleteWhen, Expected, FileRules

_MARKER = re.compile(r"\*\.[\w.-]+|[\w.-]+")


class FileRulesCheck:
    """The delivery rules in one table's meta."""

    def __init__(self, checks: Checks, where: str, meta: Value) -> None:
        self._checks = checks
        self._where = where
        self._meta = meta

    def rules(self, prefix: str, kind: str | None, freshness: Value | None) -> FileRules:
        """Check everything, then build the rules."""
        if kind != "csv":
            for key in ("delimiter", "encoding"):
                value = self._meta.get(key)
                if value is not None:
                    self._checks.bad(value, f"{key} of {self._where}: has a meaning for format csv only")
        encoding = self._one_of("encoding", vocabulary.ENCODINGS) or "utf-8"
        return FileRules(
            delimiter=self._one_of("delimiter", vocabulary.DELIMITERS) or ",",
            encoding=cast(Literal["utf-8", "latin-1"], encoding),
            complete_when=self._complete_when(),
            expected=self._expected(),
            archive=self._archive(prefix),
            stale_after=_age(freshness.get("error_after") if freshness else None),
        )

    def _one_of(self, key: str, known: tuple[str, ...]) -> str:
        value = self._meta.get(key)
        return "" if value is None else self._checks.one_of(value, known, f"{key} of {self._where}")

    def _complete_when(self) -> CompleteWhen | None:
        value = self._meta.get("complete_when")
        if value is None:
            return None
        where = f"complete_when of {self._where}"
        self._checks.keys(value, vocabulary.COMPLETE_WHEN, where)
        given = [kind for kind in vocabulary.COMPLETE_WHEN if value.get(kind)]
        if len(given) != 1:
            self._checks.bad(value, f"{where}: needs either marker or manifest")
            return None
        name = self._checks.text(value, given[0], where)
        if name and (not _MARKER.fullmatch(name) or (given[0] == "manifest" and "*" in name)):
            like = "_SUCCESS or *.done" if given[0] == "marker" else "manifest.json"
            self._checks.bad(value, f"{where}: {given[0]} {name!r} must be a file name like {like}")
        return CompleteWhen(cast(Literal["marker", "manifest"], given[0]), name)

    def _expected(self) -> Expected | None:
        value = self._meta.get("expected")
        if value is None:
            return None
        where = f"expected of {self._where}"
        self._checks.keys(value, vocabulary.EXPECTED, where)
        every = value.get("every")
        if every is None:
            self._checks.bad(value, f"{where}: every is missing")
        rhythm = self._checks.one_of(every, vocabulary.EVERY, f"{where}: every") if every else ""
        date = self._checks.text(value, "date", where)
        if date and sorted(re.findall("%.", date)) != ["%Y", "%d", "%m"]:
            self._checks.bad(
                value.get("date") or value, f"{where}: date needs %Y, %m and %d, each once, and no other %"
            )
        return Expected(
            cast(Literal["day", "weekday"], rhythm or "day"),
            date,
            grace_days=self._number(value, "grace_days", where, least=0, otherwise=1),
            gap_days=self._number(value, "gap_days", where, least=0, otherwise=0),
        )

    def _archive(self, prefix: str) -> Archive | None:
        value = self._meta.get("after_load")
        if value is None:
            return None
        where = f"after_load of {self._where}"
        self._checks.keys(value, vocabulary.AFTER_LOAD, where)
        target = self._checks.text(value, "archive", where)
        if target and not target.endswith("/"):
            self._checks.bad(value, f"{where}: archive must end with /")
        if target and prefix.startswith(target):
            self._checks.bad(value, f"{where}: archive {target!r} contains the prefix")
        if value.get("days") is None:
            self._checks.bad(value, f"{where}: days is missing")
        return Archive(target, self._number(value, "days", where, least=1, otherwise=1))

    def _number(self, owner: Value, key: str, where: str, *, least: int, otherwise: int) -> int:
        value = owner.get(key)
        if value is None:
            return otherwise
        if isinstance(value.content, bool) or not isinstance(value.content, int) or value.content < least:
            self._checks.bad(value, f"{where}: {key} must be a whole number, {least} or more")
            return otherwise
        return value.content


def _age(value: Value | None) -> timedelta | None:
    count, period = (value.get("count"), value.get("period")) if value else (None, None)
    if count is None or period is None or not isinstance(count.content, int):
        return None
    return timedelta(**{f"{period.content}s": count.content}) if period.content in vocabulary.PERIODS else None
