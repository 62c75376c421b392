"""The end of a run: results, failures and report, all derived from the journal.

Each is written under a temporary name, synced and renamed, so that there is the old one or the new one; a kill between
leaves them to be derived again, to the same bytes. Only then does the run get its `finished` record.
"""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import msgspec

from spoold.core.messages import Counts
from spoold.journal.history import History
from spoold.journal.order import ordered
from spoold.report.summary import Failures, summarise
from spoold.runner.results import write_results
from spoold.system.files import fsync_dir, write_atomic

_BAD = ("failed", "quarantined", "in-doubt")


class _Failed(msgspec.Struct):
    """What a line of failures.jsonl takes from a record."""

    n: int
    id: str
    s: str
    attempt: int = msgspec.field(name="try", default=1)
    line: int | None = None
    error: dict[str, Any] | None = None
    item: msgspec.Raw = msgspec.Raw(b"null")


_decode_failed = msgspec.json.Decoder(_Failed).decode


def derive(directory: str, history: History) -> list[dict[str, Any]]:
    """Write results.jsonl and failures.jsonl; the failures by kind.

    Raises:
        JournalError: the journal can't be read.
        OSError: a file can't be written; the old one is still there.
    """
    journal = os.path.join(directory, "journal")
    with _written(os.path.join(directory, "results.jsonl")) as file:
        if history.results:
            write_results(file, journal, history)
    groups = Failures()
    with _written(os.path.join(directory, "failures.jsonl")) as file:
        file.writelines(_counted(failures(journal, history), groups))
    fsync_dir(directory)
    return groups.rows()


def failures(journal: str, history: History) -> Iterator[dict[str, Any]]:
    """The lines of failures.jsonl, in source order."""
    for n, line in ordered(journal, history, _BAD):
        record = _decode_failed(line)
        error = record.error or {}
        yield {
            "id": record.id,
            "n": n,
            "line": record.line,
            "error": {"type": error.get("type"), "message": error.get("message"), "traceback": error.get("traceback")},
            "attempts": record.attempt,
            "item": record.item,
        }


def _counted(found: Iterable[dict[str, Any]], groups: Failures) -> Iterator[bytes]:
    for failure in found:
        groups.add(failure)
        yield msgspec.json.encode(failure) + b"\n"


@contextmanager
def _written(path: str) -> Iterator[IO[bytes]]:
    """A file of any size to be written, whole or not at all."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.new")
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    try:
        with open(temporary, "xb", buffering=1 << 20, opener=_private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    fsync_dir(folder)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def write_report(
    directory: str,
    about: dict[str, Any],
    counts: Counts,
    history: History,
    kinds: list[dict[str, Any]],
    peaks: dict[int, int],
    *,
    seconds: float,
    ran: int,
) -> None:
    """Write report.json.

    Raises:
        OSError: it can't be written; the old one is still there.
    """
    host = {"host": socket.gethostname(), "python": platform.python_version()}
    content = summarise({**about, **host}, counts, history.tally, kinds, peaks, seconds=seconds, ran=ran)
    write_atomic(
        os.path.join(directory, "report.json"), msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
    )
