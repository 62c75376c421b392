"""What went wrong in a run, by kind of error, with an example or two of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from spoold.report.summary import KINDS, OTHER, UNNAMED

if TYPE_CHECKING:
    from spoold.report.records import Item

_TRACEBACK: Final = 3000  # characters, the end
_MESSAGE: Final = 400


class _Error(msgspec.Struct):
    type: str | None = None
    message: str | None = None
    traceback: str | None = None
    worker: int | None = None


_decode: Final = msgspec.json.Decoder(_Error).decode


@dataclass(frozen=True, slots=True)
class Example:
    """One item that met an error."""

    id: str
    n: int
    t: float
    attempt: int
    message: str
    traceback: str | None


@dataclass(slots=True)
class Kind:
    """All errors of one type."""

    type: str
    count: int
    first: Example
    last: Example


class Faults:
    """Errors by type; a bounded number of types."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {}

    def add(self, record: Item) -> int | None:
        """Take in the error of a record; the slot of the worker that it names, if it does."""
        error = _error_of(record)
        kind = error.type or UNNAMED
        if kind not in self._kinds and len(self._kinds) >= KINDS:
            kind = OTHER
        found = self._kinds.get(kind)
        if found is None:
            example = _example(record, error)
            self._kinds[kind] = Kind(kind, 1, example, example)
        else:
            found.count += 1
            found.last = _example(record, error)
        return error.worker

    def rows(self) -> list[Kind]:
        """The kinds, commonest first."""
        return sorted(self._kinds.values(), key=lambda kind: (-kind.count, kind.type))

    def of(self, kind: str) -> int:
        """How many were of this type."""
        found = self._kinds.get(kind)
        return 0 if found is None else found.count


def _error_of(record: Item) -> _Error:
    if isinstance(record.error, msgspec.Raw):
        try:
            return _decode(record.error)
        except msgspec.ValidationError:  # only a forged record has such an error
            return _Error()
    return _Error()


def _example(record: Item, error: _Error) -> Example:
    trace = error.traceback
    if trace is not None and len(trace) > _TRACEBACK:
        trace = "…" + trace[-_TRACEBACK:]
    return Example(record.id, record.n, record.t, record.attempt, (error.message or "")[:_MESSAGE], trace)
