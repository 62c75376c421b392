"""How much memory there is, from the kernel's files."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from spoold.system.ram import usable

MIB = 1 << 20
UNLIMITED = 9223372036854771712
"""What version 1 says where there is no limit."""


class Kernel:
    """A process file system with 1 GiB of memory, and control groups, made of plain files."""

    def __init__(self, root: Path, kind: str) -> None:
        self.kind, self.proc, self.top = kind, root / "proc", root / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "meminfo").write_text("MemTotal:        1048576 kB\nMemFree:          4 kB\n")
        system = "cgroup2 cgroup2 rw" if kind == "memory.max" else "cgroup cgroup rw,memory"
        (self.proc / "self/mountinfo").write_text(f"35 31 0:32 / {self.top} rw,relatime - {system}\n")
        self.be_in("/")
        self.group("", None)

    def be_in(self, path: str) -> None:
        """Let the process be in the group `path`."""
        number = "0::" if self.kind == "memory.max" else "4:memory:"
        (self.proc / "self/cgroup").write_text(f"{number}{path}\n")

    def group(self, path: str, limit: int | str | None) -> None:
        """Make the group `path`, with a limit file or without."""
        folder = self.top / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").touch()
        if limit is not None:
            (folder / self.kind).write_text(f"{limit}\n")

    @property
    def usable(self) -> int:
        """What a process there can use, in MiB."""
        return usable(str(self.proc)) // MIB


@pytest.fixture(params=["memory.max", "memory.limit_in_bytes"])
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Kernel:
    """One of each version."""
    return Kernel(tmp_path, request.param)


def test_without_limits_it_is_the_machines(kernel: Kernel) -> None:
    """Neither a group without a limit nor one of more than there is changes anything."""
    assert kernel.usable == 1024
    kernel.group("a", "max" if kernel.kind == "memory.max" else UNLIMITED)
    kernel.group("a/b", 4096 * MIB)
    kernel.be_in("/a/b")
    assert kernel.usable == 1024


def test_our_groups_limit_counts(kernel: Kernel) -> None:
    """A service with MemoryMax has no more than that."""
    kernel.group("a", 300 * MIB)
    kernel.group("other", 100 * MIB)
    kernel.be_in("/a")
    assert kernel.usable == 300


def test_the_least_of_those_above_counts(kernel: Kernel) -> None:
    """A slice's limit counts too, also past a group that has no limit file."""
    kernel.group("a", 200 * MIB)
    kernel.group("a/b", None)
    kernel.group("a/b/c", 500 * MIB)
    kernel.be_in("/a/b/c")
    assert kernel.usable == 200


def test_groups_that_can_not_be_seen(kernel: Kernel) -> None:
    """Without control groups, or with ours outside of what is mounted here, it is the machine's."""
    (kernel.proc / "self/cgroup").write_text("")
    assert kernel.usable == 1024
    kernel.be_in("/../elsewhere")
    assert kernel.usable == 1024


def test_this_machine() -> None:
    """Here it is something, and no more than there is."""
    assert 64 * MIB < usable() <= psutil.virtual_memory().total
