"""What makes two items the same item: the text that stands for an item's identity.

An id is text or an integer and compares as text, so 5 and "5" are one item. An id longer than 512 bytes is stood for
by its digest; that is the only case in which an id is not the text the user knows. Everything else (true, 1.5, null,
"", lists) is refused, since such values print in more than one way.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import msgspec

from spoold.errors import SpooldError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ID_BYTES: Final = 512
"""UTF-8 bytes of an id; a longer one becomes its digest."""
_MAX_BITS: Final = 13_000  # Python refuses to print integers of more than 4,300 digits (about 14,284 bits)
_DIGITS: Final = 9
"""Of an id that is its own mark: what they make is below 2**32, whatever they are."""
_TAIL: Final = 6
"""Digits at the end of an id that make a number of their own: fewer count too few items to matter."""
_MASK: Final = 0xFFFFFFFF
_numbers: Final = msgspec.json.Decoder(list[int]).decode
_SORTED: Final = json.JSONEncoder(sort_keys=True)


class IdentityError(SpooldError):
    """A value that can't be an id."""


def id_text(value: object) -> str:
    """The id that a value of an item stands for.

    Raises:
        IdentityError: it is neither text nor an integer, or it is empty.
    """
    if type(value) is int:
        if value.bit_length() > _MAX_BITS:
            raise IdentityError("the id is an integer of thousands of digits")
        text = str(value)
    elif type(value) is str:
        text = value
    else:
        raise IdentityError(
            f"an id is text or an integer, not {_kind(value)}", remedy="name another field or set `id: content`"
        )
    if not text:
        raise IdentityError("the id is empty", remedy="set `id: position` or `id: content`")
    if len(text) * 4 <= MAX_ID_BYTES:  # the usual case: short whatever its characters
        return text
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise IdentityError("the id is not valid Unicode") from None
    return text if len(data) <= MAX_ID_BYTES else f"sha256:{hashlib.sha256(data).hexdigest()}"


def content_id(item: Any) -> str:
    """The SHA-256, in hex, of `json.dumps(item, sort_keys=True)`.

    Raises:
        TypeError: the item is not made of JSON values.
    """
    return hashlib.sha256(_SORTED.encode(item).encode()).hexdigest()


def mark(item_id: str) -> int:
    """32 bits that stand for an id where duplicates are looked for; few others have the same.

    Short numbers are their own marks, and the marks of names that end in a number follow each other as the numbers do:
    those of neighbours lie densely in a bitmap, which takes them sooner and in less room.
    """
    if item_id.isdigit() and len(item_id) <= _DIGITS and item_id.isascii():
        return int(item_id)
    stem, digits = _parted(item_id)
    return _first_mark(stem, len(digits)) + int(digits or 0) & _MASK


def marks(ids: Sequence[str]) -> list[int]:
    """The mark of each."""
    text = "".join(ids)
    if not text.isascii():
        return list(map(mark, ids))
    if text.isdigit() and max(map(len, ids)) <= _DIGITS:
        with suppress(msgspec.DecodeError):  # one begins with a nought
            return _numbers(f"[{','.join(ids)}]")
        return list(map(int, ids))
    alike = _alike(ids)
    if alike is not None:
        return alike
    return [mark(item_id) if item_id[-_TAIL:].isdigit() else crc32(item_id.encode()) for item_id in ids]


def _parted(item_id: str) -> tuple[str, str]:
    """An id's number at the end, if it is long enough to count items with, and what stands before it."""
    count = min(len(item_id) - len(item_id.rstrip("0123456789")), _DIGITS)
    return (item_id[:-count], item_id[-count:]) if count >= _TAIL else (item_id, "")


def _first_mark(stem: str, count: int) -> int:
    """The mark of number 0, of so many digits, behind a stem."""
    return crc32(stem.encode(errors="surrogatepass"), count)


def _alike(ids: Sequence[str]) -> list[int] | None:
    """The marks of ids that are the same but for numbers of one length at their ends; None for others."""
    stem, digits = _parted(ids[0]) if ids else ("", "")
    before, *numbers = ("\n" + "\n".join(ids)).split("\n" + stem)
    count, together = len(digits), "".join(numbers)
    if not count or before or len(numbers) != len(ids) or not together.isdigit() or set(map(len, numbers)) != {count}:
        return None
    first = _first_mark(stem, count)
    return [first + number & _MASK for number in map(int, numbers)]


def _kind(value: object) -> str:
    """The JSON name of a value's type."""
    if value is None:
        return "null"
    names = {bool: "true or false", float: "a fraction", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
