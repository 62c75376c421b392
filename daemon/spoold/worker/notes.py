"""What an item leaves in the journal before it has ended: its partial progress, and effects that must not be repeated.

Promise of `once`: that the call begins stands durably in the journal before it begins, and what it returned before
`once` returns. So after a crash an effect is known to be done, or known not to have begun, or the item is in doubt; it
is never repeated by itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any, Final, TypeVar, cast

import msgspec

from spoold.core.chunk import Past
from spoold.journal.raw import decode_deep
from spoold.worker.outcome import ResultError, encode_result
from spoold.worker.steer import ItemTimeout

Result = TypeVar("Result")
Write = Callable[[str, bytes, bool], None]
"""Appends a record of this status with this result; the third argument says that it must be durable."""
Shield = Callable[[], AbstractContextManager[None]]
"""Within it the attempt's time does not run out."""

_NOTHING: Final = Past()
_json: Final = msgspec.json.encode


class Notes:
    """The notes of one attempt.

    A record and what follows from it here are one step: whatever interrupts the handler, and whichever thread of it
    speaks, this and the journal say the same.

    Attributes:
        saved: JSON text of the newest state.
        known: what `once` returned, as JSON text by name.
        doubt: after the attempt, the name of a `once` of which nobody knows whether it took effect.
        any: whether the journal has notes of this item.
    """

    __slots__ = ("_closed", "_limit", "_lock", "_running", "_shield", "_write", "any", "doubt", "known", "saved")

    def __init__(self, write: Write, limit: int, past: Past | None, shield: Shield = nullcontext) -> None:
        """Go on from an item's past.

        Args:
            write: appends a record.
            limit: bytes that the JSON text of a state or a value may have.
            past: what earlier attempts left.
            shield: holds up the end of the attempt's time while a record is made.
        """
        before = past or _NOTHING
        self._write = write
        self._limit = limit
        self._shield = shield
        self._lock = Lock()
        self._running: set[str] = set()
        self._closed = False
        self.saved = before.saved
        self.known = dict(before.once or {})
        self.doubt: str | None = None
        self.any = before.saved is not None or bool(before.once)

    def save(self, state: object) -> None:
        """Keep a state.

        Raises:
            ResultError: it is not JSON, or too large.
            RuntimeError: the item has ended.
        """
        text = encode_result(state, self._limit) or b"null"
        with self._step():
            self._put("save", text, durable=False)
            self.saved = text

    def once(self, name: str, fn: Callable[..., Result], args: tuple[Any, ...]) -> Result:
        """Call `fn(*args)`, unless an attempt of this item did so under this name; what it returned.

        Raises:
            ResultError: what it returned can't be recorded; it is known to have run.
            RuntimeError: it is running, or the item has ended.
            TypeError: the name is no text.
            BaseException: what it raised; then it may run again.
        """
        if not isinstance(name, str):
            raise TypeError(f"the name of a once is text, not {name!r}")
        if inspect.iscoroutinefunction(fn):
            return cast("Result", self._once_awaited(name, fn, args))
        value: Result
        known = self._begin(name)
        if known is not None:
            value = decode_deep(msgspec.json.decode, known)
            return value
        try:
            value = fn(*args)
        except ItemTimeout:
            raise  # cut short at a point that nobody knows, as anything is that leaves it running
        except BaseException as error:
            self._raised(name, type(error).__name__)
            raise
        self._keep(name, value)
        return value

    async def _once_awaited(self, name: str, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """The same for an `async def` function, to be awaited."""
        from asyncio import CancelledError  # noqa: PLC0415 - only where there is a loop

        known = self._begin(name)
        if known is not None:
            return decode_deep(msgspec.json.decode, known)
        try:
            value = await fn(*args)
        except CancelledError:
            raise  # cut short at a point that nobody knows
        except BaseException as error:
            self._raised(name, type(error).__name__)
            raise
        self._keep(name, value)
        return value

    def _keep(self, name: str, value: object) -> None:
        try:
            text = encode_result(value, self._limit) or b"null"
        except ResultError:
            self._returned(name, b"null")
            raise
        self._returned(name, text)

    def _begin(self, name: str) -> bytes | None:
        """Record that a call begins, unless there is what it returned before."""
        began = False
        try:
            with self._step():
                if name in self.known:
                    return self.known[name]
                if name in self._running:
                    raise RuntimeError(f"once({name!r}) is running already")
                self._put("once", b'{"name":%b}' % _json(name), durable=True)
                self._running.add(name)
                began = True
        except ItemTimeout as late:
            if began:
                self._raised(name, type(late).__name__)  # it was not called
            raise
        return None

    def _raised(self, name: str, kind: str) -> None:
        with self._step():
            self._put("once", b'{"name":%b,"raised":%b}' % (_json(name), _json(kind)), durable=False)
            self._running.discard(name)

    def _returned(self, name: str, text: bytes) -> None:
        with self._step():
            self._put("once", b'{"name":%b,"value":%b}' % (_json(name), text), durable=True)
            self.known[name] = text
            self._running.discard(name)

    @contextmanager
    def _step(self) -> Iterator[None]:
        with self._shield(), self._lock:
            if self._closed:
                raise RuntimeError("the item has ended, so nothing more can be recorded for it")
            yield

    def _put(self, status: str, result: bytes, *, durable: bool) -> None:
        self._write(status, result, durable)
        self.any = True

    def close(self) -> None:
        """The attempt has ended: a thread that it left behind records nothing more."""
        with self._lock:
            self._closed = True
            self.doubt = min(self._running, default=None)
