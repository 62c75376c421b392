"""What makes two items the same item: the text that stands for an item's identity.

An id is text or an integer and compares as text, so 5 and "5" are one item. An id longer than 512 bytes is stood for
by its digest; that is the only case in which an id is not the text the user knows. Everything else (true, 1.5, null,
"", lists) is refused, since such values print in more than one way.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from spoold.errors import SpooldError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ID_BYTES: Final = 512
"""UTF-8 bytes of an id; a longer one becomes its digest."""
_MAX_BITS: Final = 13_000  # Python refuses to print integers of more than 4,300 digits (about 14,284 bits)
_DIGITS: Final = 9
"""Of an id that is its own mark: what they make is below 2**32, whatever they are."""
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

    Short numbers are their own marks: those that follow each other lie densely in a bitmap, which takes them sooner.
    """
    if item_id.isdigit() and len(item_id) <= _DIGITS and item_id.isascii():
        return int(item_id)
    return crc32(item_id.encode(errors="surrogatepass"))


def marks(ids: Sequence[str]) -> list[int]:
    """The mark of each."""
    text = "".join(ids)
    if not text.isascii():
        return list(map(mark, ids))
    if text.isdigit() and max(map(len, ids)) <= _DIGITS:
        return list(map(int, ids))
    return [mark(item_id) if item_id.isdigit() else crc32(item_id.encode()) for item_id in ids]


def _kind(value: object) -> str:
    """The JSON name of a value's type."""
    if value is None:
        return "null"
    names = {bool: "true or false", float: "a fraction", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
