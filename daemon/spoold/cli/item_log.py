"""The lines of a job's log that belong to one item, from the current file and the rotated ones, in either style."""

from __future__ import annotations

import json
import os
import re
from collections import deque
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from spoold.core.text import printable
from spoold.report.moment import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST: Final = 1000
"""Lines that are kept, the newest."""
_BLOCK: Final = 1 << 20
_LONGEST: Final = 20 * 1024  # characters of a label or a line, as the log itself has them
_ROTATED: Final = 100  # files looked for


def lines_of(path: str, item_id: str) -> tuple[list[str], int]:
    """The item's newest lines, `time LEVEL message` each, safe to show; and how many older ones were left out."""
    label = printable(item_id, _LONGEST)
    told = f'"item": {json.dumps(item_id)}'.replace("\x7f", "\\u007f").encode()
    needles = (f" [{label}] ".encode(), told)
    text = re.compile(
        rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ *) \[%b\] (.*)" % re.escape(label.encode()), re.DOTALL
    )
    found: deque[str] = deque(maxlen=MOST)
    count = 0
    for line in _holding(path, needles):
        if match := text.fullmatch(line):
            shown = f"{match[1].decode()} {match[2].decode(errors='backslashreplace')}"
        elif (told_line := _from_json(line, item_id)) is not None:
            shown = told_line
        else:
            continue
        found.append(shown if shown.isprintable() else printable(shown, _LONGEST))
        count += 1
    return list(found), count - len(found)


def _from_json(line: bytes, item_id: str) -> str | None:
    try:
        entry = json.loads(line)
        if entry["item"] != item_id:
            return None
        when, level, message = moment(float(entry["t"])), str(entry["level"]).upper(), str(entry["message"])
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        return None
    return f"{when} {printable(level, 20):<7} {printable(message, _LONGEST)}"


def _holding(path: str, needles: tuple[bytes, ...]) -> Iterator[bytes]:
    """The lines of the files in which one of the needles occurs, oldest first, without their ends."""
    for file in _files(path):
        with file:
            for block in _blocks(file):
                if any(needle in block for needle in needles):
                    yield from (line for line in block.split(b"\n") if any(needle in line for needle in needles))


def _files(path: str) -> list[IO[bytes]]:
    """The log's files, open, oldest first; one that is being rotated just now is there once."""
    files: dict[tuple[int, int], IO[bytes]] = {}
    for number in range(_ROTATED):
        file = None
        with suppress(OSError):
            file = open(f"{path}.{number}" if number else path, "rb", buffering=0)  # noqa: SIM115 - the reader closes it
        if file is None and number:
            break
        if file is not None:
            info = os.fstat(file.fileno())
            if files.setdefault((info.st_dev, info.st_ino), file) is not file:
                file.close()
    return list(files.values())[::-1]


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The file in pieces of whole lines; a last line without its end is still being written, and left out."""
    rest = b""
    while block := file.read(_BLOCK):
        whole, _, rest = (rest + block).rpartition(b"\n")
        yield whole
