"""What the records of one item say of its unfinished business: what it saved, what it did once, and what is in doubt.

An item is in doubt when something began of which there is no end: an attempt with a `start` record (at-most-once), or
a `once`. Starts and ends are counted, so that it does not matter in which order two segments are read, nor what the
clock said.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from spoold.core.chunk import Past
from spoold.core.ending import RESOLVED
from spoold.journal.format import FINAL, ItemRecord
from spoold.journal.raw import decode_deep

WANTED = FINAL | {"retry", "start", "save", "once"}
"""The statuses that make a trail."""


class _Once(msgspec.Struct):
    name: str
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    raised: str | msgspec.UnsetType = msgspec.UNSET


class _Error(msgspec.Struct):
    type: str


_once = msgspec.json.Decoder(_Once).decode
_error = msgspec.json.Decoder(_Error).decode


class Trail:
    """The notes of one item, taken in attempt by attempt.

    Attributes:
        saved: JSON text of the newest state.
        once: what `once` returned, as JSON text by name.
        any: whether there is a note.
    """

    def __init__(self, past: Past | None = None) -> None:
        """Begin where an item's past ends."""
        self.saved = past.saved if past is not None else None
        self.once: dict[str, bytes] = dict(past.once or {}) if past is not None else {}
        self.any = bool(self.saved or self.once)
        self._open = 0
        self._running: Counter[str] = Counter()

    def add(self, record: ItemRecord) -> None:
        """Take in a record; those of one attempt in the order of their segment."""
        match record.s:
            case "start":
                self._open += 1
                self.any = True
            case "save":
                self.saved = _text(record.result)
                self.any = True
            case "once":
                self._take_once(decode_deep(_once, _text(record.result)))
                self.any = True
            case "retry" if _error(_text(record.error)).type == RESOLVED:
                self._open = 0
                self._running.clear()
            case status if status == "retry" or status in FINAL:
                self._open -= 1 if self._open else 0
            case _:
                pass

    def _take_once(self, note: _Once) -> None:
        if isinstance(note.value, msgspec.Raw):
            self.once[note.name] = bytes(note.value)
            self._running[note.name] -= 1
        elif isinstance(note.raised, str):
            self._running[note.name] -= 1
        else:
            self._running[note.name] += 1

    def doubt(self, why: str) -> str | None:
        """Why the item must not be run again by itself; None if it may be.

        Args:
            why: what cut the attempt short.
        """
        for name, count in self._running.items():
            if count > 0 and name not in self.once:
                return f"once({name!r}) began and has no end: {why}"
        return f"it began, under at-most-once, and has no outcome: {why}" if self._open > 0 else None

    def past(self, before: Past | None) -> Past | None:
        """An item's past with these notes."""
        if not (self.saved or self.once):
            return before
        return msgspec.structs.replace(before or Past(), saved=self.saved, once=self.once or None)


def _text(part: msgspec.Raw | msgspec.UnsetType) -> bytes:
    return b"null" if isinstance(part, msgspec.UnsetType) else bytes(part)
