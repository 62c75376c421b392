"""Items from whatever a callable returns that can be iterated: a list, a generator, an async one.

It is iterated in a thread, so that items are handed on as soon as they come, many at once when they come quickly. No
more than a batch of them is held.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from spoold.errors import SourceError
from spoold.sources.base import MAX_BYTES, MAX_RECORDS, Batch, cut, parse_options
from spoold.sources.encode import encode_items
from spoold.sources.foreign import find
from spoold.sources.patience import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a stream source."""

    iterate: str


class StreamSource:
    """The items of an iterable, by their order."""

    natural_ids: ClassVar[bool] = False
    unique: ClassVar[bool] = False
    own_json: ClassVar[bool] = True
    foreign: ClassVar[bool] = True

    def __init__(self, iterate: str) -> None:
        """Iterates what `iterate`, named as module:callable, returns."""
        self.iterate = iterate
        self._where = f"source stream: {iterate}"

    @classmethod
    def from_options(cls, options: dict[str, Any], _cwd: str) -> Self:
        """The source that a manifest describes.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        return cls(parse_options(options, Options, "stream").iterate)

    def stat(self) -> list[Any] | None:
        """None: only iterating tells."""
        return None

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The items from position `start` on; those before are iterated and passed over.

        Raises:
            SourceError: the callable can't be found, or it or what it returned raised.
        """
        found = find(self.iterate, self._where)
        if not callable(found):
            raise SourceError(f"is a {type(found).__name__}, not a callable", where=self._where)
        pump = _Pump(found, start)
        pump.start()
        n = start
        try:
            while (taken := pump.take())[0]:
                raws, faults = taken
                yield from cut(Batch(n, raws, faults=faults))
                n += len(raws)
        finally:
            pump.stop()
        if pump.error is not None:
            what = one_line(pump.error)
            raise SourceError(
                what, where=f"{self._where} after {pump.count} items", remedy="mend it and resume the job"
            ) from pump.error

    def describe(self) -> str:
        """The source in a few words."""
        return f"stream {self.iterate}"


class _Pump(threading.Thread):
    """Iterates, and holds what was not taken yet.

    Attributes:
        count: items that came, also those passed over.
        error: what ended it early, once nothing is left to take.
    """

    def __init__(self, iterate: Callable[[], Any], skip: int) -> None:
        super().__init__(name="stream", daemon=True)
        self.count = 0
        self.error: BaseException | None = None
        self._iterate = iterate
        self._skip = skip
        self._changed = threading.Condition()
        self._raws: list[bytes] = []
        self._faults: dict[int, str] = {}
        self._size = 0
        self._ended = False
        self._stopped = False

    def take(self) -> tuple[list[bytes], dict[int, str]]:
        """What is there, as soon as there is something; nothing at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._raws or self._ended)
            taken = self._raws, self._faults
            self._raws, self._faults, self._size = [], {}, 0
            self._changed.notify()
            return taken

    def stop(self) -> None:
        """Let it end at its next item."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def run(self) -> None:
        """The thread's life."""
        error = None
        try:
            items = self._iterate()
            if not isinstance(items, (Iterable, AsyncIterable)) and callable(items):
                items = items()  # an instance of a class
            if isinstance(items, AsyncIterable):
                import asyncio  # noqa: PLC0415 - not in the runner, and only for async code

                asyncio.run(self._drain(items))
            else:
                for item in items:
                    if not self._put(item):
                        break
        except BaseException as caught:  # noqa: BLE001 - it is foreign code: what it raises ends the source
            error = caught
        with self._changed:
            self.error, self._ended = error, True
            self._changed.notify()

    async def _drain(self, items: AsyncIterable[Any]) -> None:
        async for item in items:
            if not self._put(item):
                break

    def _put(self, item: Any) -> bool:
        """Hold an item until it is taken; False if nobody wants more."""
        self.count += 1
        if self.count <= self._skip:
            return not self._stopped
        (raw,), faults = encode_items([item])
        with self._changed:
            self._changed.wait_for(self._has_room)
            if faults:
                self._faults[len(self._raws)] = faults[0]
            self._raws.append(raw)
            self._size += len(raw)
            if len(self._raws) == 1:
                self._changed.notify()
            return not self._stopped

    def _has_room(self) -> bool:
        return self._stopped or (len(self._raws) < MAX_RECORDS and self._size < MAX_BYTES)
