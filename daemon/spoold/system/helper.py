"""A forked process that does a part of our work beside us."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

from spoold.system.process import die_with_parent, ignore_terminal_signals

if TYPE_CHECKING:
    from collections.abc import Callable


def fork_helper(work: Callable[[], None]) -> int:
    """Fork a process that does this work and ends, with exit code 0 if nothing was raised; its pid.

    It has all that we have open, dies with us, and leaves signals to us. Only for a process without threads.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_helper(work, parent)
    return pid


def _be_helper(work: Callable[[], None], parent: int) -> NoReturn:
    """The child's whole life; it never returns to the stack it was forked on."""
    code = 1
    try:
        die_with_parent(parent)
        signal.set_wakeup_fd(-1)  # a signal to all of us is the parent's to note, once
        ignore_terminal_signals()
        work()
        code = 0
    finally:
        os._exit(code)
