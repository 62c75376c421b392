"""A handler that is a program: the manifest's `command`, run once for each item."""

from __future__ import annotations

import codecs
import errno
import os
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from spoold.core.template import KNOWN, parse
from spoold.errors import HandlerError
from spoold.system.process import describe_status
from spoold.worker.context import Item
from spoold.worker.outcome import MESSAGE_CAP, ResultError
from spoold.worker.program import Launcher, NotStartedError

TRY_AGAIN: Final = 75
"""Exit code of a program that may succeed the next time (EX_TEMPFAIL of <sysexits.h>)."""
TAIL: Final = 16 * 1024
"""Bytes kept of the end of standard error, for the message: as many as its characters can have."""
LOGGED: Final = 512 * 1024
"""Bytes of an item's standard error that are sent on; job.log keeps fewer and says so."""
_PASSING: Final = frozenset((errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY))
_REASONS: Final = {
    errno.ENOENT: "there is no such file, or no such interpreter as its first line names",
    errno.ENOEXEC: "it is no program; begin it with a #! line, or put its interpreter first in `command`",
    errno.E2BIG: "its arguments are too long; it gets the whole item on its standard input",
}

_to_json = msgspec.json.encode


class CommandFailed(Exception):  # noqa: N818 - it is shown to users, and says what happened
    """The program ended with another exit code than 0, was killed, or could not be started."""


class TryAgain(Exception):  # noqa: N818 - as above
    """The program ended with exit code 75, or there was no process to be had for it."""


class Command:
    """Called with an item, it runs a program with that item on its standard input; its output is the result.

    Attributes:
        transient: the exceptions after which an item may be tried again.
        wants_context: an argument may ask for what is known of an item beside its fields.
    """

    transient: Final = (TryAgain,)

    def __init__(self, command: Sequence[str], result_limit: int, *, timed: bool) -> None:
        """Find the program, if it is the same for all items.

        Args:
            command: argument templates, the program first.
            result_limit: bytes that its output may have.
            timed: SIGALRM ends an attempt that takes too long.

        Raises:
            HandlerError: there is no such program.
            ValueError: an argument's braces make no sense.
        """
        templates = [parse(argument) for argument in command]
        name = templates[0].fixed
        self._program = None if name is None else find_program(name)
        self.wants_context = any(field in KNOWN for one in templates for field in one.fields)
        self._arguments = [one if one.fields else _encoded(one.texts[0]) for one in templates]
        self._limit = result_limit
        self._launcher = Launcher(timed=timed)

    def __call__(self, item: Any, ctx: Item | None = None) -> str | None:
        """Run it for one item.

        Args:
            item: a JSON value.
            ctx: where `wants_context` asks for it.

        Returns:
            Its standard output as it came; None if there was none.

        Raises:
            ArgumentError: an argument can't be made from this item.
            CommandFailed: it failed, or there is no such program.
            ResultError: its output is too much, or not UTF-8.
            TryAgain: it says that it may succeed the next time.
        """
        argv = self._argv(item, ctx)
        output, complaint = _Output(self._limit), _Complaint()
        try:
            path = self._program or find_program(os.fsdecode(argv[0]))
            status = self._launcher.run(path, argv, _to_json(item), output.add, complaint.add)
        except NotStartedError as error:
            raise _not_started(error) from None
        except HandlerError as error:
            raise CommandFailed(str(error)) from None
        if status != 0:
            raise _failure(status, complaint.end())
        return output.text()

    def close(self) -> None:
        """Let go of what it keeps from one program to the next."""
        self._launcher.close()

    def _argv(self, item: Any, ctx: Item | None) -> list[bytes]:
        known = partial(getattr, ctx)
        return [one if isinstance(one, bytes) else _encoded(one.fill(item, known)) for one in self._arguments]


class _Output:
    """What the program wrote to its standard output."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise ResultError(f"the program's output has more than {self._limit} bytes, the limit (limits.result)")
        self._pieces.append(data)

    def text(self) -> str | None:
        if not self._pieces:
            return None
        try:
            return b"".join(self._pieces).decode()
        except UnicodeDecodeError as error:
            raise ResultError(f"the program's output is not UTF-8 (byte {error.start}); encode it as text") from None


class _Complaint:
    """What the program wrote to its standard error: logged as it comes, its end kept."""

    def __init__(self) -> None:
        self._tail = b""
        self._size = 0
        self._decoder: codecs.IncrementalDecoder | None = None

    def add(self, data: bytes) -> None:
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
        if self._size < LOGGED:
            sys.stderr.write(self._decoder.decode(data))
        self._size += len(data)
        self._tail = (self._tail + data)[-TAIL:]

    def end(self) -> str:
        return self._tail.decode(errors="backslashreplace").strip()


def find_program(name: str) -> str:
    """The file of a program, found as a shell would.

    Raises:
        HandlerError: there is none that may be executed.
    """
    found = shutil.which(name)
    if found is not None:
        return found
    where = f"command {name}"
    if "/" not in name:
        what = f"there is no program of this name in PATH ({os.environ.get('PATH', os.defpath)})"
        raise HandlerError(what, where=where, remedy="install it, write its whole path, or set PATH in `env`")
    if not os.path.exists(name):
        raise HandlerError("there is no such file", where=where, remedy="a relative path is relative to `cwd`")
    if os.path.isdir(name):
        raise HandlerError("it is a folder, not a program", where=where)
    remedy = "make it so with chmod +x, or put its interpreter first in `command`"
    raise HandlerError("the file is not executable", where=where, remedy=remedy)


def _encoded(argument: str) -> bytes:
    return argument.encode(errors="surrogateescape")


def _not_started(error: NotStartedError) -> Exception:
    reason = _REASONS.get(error.errno, error.reason)
    kind = TryAgain if error.errno in _PASSING else CommandFailed
    return kind(f"the program can't be started: {reason}")


def _failure(status: int, complaint: str) -> Exception:
    """The exception for a wait status, with the end of what the program complained of."""
    text = describe_status(status)
    if complaint:
        room = MESSAGE_CAP - len(text) - len(": … ")
        text = f"{text}: {complaint if len(complaint) <= room else f'… {complaint[-room:]}'}"
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    return TryAgain(text) if code == TRY_AGAIN else CommandFailed(text)
