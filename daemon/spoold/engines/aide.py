"""A process that a runner forks for foreign code that is no handler: a source that fetches, a store behind a library.

Promise: whatever that code does (hang, leak, crash, start threads), the runner goes on; it sees frames come, or the
process end. Such a process has the job's environment, folder and path, prints into job.log, and ends with its runner.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import setproctitle

from spoold.core.spec import JobSpec
from spoold.engines.child import blocking_channel, move_up, part_from, prepare_process
from spoold.engines.output import Output
from spoold.system import process
from spoold.system.channel import Channel, pair
from spoold.worker.output import Current, capture

Body = Callable[[Channel], None]
"""What the process does with its end of the channel; it ends when this returns."""
Print = Callable[[str, str], None]
"""Takes the level (I, W or E) and a line that foreign code printed."""


class Aide:
    """Such a process, as its runner sees it.

    Attributes:
        pid: the process's.
        channel: to it; frames of either side are the business of whoever made it. At its end the channel closes.
    """

    def __init__(self, spec: JobSpec, title: str, lock: int, body: Body, emit: Print) -> None:
        """Fork it.

        Args:
            spec: of the job.
            title: what it is called among processes.
            lock: descriptor of the job's lock, which it holds as workers do.
            body: what it does.
            emit: gets what it prints, once `watch` was called.

        Raises:
            OSError: no process can be had.
        """
        ours, theirs = pair()
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        runner = os.getpid()
        try:
            self.pid = os.fork()
        except OSError:
            for end in (ours, theirs):
                end.close()
            os.close(read_end)
            os.close(write_end)
            raise
        if self.pid == 0:
            _be(spec, title, runner, (theirs.fileno(), write_end, lock), body)
        theirs.close()
        os.close(write_end)
        self.channel = Channel(ours, blocking=False)
        self._output = Output(read_end, lambda level, _, line: emit(level, line), lambda: None)
        self._selector: selectors.BaseSelector | None = None

    def watch(self, selector: selectors.BaseSelector, heard: Callable[[], None]) -> None:
        """Let a selector call `heard` when frames came, or it ended, and pass on what it prints."""
        self._selector = selector
        selector.register(self.channel, selectors.EVENT_READ, lambda mask: self._ready(mask, heard))
        selector.register(self._output, selectors.EVENT_READ, lambda _: self._printed())

    def unwatch(self) -> None:
        """No selector tells of it any more."""
        if self._selector is not None:
            for source in (self.channel, self._output):
                with suppress(KeyError, ValueError):
                    self._selector.unregister(source)
            self._selector = None

    def send(self, kind: int, body: bytes) -> None:
        """Send a frame; what the socket does not take now goes when it does."""
        self.channel.send(kind, body)
        self._watch_room()

    def end(self) -> None:
        """Kill it, with everything it started that stayed with it, and reap it; what it had printed is passed on."""
        if not self.pid:
            return
        with suppress(ProcessLookupError):  # it may not have made its group yet
            os.killpg(self.pid, signal.SIGKILL)
        os.kill(self.pid, signal.SIGKILL)  # our own unreaped child
        os.waitpid(self.pid, 0)
        self.unwatch()
        self._output.close()
        self.channel.close()
        self.pid = 0

    def _ready(self, mask: int, heard: Callable[[], None]) -> None:
        if mask & selectors.EVENT_WRITE:
            self.channel.flush()
            self._watch_room()
        if mask & selectors.EVENT_READ:
            heard()
            if self.channel.closed and self._selector is not None:
                with suppress(KeyError, ValueError):
                    self._selector.unregister(self.channel)

    def _printed(self) -> None:
        if not self._output.read() and self._selector is not None:
            self._selector.unregister(self._output)

    def _watch_room(self) -> None:
        """Wait for room in the socket only while something waits for it."""
        selector = self._selector
        if selector is None or self.channel.closed or self.channel not in selector.get_map():
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.channel.backlog else 0)
        key = selector.get_key(self.channel)
        if key.events != events:
            selector.modify(self.channel, events, key.data)


class Aides:
    """The processes of this kind that one runner has."""

    def __init__(self, spec: JobSpec, lock: int, emit: Print) -> None:
        """See `Aide`."""
        self._spec = spec
        self._lock = lock
        self._emit = emit
        self._made: list[Aide] = []

    def fork(self, title: str, body: Body) -> Aide:
        """A process that does this.

        Raises:
            OSError: none can be had.
        """
        self._made = [aide for aide in self._made if aide.pid]
        self._made.append(Aide(self._spec, title, self._lock, body, self._emit))
        return self._made[-1]

    def pids(self) -> list[int]:
        """Those that were not ended."""
        return [aide.pid for aide in self._made if aide.pid]

    def end(self) -> None:
        """Kill all of them."""
        for aide in self._made:
            aide.end()


def _be(spec: JobSpec, title: str, runner: int, descriptors: tuple[int, int, int], body: Body) -> NoReturn:
    """The child's whole life."""
    code = 1
    try:
        part_from(runner)
        channel, output, lock = move_up(*descriptors)
        os.set_inheritable(lock, True)  # as in a worker
        capture(output, Current())
        setproctitle.setproctitle(f"spoold: {title} of {spec.job}")
        own = os.getpid()
        try:
            prepare_process(spec, None)
            body(blocking_channel(channel))
            code = 0
        except BaseException:  # noqa: BLE001 - foreign code may raise anything: it goes to job.log, and this process ends
            if os.getpid() == own:
                traceback.print_exc()
        sys.stderr.flush()
    finally:
        process.exit_now(code)
