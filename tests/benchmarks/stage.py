"""Where the benchmarks run: items on the disk, and daemons on spools of their own."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.gauge import runner_of
from tests.benchmarks.scale import Scale
from tests.daemon import Daemon, eventually

HANDLERS = Path(__file__).parent / "handlers"
PATIENCE = 900.0
"""Seconds that a job may take."""
ENDS = ("succeeded", "partial")


@dataclass
class Stage:
    """A folder for one run of the benchmarks.

    Attributes:
        folder: where everything is written.
        scale: how much to run.
        workers: of each job and each peer.
        peers: names of the peers to run; None: all.
        rates: items per second of each runner, a value a round.
        absent: peers that were asked for and can't be run, and why.
    """

    folder: Path
    scale: Scale
    workers: int = 2
    peers: list[str] | None = None
    rates: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    daemons: int = 0

    def items(self, count: int) -> Path:
        """A file with so many items of about 60 bytes, made when it is first asked for."""
        path = self.folder / f"items-{count}.jsonl"
        if not path.exists():
            with path.open("w") as file:
                file.writelines(f'{{"id": {i}, "text": "a text of a usual length {i:08d}"}}\n' for i in range(count))
        return path

    def source(self, count: int) -> dict[str, str]:
        """What a manifest says of that file."""
        return {"type": "jsonl", "path": str(self.items(count))}

    @contextmanager
    def daemon(self, *, warm: bool = True, **config: Any) -> Iterator[Daemon]:
        """A running daemon; at the end everything of it is killed and removed.

        Args:
            warm: it has run a job: the first one waits until the zygote has its imports.
            config: of the daemon.
        """
        self.daemons += 1
        folder = self.folder / f"daemon-{self.daemons}"
        one = Daemon(folder)
        try:
            one.start(config=config)
            if warm:
                self.run(one, "warm", **self.keys("noop", 10))
            yield one
        finally:
            one.kill_everything()
            shutil.rmtree(folder)

    def keys(self, handler: str, count: int, **more: Any) -> dict[str, Any]:
        """A manifest that runs a handler of `handlers/work.py` over so many items."""
        keys = {"handler": f"work:{handler}", "cwd": str(HANDLERS), "workers": self.workers}
        return {**keys, "source": self.source(count), **more}

    def run(self, daemon: Daemon, job: str, watch: Callable[[], Any] = lambda: None, **keys: Any) -> float:
        """Drop a manifest and wait for its report; the seconds in between. Then the runner may leave.

        Args:
            daemon: a running one.
            job: the job's name; one that has ended runs again.
            watch: called every few milliseconds meanwhile.
            keys: of the manifest.
        """
        path = str(daemon.job(job) / "report.json")
        before = identity(path)

        def reported() -> bool:
            assert daemon.process is not None
            assert daemon.process.poll() is None, f"the daemon ended: {daemon.stderr()[-800:]}"
            watch()
            return identity(path) != before

        began = time.perf_counter()
        daemon.drop(job, **keys)
        eventually(reported, f"the report of {job}; {daemon.stderr()[-800:]}", PATIENCE)
        seconds = time.perf_counter() - began
        found = daemon.report(job)
        assert found["state"] in ENDS, found
        eventually(lambda: runner_of(daemon, job) is None, f"the runner of {job} to leave")
        return seconds


def identity(path: str) -> tuple[int, int] | None:
    """What changes when a file is replaced; None while there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
