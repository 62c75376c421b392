"""What supervisor and zygote say to each other; JSON, one message a packet.

It stands apart from both: the supervisor would otherwise have in memory all that only a runner needs.
"""

from __future__ import annotations

from typing import Final

import msgspec

MESSAGE: Final = 1 << 16
"""Bytes that a message has at most."""
_FRESH: Final = ("LD_", "PYTHON", "MALLOC_")


class Start(msgspec.Struct):
    """Start a runner; its channel and the job's lock come along as descriptors.

    Attributes:
        job: whose runner it is.
        env: what the manifest sets, where it asks for a fresh interpreter.
    """

    job: str
    env: dict[str, str]


class Started(msgspec.Struct, tag="started"):
    """A runner lives; `pid` 0: it could not be forked, for the reason `error`."""

    job: str
    pid: int
    error: str | None = None


class RunnerEnded(msgspec.Struct, tag="ended"):
    """A runner was reaped, with this wait status."""

    pid: int
    status: int


def needs_fresh_interpreter(env: dict[str, str]) -> bool:
    """Whether these variables are read by the loader or the interpreter before any of our code runs."""
    return any(name.startswith(_FRESH) or name == "GLIBC_TUNABLES" for name in env)
