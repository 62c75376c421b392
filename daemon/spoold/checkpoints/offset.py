"""A JSON file that says where to go on in a source of pages: {"offset": number} or {"cursor": value}.

It advances only past pages of which every item is settled: to the place of the first page that has an item which is
not, and at the source's end, if all are, to that end (a cursor: to the last page's). An item that repeats an earlier id
never settles by itself, so from its page on the file waits for the source's end. An offset never goes back. The file
is replaced, other keys in it are kept.

What is known of the pages not yet passed is kept beside how far the journal was told; it is small.
"""

from __future__ import annotations

import base64
import os
import time
from itertools import pairwise
from typing import Any, ClassVar, Final, Self

import msgspec
from pyroaring import BitMap

from spoold.checkpoints.base import Checkpoint, Found, Outcome, parse_options
from spoold.checkpoints.replace import read_file, replace_file, target_of
from spoold.errors import CheckpointError

_EVERY: Final = 0.25
"""Seconds between two writes of the file."""
_KEYS: Final = ("offset", "cursor")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of an offset checkpoint."""

    path: str


class Pages(msgspec.Struct):
    """What is known of one generation's pages.

    Attributes:
        generation: of the source.
        places: where each page is whose items are not all settled, by the position of its first item.
        settled: positions at or after the first of those that are settled; a BitMap in base64.
        total, duplicates: items of the source, and how many of them repeat an id; None before its end was seen.
    """

    generation: int = 0
    places: dict[int, dict[str, Any]] = {}
    settled: str = ""
    total: int | None = None
    duplicates: int = 0


class OffsetCheckpoint(Checkpoint):
    """One place in a source; it knows no ids."""

    shared: ClassVar[bool] = False

    def __init__(self, path: str) -> None:
        self.memo = {}
        self._path = path
        self._pages = Pages()
        self._settled = BitMap()
        self._current = False  # what is told now is of the newest generation
        self._start: dict[str, Any] | None = None
        self._place: dict[str, Any] | None = None
        self._opened = False
        self._written_at = 0.0

    @classmethod
    def from_options(cls, options: dict[str, Any], _job: str, cwd: str, /) -> Self:
        """The store that a manifest describes.

        Raises:
            CheckpointError: an option is missing, unknown, or of the wrong kind.
        """
        return cls(os.path.join(cwd, parse_options(options, Options).path))

    def identity(self) -> str:
        """The file."""
        return f"offset {target_of(self._path)}"

    def open(self, _run: int, /) -> bool:
        """Read the file; False when nothing is known of the pages."""
        if self._opened:
            return True  # it could not be written: what was told is still here
        self._path = target_of(self._path)
        self._start = self._place = _place_of(self._read() or {}, self._path)
        self._opened = True
        try:
            self._pages = msgspec.convert(self.memo, Pages, str_keys=True)
            self._settled = BitMap.deserialize(base64.b64decode(self._pages.settled))
        except (msgspec.ValidationError, ValueError, IndexError):  # of a damaged checkpoint.json, or none
            self._pages, self._settled = Pages(), BitMap()
            return False
        return True

    def start(self) -> dict[str, Any] | None:
        """What the file said when it was first read; None: it was not there, or named no place."""
        return self._start

    def look(self, ids: list[str]) -> list[Found]:
        """It knows nothing of ids."""
        return [Found.OPEN] * len(ids)

    def generation(self, number: int) -> None:
        """A new generation has positions of its own."""
        if number > self._pages.generation:
            self._pages, self._settled = Pages(number), BitMap()
        self._current = number == self._pages.generation

    def note(self, event: str, fields: dict[str, Any]) -> None:
        """Take in where a page is, or that the source has ended."""
        if not self._current:
            return
        if event == "page":
            n = int(fields["first"])
            if n >= min(self._pages.places, default=0):
                self._pages.places[n] = dict(fields["at"])
            if self._pages.total is not None and n >= self._pages.total:
                self._pages.total = None  # it has grown since
        elif event == "planned":
            self._pages.total, self._pages.duplicates = int(fields["items"]), int(fields.get("duplicates", 0))

    def record(self, outcomes: list[Outcome]) -> None:
        """Any final record settles its position."""
        if self._current:
            self._settled.update([outcome.n for outcome in outcomes])

    def flush(self, *, must: bool) -> float:
        """Write the place, if it has advanced."""
        self._advance()
        place = self._reached()
        if place is not None and place != self._place:
            wait = self._written_at + _EVERY - time.monotonic()
            if wait > 0 and not must:
                return wait
            self._write(place)
        self._pages.settled = base64.b64encode(self._settled.serialize()).decode()
        self.memo.clear()
        self.memo.update(msgspec.to_builtins(self._pages, str_keys=True))
        return 0.0

    def close(self) -> None:
        """Nothing is held."""

    # ------------------------------------------------------------------ the place

    def _advance(self) -> None:
        """Forget the pages whose items are all settled, save the last."""
        places = self._pages.places
        firsts = sorted(places)
        for first, following in pairwise(firsts):
            if self._settled.range_cardinality(first, following) < following - first:
                break
            del places[first]
        if places:
            self._settled.remove_range(0, min(places))

    def _reached(self) -> dict[str, Any] | None:
        """The place up to which everything is settled."""
        if not self._pages.places:
            return None
        first = min(self._pages.places)
        place, total = self._pages.places[first], self._pages.total
        offset = place.get("offset")
        if total is not None and isinstance(offset, int):
            open_ = total - first - self._settled.range_cardinality(first, total)
            if open_ <= self._pages.duplicates:
                return {"offset": offset + total - first}
        return place

    def _write(self, place: dict[str, Any]) -> None:
        """Put the place into what the file says now."""
        document = self._read() or {}
        before = _place_of(document, self._path) or {}
        if before.get("offset", -1) >= place.get("offset", float("inf")):
            self._place = place  # somebody is further
            return
        document.update({key: msgspec.Raw(msgspec.json.encode(value)) for key, value in place.items()})
        replace_file(self._path, [msgspec.json.encode(document), b"\n"])
        self._place, self._written_at = place, time.monotonic()

    def _read(self) -> dict[str, msgspec.Raw] | None:
        text, _ = read_file(self._path)
        try:
            return None if text is None else msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _wrong(f"it can't be read as JSON: {error}", self._path) from error


def _place_of(document: dict[str, msgspec.Raw], path: str) -> dict[str, Any] | None:
    """The offset or the cursor in a file's object; None: neither."""
    for key in _KEYS:
        if key in document:
            value = msgspec.json.decode(document[key])
            if key == "offset" and (type(value) is not int or value < 0):
                raise _wrong("`offset` is no number from 0", path)
            return {key: value}
    return None


def _wrong(what: str, path: str) -> CheckpointError:
    remedy = 'it must be {"offset": number} or {"cursor": value}; mend it, or move it away: it is not overwritten'
    return CheckpointError(what, where=path, remedy=remedy)
