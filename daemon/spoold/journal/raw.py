"""JSON text that is passed on as it stands, however deep it is nested."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Decoded = TypeVar("Decoded")


class _Fields(msgspec.Struct):
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    item: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decoder: Final = msgspec.json.Decoder(_Fields)


def raw_field(line: bytes, name: Literal["id", "result", "error", "item"]) -> bytes | None:
    """The JSON text of one field of a valid item record, not decoded; None when it has none."""
    fields = decode_deep(_decoder.decode, line)
    value = getattr(fields, name)
    return None if value is msgspec.UNSET else bytes(value)


def decode_deep(decode: Callable[[bytes], Decoded], text: bytes) -> Decoded:
    """What `decode` makes of a JSON text, however deep it is nested."""
    try:
        return decode(text)
    except RecursionError:
        with deep():
            return decode(text)


@contextmanager
def deep() -> Iterator[None]:
    """Room for what is nested deeper than the stack left to us: who wrote it had more, and it must not look damaged."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
