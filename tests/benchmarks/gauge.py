"""What processes use: memory at its highest, memory by fair shares, processor time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil
from tests.daemon import Daemon


def _kilobytes(path: str, key: str) -> float:
    """MB of a field in kB; 0 when the process is gone."""
    with suppress(OSError), open(path) as file:
        for line in file:
            if line.startswith(key):
                return int(line.split()[1]) / 1024
    return 0.0


def high_water(pid: int) -> float:
    """MB of a process's memory at its highest so far."""
    return _kilobytes(f"/proc/{pid}/status", "VmHWM:")


def fair_share(pids: Iterable[int]) -> float:
    """MB of the processes' memory, of which that shared with n others counts for one n-th (PSS)."""
    return sum(_kilobytes(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids)


def processor_seconds(pids: Iterable[int]) -> float:
    """Seconds that the threads of these processes ran, to the nanosecond."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with suppress(OSError), open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                    total += int(file.read().split()[0])
    return total / 1e9


def load(pids: list[int], seconds: float) -> float:
    """The share of one core that the processes use in the next so many seconds."""
    before = processor_seconds(pids)
    time.sleep(seconds)
    return (processor_seconds(pids) - before) / seconds


def pids_of(daemon: Daemon) -> list[int]:
    """The daemon's process and all that came of it."""
    assert daemon.process is not None
    return [daemon.process.pid, *(child.pid for child in psutil.Process(daemon.process.pid).children(recursive=True))]


def runner_of(daemon: Daemon, job: str) -> int | None:
    """The process id of the job's runner, once it has its title; None when there is none."""
    assert daemon.process is not None
    with suppress(psutil.Error):
        for zygote in psutil.Process(daemon.process.pid).children():
            for process in zygote.children():
                if process.cmdline()[:1] == [f"spoold: runner of {job}"]:
                    return process.pid
    return None


class Peak:
    """What supervisor and runner use while a job runs; the memory is that of both at their highest.

    Attributes:
        megabytes: what was seen so far.
        worked: seconds of the processor that the runner had so far.
    """

    EVERY = 10
    """Looks between two measurements, so that measuring costs next to nothing."""

    def __init__(self, daemon: Daemon, job: str) -> None:
        assert daemon.process is not None
        self.megabytes = self.worked = 0.0
        self._daemon, self._job = daemon, job
        self._supervisor = daemon.process.pid
        self._runner: int | None = None
        self._looks = 0

    def __call__(self) -> None:
        """Look."""
        self._looks += 1
        if self._looks % self.EVERY == 0:
            self._runner = self._runner or runner_of(self._daemon, self._job)
            runner = [self._runner] if self._runner else []
            self.megabytes = max(self.megabytes, sum(map(high_water, (self._supervisor, *runner))))
            self.worked = max(self.worked, processor_seconds(runner))
