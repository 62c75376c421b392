"""A checkpoint of stamps: a folder with an empty file for each item that is done."""

from __future__ import annotations

import os
from hashlib import sha256
from time import monotonic
from typing import Any, ClassVar, Self
from urllib.parse import quote

import msgspec

from spoold.checkpoints.base import DONE, Checkpoint, Found, Outcome, parse_options, trouble
from spoold.errors import CheckpointError, CheckpointLost

EVERY = 1.0
_LONGEST = 200


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of it."""

    path: str


class StampsCheckpoint(Checkpoint):
    """Stamps that others can see and make; what the Protocol has defaults for is left as it is."""

    shared: ClassVar[bool] = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._dirty = False
        self._synced = 0.0

    @classmethod
    def from_options(cls, options: dict[str, Any], _job: str, cwd: str, /) -> Self:
        """The store that a manifest describes."""
        return cls(os.path.join(cwd, parse_options(options, Options).path))

    def identity(self) -> str:
        """Tells it from every other store."""
        return f"stamps {self._path}"

    def open(self, _run: int, /) -> bool:
        """Make the folder; if it was there, the stamps in it are as good as they were."""
        there = os.path.isdir(self._path)
        try:
            os.makedirs(self._path, exist_ok=True)
        except OSError as error:
            raise trouble(error, self._path) from None
        return there

    def look(self, ids: list[str]) -> list[Found]:
        """What is known of each id."""
        return [Found.DONE if os.path.exists(self._stamp(one)) else Found.OPEN for one in ids]

    def record(self, outcomes: list[Outcome]) -> None:
        """Stamp what is done; a stamp that is there already stays."""
        try:
            for outcome in outcomes:
                if outcome.s in DONE:
                    os.close(os.open(self._stamp(outcome.id), os.O_WRONLY | os.O_CREAT, 0o644))
                    self._dirty = True
        except OSError as error:
            raise self._trouble(error) from None

    def flush(self, *, must: bool) -> float:
        """Make the stamps durable, once a second: with their folder, since they hold nothing."""
        wait = self._synced + EVERY - monotonic()
        if self._dirty and (must or wait <= 0):
            self._sync()
        return max(0.0, wait) if self._dirty else 0.0

    def close(self) -> None:
        """Nothing is held open."""

    def _sync(self) -> None:
        try:
            folder = os.open(self._path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._trouble(error) from None
        self._dirty = False
        self._synced = monotonic()

    def _trouble(self, error: OSError) -> CheckpointError:
        if isinstance(error, FileNotFoundError):
            return CheckpointLost("the folder was removed", where=self._path)  # made again, and told everything
        return trouble(error, self._path)

    def _stamp(self, item_id: str) -> str:
        name = quote(item_id, safe=" @", errors="surrogatepass")
        if not name or len(name) > _LONGEST or name.startswith("."):
            name = f"sha256-{sha256(item_id.encode(errors='surrogatepass')).hexdigest()}"
        return os.path.join(self._path, name)
