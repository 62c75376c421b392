"""Bytes for what holds bitmaps and tallies, for a pipe or a seal; read back by the same version only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from pyroaring import BitMap

from spoold.core.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
_SLICE: Final = 1 << 28
"""Values of a bitmap in a piece of it: a large one has pieces of some MB at most."""


def _hook(value: Any) -> Any:
    if isinstance(value, BitMap):
        return value.serialize()
    if isinstance(value, Tally):
        return value.to_builtins()
    raise NotImplementedError(type(value))


def _unhook(kind: type, value: Any) -> Any:
    if kind is BitMap:
        return BitMap.deserialize(value)
    if kind is Tally:
        return Tally.from_builtins(value)
    raise NotImplementedError(kind)


_encoder = msgspec.msgpack.Encoder(enc_hook=_hook)


def pack(value: Any) -> bytes:
    """The bytes of a dataclass or struct."""
    return _encoder.encode(value)


def unpack(data: bytes, kind: type[T]) -> T:
    """What `pack` made the bytes of.

    Raises:
        msgspec.MsgspecError: they are not of this kind.
    """
    return msgspec.msgpack.decode(data, type=kind, dec_hook=_unhook)


def pieces(bitmap: BitMap) -> Iterator[bytes]:
    """The bytes of a large bitmap, some values at a time, so that it is never held twice."""
    for low in range(0, 1 << 32, _SLICE):
        piece = bitmap & BitMap(range(low, low + _SLICE))
        if piece:
            yield piece.serialize()


def add_piece(bitmap: BitMap, data: bytes) -> None:
    """Put a piece of a bitmap into one."""
    bitmap |= BitMap.deserialize(data)
