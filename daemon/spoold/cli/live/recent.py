"""The newest failures of a job, by kind.

While a job runs they are found at the ends of its segments, of which only what is new is read, and not all where a job
writes more in a second than a viewer should read. Once it has ended, its report has all of them.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spoold.journal.folder import segment_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spoold.spool import JobDir

_BACK: Final = 128 * 1024  # bytes of a segment that are read at the first look
_MOST: Final = 512 * 1024  # the same at every other
_BAD: Final = re.compile(rb'"s":"(?:failed|quarantined|in-doubt)"')
_KINDS: Final = 50


class _Record(msgspec.Struct):
    """What is wanted of a record."""

    id: str
    s: str
    t: float
    error: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Record).decode


@dataclass(slots=True)
class Kind:
    """Failures of one kind.

    Attributes:
        type: the error's.
        count: how many were seen.
        item: id of the last of them.
        message: what it said.
        t: when, epoch seconds; None: the report does not say.
    """

    type: str
    count: int
    item: str
    message: str
    t: float | None


class Recent:
    """The failures of one job."""

    def __init__(self, directory: JobDir) -> None:
        self._directory = directory
        self._read: dict[str, tuple[int, int]] = {}
        self._kinds: dict[str, Kind] = {}

    def kinds(self) -> list[Kind]:
        """Those seen so far, the newest kind first."""
        return sorted(self._kinds.values(), key=lambda kind: kind.t or 0.0, reverse=True)

    def look(self) -> None:
        """Read what has come since the last look."""
        files = segment_files(self._directory.journal)
        newest = max((file.run for file in files), default=0)
        for file in files:
            if file.run == newest:
                for record in self._fresh(file.path):
                    self._add(record)

    def _add(self, record: _Record) -> None:
        error = record.error or {}
        name = str(error.get("type") or record.s)
        kind = self._kinds.get(name)
        if kind is None:
            if len(self._kinds) >= _KINDS:
                del self._kinds[min(self._kinds, key=lambda one: self._kinds[one].t or 0.0)]
            kind = self._kinds[name] = Kind(name, 0, "", "", 0.0)
        kind.count += 1
        if record.t >= (kind.t or 0.0):
            kind.item, kind.message, kind.t = record.id, str(error.get("message") or ""), record.t

    def _fresh(self, path: str) -> Iterator[_Record]:
        """The records of failures that were not read yet."""
        try:
            with open(path, "rb") as file:
                found = os.fstat(file.fileno())
                ino, at = self._read.get(path, (0, 0))
                first = ino != found.st_ino
                start = max(0, found.st_size - _BACK) if first else max(at, found.st_size - _MOST)
                file.seek(start)
                text = file.read(found.st_size - start)
        except OSError:
            return
        whole = text.rfind(b"\n") + 1
        self._read[path] = (found.st_ino, start + whole)
        yield from _failures(text[:whole])

    def take_report(self) -> None:
        """The job has ended: what its report says is all there is to know."""
        try:
            with open(self._directory.report, "rb") as file:
                rows = json.loads(file.read())["failures"]
            found = {
                row["type"]: Kind(row["type"], row["count"], row["last"]["id"], row["last"]["message"], None)
                for row in rows
            }
        except (OSError, ValueError, KeyError, TypeError):
            return  # there is none yet, or not of our making: what was seen stands
        self._kinds = found


def _failures(text: bytes) -> Iterator[_Record]:
    """The records of failures in some whole lines; the first may be the end of one, with which the reading began."""
    lines = {text.rfind(b"\n", 0, found.start()) + 1: found.start() for found in _BAD.finditer(text)}
    for begin, mark in lines.items():
        try:
            record = _decode(text[begin : text.index(b"\n", mark)])
        except msgspec.DecodeError:
            continue
        if record.s in ("failed", "quarantined", "in-doubt"):
            yield record
