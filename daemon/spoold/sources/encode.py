"""Turns values read from a source into records, a batch at once where that works."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ENCODER: Final = msgspec.json.Encoder()
NOT_UTF8: Final = "not UTF-8"


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
