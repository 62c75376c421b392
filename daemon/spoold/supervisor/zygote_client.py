"""The supervisor's side of the zygote: it is executed here, told to start runners, and replaced if it dies."""

from __future__ import annotations

import array
import socket
import subprocess
import sys

import msgspec

from spoold.supervisor.zygote_wire import MESSAGE, RunnerEnded, Start, Started, needs_fresh_interpreter

Message = Started | RunnerEnded
_decoder = msgspec.json.Decoder(Message)


class ZygoteClient:
    """A zygote and the channel to it.

    Attributes:
        pid: of the zygote.
        closed: it is gone; make another.
    """

    def __init__(self) -> None:
        """Execute a zygote.

        Raises:
            OSError: no process can be had.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # executed by vfork and exec, so also safe when it is replaced later, while the file watcher's threads run
        self._process = subprocess.Popen(
            [sys.executable, "-m", "spoold.supervisor.zygote", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C at the terminal is the supervisor's alone
        )
        theirs.close()
        ours.setblocking(False)
        self._socket = ours
        self.pid = self._process.pid
        self.closed = False

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def start(self, job: str, env: dict[str, str], channel: socket.socket, lock: int) -> bool:
        """Ask for a runner; False if the zygote is gone or can't take more now."""
        given = env if needs_fresh_interpreter(env) else {}
        body = msgspec.json.encode(Start(job, given))
        rights = array.array("i", [channel.fileno(), lock])
        try:
            self._socket.sendmsg([body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except OSError:
            return False
        return True

    def messages(self) -> list[Message]:
        """What the zygote told since the last call."""
        found: list[Message] = []
        while True:
            try:
                data = self._socket.recv(MESSAGE)
            except BlockingIOError:
                return found
            except ConnectionResetError:
                data = b""
            if not data:
                self.closed = True
                return found
            found.append(_decoder.decode(data))

    def close(self) -> None:
        """Let the zygote end, and reap it."""
        self._socket.close()
        self._process.wait()
