"""One intake of several drops, killed before, or failing at, each of its calls in turn, then started again."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

from spoold.spool import Spool
from spoold.supervisor.acceptance import Acceptance, journalled_drops
from spoold.supervisor.config import Limits
from spoold.supervisor.drop import Drop
from spoold.supervisor.intake import Intake

CALLS: Final = {"open", "write", "fsync", "fdatasync", "rename", "link", "unlink", "mkdir", "utime", "rmdir"}
LIMITS: Final = Limits(manifest=4096)
BODY: Final = b"handler: a.b:c\nsource: {type: range, stop: 5}\n"
OLD: Final = BODY + b"workers: 1\n"
AGAIN: Final = b"job: old\n" + BODY
BAD: Final = b"handlr: x\n"
LARGE: Final = b"#" * 5000


def prepare(root: Path) -> Spool:
    """A spool with a job `old` and five drops: a new job, one at the top, one for `old`, two bad ones."""
    spool = Spool(str(root))
    spool.create()
    (root / "incoming/old.yaml").write_bytes(OLD)
    assert Intake(spool, LIMITS, 8, budget=60).scan(0.0).accepted == ["old"]
    for name, data in (("incoming/new", BODY), ("top", BODY), ("incoming/b", AGAIN), ("incoming/bad", BAD)):
        (root / f"{name}.yaml").write_bytes(data)
    (root / "incoming/large.yaml").write_bytes(LARGE)
    return spool


def work(spool: Spool) -> None:
    """What the daemon does: recover, then scan; again after trouble."""
    intake = Intake(spool, LIMITS, 8, budget=60)
    try:
        intake.recover()
        for _ in range(3):
            if not intake.scan(0.0).trouble:
                break
    finally:
        intake.close()


def strike(number: int, blow: Callable[[], None]) -> Callable[[FrameType, str, Any], None]:
    """A profile function that strikes just before the `number`-th call that the kernel sees."""
    left = number

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        if event == "c_call":
            hit = getattr(argument, "__module__", "") == "posix" and argument.__name__ in CALLS
        else:  # renameat2 is called through ctypes, which profiling does not see
            hit = event in ("call", "return") and frame.f_code.co_name == "rename_noreplace"
        if hit:
            left -= 1
            if left == 0:
                sys.setprofile(None)
                blow()

    return profile


def in_a_child(spool: Spool, number: int, blow: Callable[[], None]) -> int:
    """Work in a process of its own, struck once; its wait status. 0: there were fewer calls."""
    pid = os.fork()
    if pid == 0:
        struck = False

        def note() -> None:
            nonlocal struck
            struck = True
            blow()

        try:
            sys.setprofile(strike(number, note))
            work(spool)
        except OSError:
            pass  # the start failed, as a daemon's would
        finally:
            sys.setprofile(None)
            os._exit(3 if struck else 0)
    return os.waitpid(pid, 0)[1]


def check(spool: Spool) -> None:
    """Every drop is in one place, once."""
    digests = {name: len(list(journalled_drops(spool.job(name)))) for name in spool.job_names()}
    assert digests == {"new": 1, "old": 1, "top": 1}
    assert sorted(os.listdir(spool.jobs)) == ["new", "old", "top"]
    for name, data in (("new", BODY), ("top", BODY), ("old", OLD)):
        assert Path(spool.job(name).manifest).read_bytes() == data
        assert Path(spool.job(name).next).exists() == (name == "old")
    assert Path(spool.job("old").next).read_bytes() == AGAIN
    assert sorted(os.listdir(spool.rejected)) == ["bad.yaml", "bad.yaml.error", "large.yaml", "large.yaml.error"]
    assert Path(spool.rejected, "bad.yaml").read_bytes() == BAD
    assert Path(spool.rejected, "large.yaml").read_bytes() == LARGE
    assert os.listdir(spool.incoming) == []
    assert not [name for name in os.listdir(spool.root) if name.startswith(".") or name.endswith(".yaml")]


def kill() -> None:
    """As SIGKILL does."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(code: int) -> Callable[[], None]:
    """As a call that fails."""

    def blow() -> None:
        raise OSError(code, os.strerror(code))

    return blow


@pytest.mark.parametrize("blow", [kill, fail(errno.EIO), fail(errno.ENOSPC)], ids=["kill", "EIO", "ENOSPC"])
def test_every_call(tmp_path: Path, blow: Callable[[], None]) -> None:
    """Whichever call is the last or fails, after a restart every manifest is in exactly one place, accepted once."""
    number = 1
    prepare(tmp_path / "template")
    while True:
        spool = Spool(str(tmp_path / str(number)))
        shutil.copytree(tmp_path / "template", spool.root)
        status = in_a_child(spool, number, blow)
        work(spool)
        check(spool)
        if status == 0:
            break
        number += 1
    assert number > 80


def test_recovery_puts_back_what_was_swapped_in(tmp_path: Path) -> None:
    """A file that stands as .taken with another's inode number had taken a drop's name: it is put back and taken."""
    spool = prepare(tmp_path / "s")
    Path(spool.incoming, "new.yaml").rename(Path(spool.incoming, ".taken-1-new.yaml"))
    work(spool)
    check(spool)


def test_recovery_when_a_manifest_would_no_longer_be_accepted(tmp_path: Path) -> None:
    """A drop that was accepted before the crash is only removed, whatever the limits say by now."""
    spool = prepare(tmp_path / "s")
    before = Intake(spool, LIMITS, 8, budget=60)
    before.incoming.listing()
    found = before.incoming.look("new.yaml", 0.0)
    assert isinstance(found, Drop)
    Acceptance(spool).accept("new", found)
    before.close()
    Intake(spool, Limits(manifest=10), 8, budget=60).recover()
    assert sorted(os.listdir(spool.incoming)) == ["b.yaml", "bad.yaml", "large.yaml"]
    work(spool)
    check(spool)


def test_recovery_of_a_command_that_was_obeyed(tmp_path: Path) -> None:
    """A command that was renamed to be removed had been obeyed, and is not put back."""
    spool = prepare(tmp_path / "s")
    command = Path(spool.control, "x.yaml")
    command.touch()
    command.rename(Path(spool.control, f".taken-{command.stat().st_ino}"))
    work(spool)
    check(spool)
    assert os.listdir(spool.control) == []
