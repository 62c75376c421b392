"""From items to calls of the handler, and from what comes of a call to records.

A call has one item, or as a list as many as `batch` says. When a call with a list raises and no other attempt is to
follow, nobody knows whose fault it is: the list is halved, and its halves are called again, until the one to blame is
alone. An exception that the handler returns in the place of a result is that item's alone.

It is a generator of calls, which its driver makes, with or without an event loop.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from time import monotonic
from typing import Any, NamedTuple

import msgspec

from spoold.core.chunk import Chunk, Past
from spoold.journal.format import id_texts
from spoold.system.process import exit_now
from spoold.worker import outcome
from spoold.worker.account import Attempt
from spoold.worker.context import Item
from spoold.worker.notes import Shield
from spoold.worker.outcome import ResultError
from spoold.worker.ration import LEAST
from spoold.worker.station import Station
from spoold.worker.steer import Fatal, RetryLater, Skip

_to_json = msgspec.json.encode
_from_json = msgspec.json.decode


class Reply(NamedTuple):
    """What came of a call: a value, or what it raised."""

    value: Any = None
    error: BaseException | None = None


Arguments = tuple[Any, ...]
Call = Generator[Arguments, Reply, None]
"""Gives the arguments of one call after another, and takes what came of each."""


class Calls:
    """Makes the calls of one worker."""

    def __init__(self, station: Station, shield: Shield = nullcontext) -> None:
        """Make them at a station; `shield` holds up the end of an attempt's time while it is noted."""
        self._spec = station.spec
        self._slot = station.slot
        self._line = station.line
        self._recorder = station.recorder
        self._account = station.account
        self._listed = station.spec.batch > 1
        self._wants_context = station.handler.wants_context
        self._shield = shield
        self._log = logging.getLogger("handler")

    def of(self, chunk: Chunk, first: int, count: int) -> Call:
        """The calls for so many items of a chunk; when they end, each item has its record."""
        attempts = [Attempt(chunk, i) for i in range(first, first + count)]
        self._account.starts(attempts)
        parts = deque([attempts])
        while parts:
            part, items = self._read(parts.popleft())
            if not part:
                continue
            arguments = self._arguments(part, items)
            del items
            began = monotonic()
            reply = yield arguments
            del arguments
            seconds = monotonic() - began
            for attempt in part:
                attempt.close()
            if self._recorder.forked:
                exit_now(0 if reply.error is None else 1)
            self._account.flush_streams()
            reply = self._checked(part, reply, seconds)
            parts.extendleft(reversed(self._settle(part, reply, began + seconds, seconds)))

    def _read(self, part: list[Attempt]) -> tuple[list[Attempt], list[Any]]:
        """The items of a part; what can't be read has failed."""
        good, items = [], []
        for attempt in part:
            try:
                items.append(_from_json(attempt.chunk.raws[attempt.i]))
                good.append(attempt)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                self._account.bad(attempt, error, 0.0)
        return good, items

    def _arguments(self, part: list[Attempt], items: list[Any]) -> Arguments:
        if not self._wants_context:
            return (items,) if self._listed else (items[0],)
        contexts = [self._context(attempt) for attempt in part]
        return (items, contexts) if self._listed else (items[0], contexts[0])

    def _context(self, attempt: Attempt) -> Item:
        chunk, i, spec = attempt.chunk, attempt.i, self._spec
        item_id, number = chunk.ids[i], attempt.number
        past = attempt.carry(attempt.past or Past())  # in a part of a list, with what was noted in the whole
        attempt.notes = self._recorder.notes(
            chunk.ns[i], _to_json(item_id), number, past, spec.result_limit, self._shield
        )
        return Item(item_id, number, spec.job, self._slot, self._log, self._line, attempt.notes)

    def _checked(self, part: list[Attempt], reply: Reply, seconds: float) -> Reply:
        """The reply, unless memory ran out over it."""
        excess = self._account.overdrawn() if seconds > LEAST else None
        if excess is not None:
            if self._spec.at_most_once and reply.error is None:
                for attempt in part:
                    attempt.doubt = attempt.doubt or excess
            return Reply(error=MemoryError(excess))
        if reply.error is not None and outcome.is_starved(reply.error):
            self._account.starved = True  # whatever filled this process, the runner replaces it
            outcome.make_room(reply.error)
        return reply

    # ------------------------------------------------------------------ what came of it

    def _settle(self, part: list[Attempt], reply: Reply, ended: float, seconds: float) -> list[list[Attempt]]:
        """Record what came of a call; the parts to be called again."""
        if reply.error is None:
            for attempt, value in zip(part, self._results(part, reply.value), strict=True):
                self._end(attempt, value, ended, seconds)
            return []
        error, left = reply.error, []
        for attempt in part:
            if len(part) == 1 or attempt.doubt or self._is_for_all(attempt, error):
                self._account.bad(attempt, error, seconds)
            else:
                left.append(attempt)
        middle = (len(left) + 1) // 2
        return [half for half in (left[:middle], left[middle:]) if half]

    def _is_for_all(self, attempt: Attempt, error: BaseException) -> bool:
        """Whether an exception ends this attempt, of whichever item of the list it speaks."""
        return isinstance(error, (Skip, Fatal, RetryLater)) or self._account.again(attempt, error)

    def _results(self, part: list[Attempt], value: Any) -> Sequence[Any]:
        """A result or an exception for each item."""
        if not self._listed:
            return [value]
        if not isinstance(value, (list, tuple)):
            what = f"the handler returned a {type(value).__name__} for a batch, not a list of results"
        elif len(value) != len(part):
            what = f"the handler returned {len(value)} results for a batch of {len(part)}"
        else:
            return value
        return [ResultError(what)] * len(part)

    def _end(self, attempt: Attempt, value: Any, ended: float, seconds: float) -> None:
        if isinstance(value, BaseException):
            self._account.bad(attempt, value, seconds)
            return
        try:
            result = outcome.encode_result(value, self._spec.result_limit)
        except ResultError as error:
            self._account.bad(attempt, error, seconds)
        else:
            n, id_text = attempt.chunk.ns[attempt.i], id_texts([attempt.chunk.ids[attempt.i]])[0]
            self._account.ok(n, id_text, attempt.number, result, ended, seconds)
