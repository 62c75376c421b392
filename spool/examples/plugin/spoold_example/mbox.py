"""A source of the messages in a mailbox: {"id", "from", "to", "subject", "date", "text"}."""

from __future__ import annotations

import os
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import islice
from typing import Any, ClassVar, Self

import msgspec

from spoold.errors import SourceError
from spoold.sources.base import FAULT_BYTES, Batch, cut, parse_options

_AT_ONCE = 64


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of it."""

    path: str


class MboxSource:
    """A file in the mbox format, read message by message; an item's id is its Message-ID."""

    natural_ids: ClassVar[bool] = False  # the id is a field of the item
    unique: ClassVar[bool] = False
    own_json: ClassVar[bool] = True
    foreign: ClassVar[bool] = True

    def __init__(self, path: str) -> None:
        self._path = path

    @classmethod
    def from_options(cls, options: dict[str, Any], cwd: str) -> Self:
        """The source that a manifest describes."""
        return cls(os.path.join(cwd, parse_options(options, Options, "mbox").path))

    def stat(self) -> list[Any]:
        """A list that differs whenever the file does."""
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise self._unreadable(error) from None
        return ["mbox", self._path, found.st_ino, found.st_size, found.st_mtime_ns]

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The messages from position `start` on."""
        messages = islice(self._messages(), start, None)
        n = start
        while some := list(islice(messages, _AT_ONCE)):
            batch = Batch(n, [], lines=[line for line, _ in some])
            for index, (_, data) in enumerate(some):
                try:
                    batch.raws.append(msgspec.json.encode(_item(data)))
                except Exception as error:  # noqa: BLE001 - whatever a message is, it ends no source
                    batch.raws.append(msgspec.json.encode(data[:FAULT_BYTES].decode(errors="backslashreplace")))
                    batch.faults[index] = f"{type(error).__name__}: {error}"
            yield from cut(batch)
            n += len(some)

    def describe(self) -> str:
        """The source in a few words."""
        return f"mailbox {self._path}"

    def _messages(self) -> Iterator[tuple[int, bytes]]:
        """The line on which each message begins, and its bytes."""
        began, lines, blank = 0, [], True
        try:
            with open(self._path, "rb") as file:
                for number, line in enumerate(file, 1):
                    if blank and line.startswith(b"From "):
                        if began:
                            yield began, b"".join(lines)
                        began, lines = number, []
                    elif began:
                        lines.append(line)
                    blank = not line.strip()
        except OSError as error:
            raise self._unreadable(error) from None
        if began:
            yield began, b"".join(lines)

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(f"{self._path}: {error.strerror}", where="source mbox", remedy="mend `path`")


def _item(data: bytes) -> dict[str, Any]:
    message = message_from_bytes(data, _class=EmailMessage, policy=default)
    body = message.get_body(("plain", "html"))
    fields = {name: _text(message[name]) for name in ("from", "to", "subject", "date")}
    return {"id": _text(message["message-id"]), **fields, "text": None if body is None else _text(body.get_content())}


def _text(value: object) -> str | None:
    """Text that can be JSON, whatever the message holds."""
    return None if value is None else str(value).encode(errors="replace").decode()
