"""The process that runners are forked from.

It is executed, not forked, before the supervisor has a thread, imports once what every runner needs, and stays
single-threaded, so that a fork of it holds nobody's lock. A runner starts in milliseconds instead of the time of a
fresh interpreter. It is told to start runners and tells their ends; when the supervisor is gone, so is it. Its runners
are not: they notice by themselves, drain, and leave.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress

import msgspec
import setproctitle

from spoold.runner import life
from spoold.supervisor.zygote_wire import MESSAGE, RunnerEnded, Start, Started, needs_fresh_interpreter
from spoold.system import memory, process


class Zygote:
    """The loop of the zygote."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._selector = selectors.DefaultSelector()
        self._pidfds: dict[int, int] = {}

    def run(self) -> None:
        """Until the supervisor is gone."""
        self._selector.register(self._channel, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    self._reap(key.data)
                elif not self._receive():
                    return

    def _receive(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, MESSAGE, 2)
        except ConnectionResetError:
            return False  # killed before it had read everything we told
        if not data:
            return False
        order = msgspec.json.decode(data, type=Start)
        try:
            pid = os.fork()
        except OSError as error:
            self._tell(Started(order.job, 0, str(error)))
        else:
            if pid == 0:
                self._be_runner(order, descriptors)
            self._pidfds[pid] = os.pidfd_open(pid)
            self._selector.register(self._pidfds[pid], selectors.EVENT_READ, pid)
            self._tell(Started(order.job, pid))
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _be_runner(self, order: Start, descriptors: list[int]) -> None:
        code = 1
        try:
            process.close_all_but(descriptors)
            channel, lock = descriptors
            if needs_fresh_interpreter(order.env):
                for descriptor in descriptors:
                    os.set_inheritable(descriptor, True)
                command = [sys.executable, "-m", "spoold.runner", str(channel), str(lock)]
                os.execve(sys.executable, command, {**os.environ, **order.env})
            code = life.live(socket.socket(fileno=channel), lock)
        finally:
            process.exit_now(code)

    def _reap(self, pid: int) -> None:
        _, status = os.waitpid(pid, 0)
        pidfd = self._pidfds.pop(pid)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        self._tell(RunnerEnded(pid, status))

    def _tell(self, message: Started | RunnerEnded) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._channel.send(msgspec.json.encode(message))


def main() -> None:
    """Run as `python -m spoold.supervisor.zygote FD`."""
    process.ignore_terminal_signals()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    setproctitle.setproctitle("spoold: zygote")
    channel = socket.socket(fileno=int(sys.argv[1]))
    life.warm_up()
    gc.collect()
    gc.freeze()
    memory.let_go_of_code()
    Zygote(channel).run()


if __name__ == "__main__":
    main()
