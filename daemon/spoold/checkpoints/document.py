"""A JSON file of done ids, kept as text: what its author wrote stays as it is, new ids are put behind the list's last.

It is an object with a list `done`, other keys allowed, or a bare list. Ids in it are text or integers; anything else in
the list is kept and means nothing.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from spoold.errors import CheckpointError

_INTEGER: Final = re.compile(r"0|-?[1-9]\d*", re.ASCII)
_KEY: Final = "done"
_REMEDY: Final = 'it must be {"done": [...]} or a list; mend it, or move it away: it is not overwritten'
_encode: Final = msgspec.json.Encoder().encode


class Document:
    """The text up to where the next id goes, and what follows.

    Attributes:
        ids: the ids in the list.
    """

    def __init__(self, text: bytes | None, where: str) -> None:
        """Read a file's content; None: there is none yet.

        Raises:
            CheckpointError: it is not such a file.
        """
        try:
            before, done, after = _split(text) if text is not None else (b'{"done": ', b"[]", b"}\n")
            values = msgspec.json.decode(done, type=list[msgspec.Raw])
            kinds = [_id_of(bytes(value)) for value in values]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise CheckpointError(f"it can't be read as JSON: {error}", where=where, remedy=_REMEDY) from error
        self.ids = {id_ for id_ in kinds if id_ is not None}
        self._numbers = (
            bool(values) and None not in kinds and not any(bytes(value).startswith(b'"') for value in values)
        )
        self._empty = not values
        self._head = bytearray(before + done[:-1].rstrip())
        self._tail = b"]" + after

    def add(self, id_: str) -> None:
        """Put an id that is not there yet at the list's end: a number among numbers, else text."""
        if not self._empty:
            self._head += b","
        self._empty = False
        self._head += id_.encode() if self._numbers and _INTEGER.fullmatch(id_) else _encode(id_)
        self.ids.add(id_)

    def parts(self) -> tuple[bytes, bytes]:
        """The whole text, in two pieces."""
        return bytes(self._head), self._tail


def _split(text: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before the list, the list, and what stands behind it."""
    if text.lstrip()[:1] == b"[":
        return b"", text.strip(), b"\n"
    keys = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    done = bytes(keys.get(_KEY, b"[]")).strip()
    if not done.startswith(b"["):
        raise msgspec.ValidationError("`done` is no list")
    fields = [(_encode(key), b"" if key == _KEY else bytes(value)) for key, value in keys.items()]
    names = list(keys)
    if _KEY not in keys:
        names.append(_KEY)
        fields.append((_encode(_KEY), b""))
    at = names.index(_KEY)
    before = [name + b": " + value for name, value in fields[:at]]
    after = [name + b": " + value for name, value in fields[at + 1 :]]
    return (
        b"{" + b"".join(part + b", " for part in before) + b'"done": ',
        done,
        b"".join(b", " + part for part in after) + b"}\n",
    )


def _id_of(raw: bytes) -> str | None:
    """The id that a JSON value stands for; None if it can be none."""
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str)
    text = raw.decode()
    return text if _INTEGER.fullmatch(text) else None
