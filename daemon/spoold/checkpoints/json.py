"""A JSON file of done ids: {"done": [...]}, or a bare list if that is what is there.

The file is replaced, never written into: a reader sees the old list or the new one, whole. That happens every so many
items or seconds (`interval`), but never so often that writing takes more than a twentieth of the time: a list of a
million ids is written every few seconds, not every few items. The file has one writer; if another program replaced it
meanwhile, it is read again and what the journal says is added to what stands there.
"""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar, Final, Self

import msgspec

from spoold.checkpoints.base import DONE, Checkpoint, Found, Outcome, parse_options
from spoold.checkpoints.document import Document
from spoold.checkpoints.replace import read_file, replace_file, state_of, target_of
from spoold.errors import CheckpointLost

_REST: Final = 19.0
"""Times that a write took to be let pass before the next."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a json checkpoint: `interval` is a number of items, or seconds as a float."""

    path: str
    interval: int | float = 50


class JsonCheckpoint(Checkpoint):
    """The ids of a file, in memory as a set."""

    shared: ClassVar[bool] = False

    def __init__(self, path: str, interval: float) -> None:
        """`interval`: items if it is an int, seconds if it is a float."""
        self.memo = {}
        self._path = path
        self._interval = interval
        self._document = Document(None, path)
        self._state: object = None
        self._pending = 0
        self._written_at = 0.0
        self._rest = 0.0

    @classmethod
    def from_options(cls, options: dict[str, Any], _job: str, cwd: str, /) -> Self:
        """The store that a manifest describes.

        Raises:
            CheckpointError: an option is missing, unknown, or of the wrong kind.
        """
        given = parse_options(options, Options)
        return cls(os.path.join(cwd, given.path), given.interval)

    def identity(self) -> str:
        """The file."""
        return f"json {target_of(self._path)}"

    def open(self, _run: int, /) -> bool:
        """Read the file; False when it is not there, or what was told since it was written is not in it."""
        self._path = target_of(self._path)
        if self._state is not None and self._state == state_of(self._path):
            return True  # it could not be written: what it was told is still here
        lost = self._pending > 0
        text, self._state = read_file(self._path)
        self._document = Document(text, self._path)
        self._pending, self._written_at = 0, time.monotonic()
        if text is None:
            self._write()  # what can't be written is told before anything runs
        return text is not None and not lost

    def look(self, ids: list[str]) -> list[Found]:
        """Done is what stands in the list."""
        done = self._document.ids
        return [Found.DONE if id_ in done else Found.OPEN for id_ in ids]

    def record(self, outcomes: list[Outcome]) -> None:
        """Add what is done; the file waits for `flush`."""
        for outcome in outcomes:
            if outcome.s in DONE and outcome.id not in self._document.ids:
                self._document.add(outcome.id)
                self._pending += 1

    def flush(self, *, must: bool) -> float:
        """Replace the file, if something is new and `must`, or it is time."""
        if not self._pending:
            return 0.0
        wait = 0.0 if must else self._due() - time.monotonic()
        if wait > 0:
            return wait
        if state_of(self._path) != self._state:
            raise CheckpointLost("another program replaced it", where=self._path)
        self._write()
        self._pending = 0
        return 0.0

    def _due(self) -> float:
        """When the file may be replaced again."""
        if isinstance(self._interval, float):
            wanted = self._written_at + self._interval
        else:
            wanted = 0.0 if self._pending >= self._interval else float("inf")
        return max(wanted, self._written_at + self._rest)

    def _write(self) -> None:
        began = time.monotonic()
        self._state = replace_file(self._path, self._document.parts())
        self._written_at = time.monotonic()
        self._rest = _REST * (self._written_at - began)

    def close(self) -> None:
        """Nothing is held."""
