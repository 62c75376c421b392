"""Calling the real `spool` in tests."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.daemon import DEADLINE, Daemon

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-c", "from spoold.cli.spool import main; main()"]


def spool(daemon: Daemon, *words: object, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run a verb on the daemon's spool and see that it exits with `code`; None: whatever."""
    done = subprocess.run(
        [*COMMAND, "--spool", str(daemon.spool), *map(str, words)],
        env=daemon.env,
        cwd=daemon.folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE * 2,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def begin(daemon: Daemon, *words: object) -> subprocess.Popen[str]:
    """Start a verb, and leave it running."""
    command = [*COMMAND, "--spool", str(daemon.spool), *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=daemon.env, cwd=daemon.folder, stdout=pipe, stderr=pipe, text=True)


def shown(daemon: Daemon, *words: object, code: int | None = 0) -> Any:
    """What a verb shows with --json."""
    return json.loads(spool(daemon, *words, "--json", code=code).stdout)


def row(daemon: Daemon, job: str) -> dict[str, Any]:
    """A job as `spool status JOB --json` shows it."""
    found: dict[str, Any] = shown(daemon, "status", job)["jobs"][0]
    return found


def manifest(daemon: Daemon, name: str, text: str) -> Path:
    """A manifest in a folder of its own, with a handler beside it that fails for the number 3."""
    folder = daemon.folder / "work"
    folder.mkdir(exist_ok=True)
    (folder / "doubling.py").write_text(DOUBLING)
    path = folder / name
    path.write_text(text)
    return path


DOUBLING = '''"""Doubles a number, if it is not 3; waits for a file if the environment names one."""

import os
import time


def double(item):
    while not os.path.exists(os.environ.get("GO", "/")):
        time.sleep(0.01)  # wait: until the test lets it go on
    if item["n"] == 3 and not os.path.exists("mended"):
        raise ValueError("three\\x1b[31m is \\u202e[red]bad[/red]")
    return item["n"] * 2
'''
TEN = "handler: doubling:double\nsource: {type: range, stop: 10}\nworkers: 2\n"
