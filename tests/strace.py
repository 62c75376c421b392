"""The daemon under strace: killed at the n-th system call of a kind, or with what it does written down."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.daemon import DEADLINE, Daemon, eventually

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

_CALL = re.compile(r"\d+ +(\d+\.\d+) (?:<\.\.\. )?(\w+)(?: resumed>|\(\d+<([^>]*)>)")


class Call(NamedTuple):
    """A system call that began, or ended if another process came between: when, which, on what file."""

    time: float
    name: str
    path: str


def run_traced(daemon: Daemon, calls: str, *, paths: list[Path] | None = None, inject: str | None = None) -> int:
    """Run the daemon until it is idle, and all it starts, under strace; the exit code, negative for a signal.

    Args:
        daemon: on whose spool.
        calls: the system calls that are traced, comma-separated.
        paths: only those on these files.
        inject: what is done to them, `signal=KILL:when=3`; the n-th call is counted in each process.
    """
    return _start(daemon, calls, paths, inject).wait(DEADLINE)


def crash_at(daemon: Daemon, call: str, nth: int, *, path: Path | None = None) -> None:
    """Run the daemon until one of its processes is killed at its n-th call, then kill all the others."""
    process = _start(daemon, call, [path] if path else None, f"signal=KILL:when={nth}")
    eventually(lambda: was_hit(daemon) or process.poll() is not None, f"call {nth} of {call}")
    assert was_hit(daemon)
    daemon.kill_everything()


def _start(daemon: Daemon, calls: str, paths: list[Path] | None, inject: str | None) -> subprocess.Popen[bytes]:
    command = ["strace", "-f", "-qq", "-y", "-ttt", "-o", str(daemon.folder / "trace"), "-e", f"trace={calls}"]
    command += [word for path in paths or [] for word in ("-P", str(path))]
    command += ["-e", f"inject={calls}:{inject}"] if inject else []
    command += [sys.executable, "-m", "spoold", "--spool", str(daemon.spool), "--until-idle"]
    with (daemon.folder / "stderr").open("ab") as stderr:
        daemon.process = subprocess.Popen(
            command, env=daemon.env, stdout=stderr, stderr=stderr, cwd=daemon.folder, start_new_session=True
        )
    return daemon.process


def was_hit(daemon: Daemon) -> bool:
    """Whether the injected fault happened: a call failed, or its process did not come back from it."""
    trace = daemon.folder / "trace"
    text = trace.read_text(errors="replace") if trace.exists() else ""
    return "(INJECTED)" in text or " = ?" in text


def traced(daemon: Daemon) -> list[Call]:
    """The calls on files, in order."""
    text = (daemon.folder / "trace").read_text(errors="replace")
    found = (_CALL.match(line) for line in text.splitlines())
    return [Call(float(match[1]), match[2], match[3] or "") for match in found if match]
