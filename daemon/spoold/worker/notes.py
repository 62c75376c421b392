"""What an item leaves in the journal before it has ended: its partial progress, and effects that must not be repeated.

Promise of `once`: that the call begins stands durably in the journal before it begins, and what it returned before
`once` returns. So after a crash an effect is known to be done, or known not to have begun, or the item is in doubt; it
is never repeated by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Final, TypeVar

import msgspec

from spoold.core.chunk import Past
from spoold.worker.outcome import ResultError, encode_result
from spoold.worker.steer import ItemTimeout

Result = TypeVar("Result")
Write = Callable[[str, bytes, bool], None]
"""Appends a record of this status with this result; the third argument says that it must be durable."""

_NOTHING: Final = Past()


class Notes:
    """The notes of one attempt.

    Attributes:
        saved: JSON text of the newest state.
        known: what `once` returned, as JSON text by name.
        doubt: the name of a `once` of which nobody knows whether it took effect.
        any: whether the journal has notes of this item.
    """

    __slots__ = ("_closed", "_limit", "_lock", "_running", "_write", "any", "doubt", "known", "saved")

    def __init__(self, write: Write, limit: int, past: Past | None) -> None:
        """Go on from an item's past.

        Args:
            write: appends a record.
            limit: bytes that the JSON text of a state or a value may have.
            past: what earlier attempts left.
        """
        before = past or _NOTHING
        self._write = write
        self._limit = limit
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
        self._put("save", text, durable=False)
        self.saved = text

    def once(self, name: str, fn: Callable[..., Result], args: tuple[Any, ...]) -> Result:
        """Call `fn(*args)`, unless an attempt of this item did so under this name; what it returned.

        Raises:
            ResultError: what it returned can't be recorded; it is known to have run.
            RuntimeError: it is running, or the item has ended.
            BaseException: what it raised; then it may run again.
        """
        if name in self.known:
            value: Result = msgspec.json.decode(self.known[name])
            return value
        if name in self._running:
            raise RuntimeError(f"once({name!r}) is running already")
        named = msgspec.json.encode(name)
        self._put("once", b'{"name":%b}' % named, durable=True)
        self._running.add(name)
        try:
            value = fn(*args)
        except ItemTimeout:
            self.doubt = name  # cut short at a point that nobody knows
            raise
        except BaseException as error:
            raised = msgspec.json.encode(type(error).__name__)
            self._put("once", b'{"name":%b,"raised":%b}' % (named, raised), durable=False)
            raise
        finally:
            self._running.discard(name)
        try:
            text = encode_result(value, self._limit) or b"null"
        except ResultError:
            self._returned(name, named, b"null")
            raise
        self._returned(name, named, text)
        return value

    def _returned(self, name: str, named: bytes, text: bytes) -> None:
        self._put("once", b'{"name":%b,"value":%b}' % (named, text), durable=True)
        self.known[name] = text

    def _put(self, status: str, result: bytes, *, durable: bool) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("the item has ended, so nothing more can be recorded for it")
            self._write(status, result, durable)
            self.any = True

    def close(self) -> None:
        """The attempt has ended: a thread that it left behind records nothing more."""
        with self._lock:
            self._closed = True
