"""A journal, its checkpoint store, and the keeper between them, in a thread or in a process that can be killed."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from spoold.checkpoints.base import Found
from spoold.core.spec import JobSpec, encode_spec
from spoold.runner.keeper import keep
from spoold.runner.store import Store
from spoold.system.channel import Channel, pair
from tests.daemon import eventually
from tests.journals import Journal

_KEEP = """
import os, socket, sys
from spoold.core.spec import decode_spec
from spoold.runner.keeper import keep
from spoold.system.channel import Channel
keep(decode_spec(os.fsencode(sys.argv[1])), Channel(socket.socket(fileno=int(sys.argv[2])), blocking=True))
"""


@dataclasses.dataclass
class Peer:
    """Stands for the process as the runner's side knows it."""

    channel: Channel
    stop: Callable[[], None]

    def send(self, kind: int, body: bytes) -> None:
        """Send a frame."""
        self.channel.send(kind, body)

    def end(self) -> None:
        """Make it end, and wait for that."""
        self.stop()
        self.channel.close()


class Keeping:
    """A job's folder with a journal; keepers are started on it, one after the other.

    Attributes:
        journal: to be written by the test.
        stores: the keepers begun so far, as their runner sees them.
    """

    def __init__(self, folder: Path, options: dict[str, Any], *, run: int = 1) -> None:
        self.folder = folder
        self.journal = Journal(folder)
        self.options = options
        self.run = run
        self.process: subprocess.Popen[bytes] | None = None
        self.stores: list[Store] = []

    @property
    def store(self) -> Store:
        """The newest of them."""
        return self.stores[-1]

    def close(self) -> None:
        """End every keeper."""
        for store in self.stores:
            store.close()

    def spec(self) -> JobSpec:
        """As much of a job as a keeper needs."""
        return JobSpec(
            job="demo", directory=str(self.folder), spool=str(self.folder), run=self.run, handler="a:b", params={},
            source={}, id=None, cwd=str(self.folder), env={}, pythonpath=[], venv=None, preload=False, poison=2,
            load_timeout=1.0, sync=0.0, drain_timeout=1.0, result_limit=1, log_format="text", log_size=1 << 20,
            granted=1, checkpoint=self.options,
        )  # fmt: skip

    def begin(self) -> Store:
        """Start a keeper in a thread."""
        ours, theirs = pair()
        thread = threading.Thread(target=_keep_in_thread, args=(self.spec(), theirs), daemon=True)
        thread.start()
        channel = Channel(ours, blocking=False)

        def stop() -> None:
            with suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
            thread.join(10)

        self.stores.append(Store(Peer(channel, stop)))  # type: ignore[arg-type]  # as much of an Aide as a store uses
        return self.store

    def begin_process(self) -> Store:
        """Start a keeper as a process, which `process` is."""
        ours, theirs = pair()
        fd = theirs.fileno()
        command = [sys.executable, "-c", _KEEP, os.fsdecode(encode_spec(self.spec())), str(fd)]
        process = self.process = subprocess.Popen(command, pass_fds=[fd])
        theirs.close()

        def stop() -> None:
            process.kill()
            process.wait()

        self.stores.append(Store(Peer(Channel(ours, blocking=False), stop)))  # type: ignore[arg-type]  # as above
        return self.store

    def ready(self) -> None:
        """Wait until it has caught up with the journal."""
        self.wait(lambda store: store.ready, "it to be ready")

    def wait(self, condition: Callable[[Store], Any], what: str) -> None:
        """Wait until the store's runner side has heard so much that a condition is true."""

        def heard() -> bool:
            self.store.heard()
            assert self.store.error is None, self.store.error
            return bool(condition(self.store))

        eventually(heard, what)

    def fails(self) -> str:
        """Wait until the store can't be used any more; why."""

        def failed() -> object:
            self.store.heard()
            return self.store.error

        return str(eventually(failed, "the store to fail"))

    def settle(self) -> None:
        """Wait until everything in the journal was told, durably."""
        self.store.settle()
        self.wait(lambda store: store.settled, "it to be settled")

    def look(self, ids: list[str]) -> dict[str, Found]:
        """Ask, and wait for the answer."""
        self.store.ask(ids)
        self.wait(lambda store: not store.asked, "an answer")
        ((asked, found),) = self.store.answers()
        assert asked == ids
        return dict(zip(asked, found, strict=True))

    def write(self, ids: list[str], status: str = "ok", *, first: int = 0, **where: Any) -> None:
        """Append final records, of now, to the journal."""
        for n, id_ in enumerate(ids, first):
            self.journal.item(n, status, item_id=id_, t=time.time(), **where)

    def told(self) -> dict[str, Any]:
        """What checkpoint.json says."""
        found: dict[str, Any] = msgspec.json.decode((self.folder / "checkpoint.json").read_bytes())
        return found


def _keep_in_thread(spec: JobSpec, sock: socket.socket) -> None:
    channel = Channel(sock, blocking=True)
    try:
        keep(spec, channel)
    finally:
        channel.close()
