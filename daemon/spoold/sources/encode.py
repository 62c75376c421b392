"""Turns values read from a source into records, a batch at once where that works."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from spoold.sources.base import FAULT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ENCODER: Final = msgspec.json.Encoder()
NOT_UTF8: Final = "not UTF-8"
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
_UNFIT: Final = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)


def encode_records(values: Sequence[Any]) -> list[bytes]:
    """The JSON texts of values.

    Raises:
        UnicodeEncodeError: a text in one of them holds bytes that are not UTF-8.
    """
    return _ENCODER.encode_lines(values).split(b"\n")[:-1]


def decode_texts(texts: list[bytes]) -> list[str]:
    """Bytes as text; bytes that are not UTF-8 become lone surrogates, which `encode_records` refuses."""
    joined = b"\n".join(texts)
    try:
        return joined.decode().split("\n") if texts else []
    except UnicodeDecodeError:
        return joined.decode(errors="surrogateescape").split("\n")


def encode_or_fault(values: Sequence[Any], show: Callable[[int], Any]) -> tuple[list[bytes], dict[int, str]]:
    """The JSON texts of values, and which are faults since they are not UTF-8.

    What stands for a fault is `show(index)` as text, with those bytes escaped.
    """
    try:
        return encode_records(values), {}
    except UnicodeEncodeError:
        pass
    raws: list[bytes] = []
    faults: dict[int, str] = {}
    for index, value in enumerate(values):
        try:
            raws.append(_ENCODER.encode(value))
        except UnicodeEncodeError:
            raws.append(shown(show(index)))
            faults[index] = NOT_UTF8
    return raws, faults


def shown(value: Any) -> bytes:
    """Damaged text, or what holds it, as JSON text; a byte that is not UTF-8 becomes its escape in hex."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _ENCODER.encode(text.encode(errors="surrogateescape").decode(errors="backslashreplace"))


def encode_items(values: Sequence[Any]) -> tuple[list[bytes], dict[int, str]]:
    """The JSON texts of items that foreign code gave, and what is wrong with those that can't be items.

    An item is an object; a scalar becomes {"value": scalar}. What JSON has no form for is written as usual: moments and
    dates as ISO 8601, Decimal and UUID as text, bytes in base64, NaN and infinities as null.
    """
    faults: dict[int, str] = {}
    try:
        raws = encode_records(values)
    except _UNFIT:
        raws = [_encode_or_fault(value, index, faults) for index, value in enumerate(values)]
    for index, raw in enumerate(raws):
        if raw[:1] == b"{" or index in faults:
            continue
        if raw[:1] == b"[":
            faults[index] = "is a list: an item is an object, or text or a number"
        else:
            raws[index] = b'{"value":%b}' % raw
    return raws, faults


def _encode_or_fault(value: Any, index: int, faults: dict[int, str]) -> bytes:
    try:
        return _ENCODER.encode(value)
    except _UNFIT as error:
        faults[index] = NOT_UTF8 if isinstance(error, UnicodeEncodeError) else f"not JSON: {error}"
        return _glance(value)


def _glance(value: Any) -> bytes:
    """The beginning of what Python shows for a value, as JSON text; without addresses, which are others each time."""
    try:
        text = _ADDRESS.sub("", repr(value)[:FAULT_BYTES])
    except Exception as error:  # noqa: BLE001 - repr() is foreign code as well
        text = f"a {type(value).__name__} whose repr() raised {type(error).__name__}"
    return _ENCODER.encode(text.encode(errors="backslashreplace").decode())
