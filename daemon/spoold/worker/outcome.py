"""Turning what a handler returned or raised into the parts of its record.

Sizes are capped here, so that no error and no item can make a record larger than the result limit allows. A result is
never cut: one that is too large or not JSON makes the item fail with `result`.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, Final

import msgspec

from spoold.core.ending import OURS
from spoold.system.memory import lift_bound

MESSAGE_CAP: Final = 4 * 1024
TRACEBACK_CAP: Final = 16 * 1024
ITEM_CAP: Final = 64 * 1024
DEPTH_CAP: Final = 200
RESULT_DEPTH: Final = 10_000
"""Levels that a result may have: what is nested deeper our own readers could not take."""
_LINKS: Final = 100
_QUICK: Final = 64 * 1024
"""Bytes of JSON text that may be read back to be compared; more would take memory that may not be there."""
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_MIDDLE: Final = ord("[") + 1
"""Less an opening bracket it is 1, less a closing one -1."""

_to_json: Final = msgspec.json.encode
_from_json: Final = msgspec.json.decode
_strict: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class ResultError(Exception):
    """A handler returned what can't be recorded."""


def encode_result(value: Any, limit: int) -> bytes | None:
    """The JSON text of a handler's return value; None for None.

    Raises:
        ResultError: it is not JSON, its text is longer than `limit` bytes, or it is nested too deep.
    """
    if value is None:
        return None
    if (least := _longest_text(value)) > limit:
        raise ResultError(f"the result has at least {least} bytes, the limit is {limit} (limits.result)")
    try:
        text = _quickly(value) or _strict(value).encode()
    except MemoryError:
        raise ResultError(f"the handler returned a {type(value).__name__} for whose text memory ran out") from None
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise ResultError(f"the handler returned a {type(value).__name__} that is not JSON: {shown(error)}") from None
    if len(text) > limit:
        raise ResultError(f"the result has {len(text)} bytes, the limit is {limit} (limits.result)")
    if not _depth_within(text, RESULT_DEPTH):
        raise ResultError(f"the result is nested deeper than {RESULT_DEPTH} levels")
    return text


def _quickly(value: Any) -> bytes | None:
    """The JSON text of a value by an encoder that is several times as fast, but takes more than JSON has.

    It writes a NaN as null, bytes and dates as text, a set as a list; so its text counts only if it reads back as the
    same value. None: the strict one must say.
    """
    try:
        text = _to_json(value)
        same = type(value) is str or (len(text) <= _QUICK and _from_json(text) == value)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the strict one says it better
        return None
    return text if same else None


def _longest_text(value: Any) -> int:
    """Characters of a text in the value, not looking deep: it would take several times its memory to find out."""
    kind = type(value)
    if kind is str:
        return len(value)
    parts = value.values() if kind is dict else value if kind is list or kind is tuple else ()
    return max((len(part) for part in parts if type(part) is str), default=0)


def encode_error(error: BaseException, *, kind: str | None = None) -> bytes:
    """{"type","message","traceback"} as JSON; the traceback starts below spoold's own frames."""
    below = error.__traceback__.tb_next if error.__traceback__ else None
    while below is not None and str(below.tb_frame.f_globals.get("__name__")).startswith("spoold."):
        below = below.tb_next  # all of them, where the handler is a program
    try:
        text = "".join(traceback.format_exception(type(error), error, below))
    except Exception as second:  # noqa: BLE001 - an exception may raise anything while it is shown
        text = f"(no traceback: {type(second).__name__} while formatting it)"
    message = shown(error) or ("out of memory" if isinstance(error, MemoryError) else "")
    fields = {"type": clean(kind or _type_of(error), 256), "message": clean(message, MESSAGE_CAP)}
    return msgspec.json.encode({**fields, "traceback": clean(text, TRACEBACK_CAP)})


def _type_of(error: BaseException) -> str:
    kind = type(error)
    return f"{kind.__module__}.{kind.__name__}" if kind.__name__ in OURS else kind.__name__


def plain_error(kind: str, message: str) -> bytes:
    """An error that no Python exception stands behind."""
    return msgspec.json.encode({"type": kind, "message": clean(message, MESSAGE_CAP)})


def type_and_message(error: bytes) -> tuple[str, str]:
    """The type and the message of an encoded error."""
    fields = msgspec.json.decode(error, type=_Shown)
    return fields.type, fields.message


class _Shown(msgspec.Struct):
    type: str
    message: str


def is_starved(error: BaseException) -> bool:
    """Whether memory ran out: it is a MemoryError, or was raised over one, or there is none left to find out."""
    try:
        return any(isinstance(one, MemoryError) for one in _chain(error))
    except MemoryError:
        return True


def make_room(error: BaseException) -> None:
    """Free what the frames of a handler hold that ran out of memory, and have some to say so with.

    The process is replaced afterwards, so its bound needs no putting back.
    """
    lift_bound()
    for one in _chain(error):
        traceback.clear_frames(one.__traceback__)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and those over which it was raised, as far as anybody wants to know."""
    one: BaseException | None = error
    for _ in range(_LINKS):
        if one is None:
            return
        yield one
        one = one.__context__


def shown(error: BaseException) -> str:
    """str() of an exception, also of one whose str() raises."""
    return _guarded(lambda: str(error), error)


def _guarded(show: Callable[[], str], error: BaseException) -> str:
    try:
        return show()
    except BaseException as second:  # noqa: BLE001 - the same: str() is the handler's code
        return f"(str() of this {type(error).__name__} raised {type(second).__name__})"


def clean(text: str, cap: int = MESSAGE_CAP) -> str:
    """Without lone surrogates, and cut in the middle where it is too long: the ends tell most."""
    text = text.encode(errors="backslashreplace").decode()
    if len(text) <= cap:
        return text
    half = cap // 2
    return f"{text[:half]}\n... ({len(text) - 2 * half} characters left out) ...\n{text[-half:]}"


def capped_item(raw: bytes) -> bytes:
    """The item for a failure's record: as it is, or, when large, its beginning and its size.

    What is not JSON, or is nested so deep that a reader of the record could fail over it, becomes text.
    """
    if len(raw) <= ITEM_CAP:
        try:
            msgspec.json.decode(raw, type=msgspec.Raw)
            raw.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return msgspec.json.encode(raw.decode(errors="backslashreplace"))
        return raw if _depth_within(raw, DEPTH_CAP) else msgspec.json.encode(raw.decode())
    head = raw[:1024].decode(errors="replace")
    return msgspec.json.encode({"truncated": True, "bytes": len(raw), "head": head})


def _depth_within(raw: bytes, most: int) -> bool:
    """Whether JSON is nested at most so deep."""
    if len(raw) <= most or raw.count(b"[") + raw.count(b"{") <= most:
        return True
    brackets = _STRINGS.sub(b"", raw).translate(_SQUARE, _NOT_BRACKETS)
    return max(accumulate(map(_MIDDLE.__sub__, brackets)), default=0) <= most
