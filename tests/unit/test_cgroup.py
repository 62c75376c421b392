"""Control groups: what a real one does to those in it."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spoold.system import memory
from spoold.system.cgroup import Kills, Leaf, delegated, give_back

MIB = 1 << 20
LIMIT = 64 * MIB


# ------------------------------------------------------------------ a real group


@pytest.fixture(scope="module")
def folder() -> Iterator[str]:
    """Where groups can be made on this machine."""
    found = delegated()
    if found is None:
        pytest.skip("this process may make no memory control groups: it takes root or a unit with Delegate=memory")
    yield found
    give_back(found)


@pytest.fixture
def leaf(folder: str) -> Iterator[Leaf]:
    """A group that takes 64 MiB."""
    made = Leaf.make(folder, "nightly@2026-01-31T12:00+%1-0", LIMIT)
    assert made is not None
    yield made
    made.remove()
    assert not os.path.exists(made.path)


@pytest.fixture
def version_1(folder: str) -> str:
    """The group in which the daemon's folder stands, which version 2 does not make."""
    if os.path.exists(f"{folder}/cgroup.controllers"):
        pytest.skip("this machine has version 2")
    return os.path.dirname(folder)


def run(work: Callable[[], object]) -> int:
    """Do it in a child; its exit code: 0, 3 after a MemoryError, 4 after anything else, or less a signal's number."""
    pid = os.fork()
    if not pid:
        code = 4
        try:
            work()
            code = 0
        except MemoryError:
            code = 3
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_in(leaf: Leaf, work: Callable[[], object]) -> int:
    """As `run`, in a group."""

    def inside() -> None:
        leaf.enter()
        work()

    return run(inside)


def touch(mapping: mmap.mmap | bytearray) -> None:
    """Use every page."""
    for offset in range(0, len(mapping), mmap.PAGESIZE):
        mapping[offset] = 1


def private(size: int = 200 * MIB) -> None:
    """Use memory as objects do."""
    touch(bytearray(size))


def shared() -> None:
    """Use memory that RLIMIT_DATA does not see."""
    touch(mmap.mmap(-1, 200 * MIB))


def in_a_child() -> None:
    """Use memory in a process that has a different one to blame."""
    assert run(private) == 0


def in_a_file() -> None:
    """Use memory that belongs to no process at all."""
    descriptor = os.memfd_create("big")
    for _ in range(200):
        os.write(descriptor, bytes(MIB))


@pytest.mark.parametrize("work", [private, shared, in_a_file])
def test_past_the_limit_it_is_killed(leaf: Leaf, work: Callable[[], None]) -> None:
    """Private or shared, the kernel kills, counts the kill, and knows how far it went."""
    assert leaf.oom_kills() == 0
    assert run_in(leaf, work) == -signal.SIGKILL
    assert leaf.oom_kills() >= 1
    peak = leaf.peak()
    assert peak is None or LIMIT // 2 < peak <= LIMIT


def test_children_count(leaf: Leaf) -> None:
    """One that has a child use the memory does not get further."""
    assert run_in(leaf, in_a_child) != 0
    assert leaf.oom_kills() >= 1


def test_children_count_together(leaf: Leaf) -> None:
    """Each for itself stays below the limit."""

    def work(depth: int) -> None:
        kept = bytearray(LIMIT // 3)
        touch(kept)
        assert depth == 0 or run(lambda: work(depth - 1)) == 0

    assert run_in(leaf, lambda: work(3)) != 0
    assert leaf.oom_kills() >= 1


def test_below_the_limit_nothing_happens(leaf: Leaf) -> None:
    """What is given back may be used again; the peak stays."""

    def work() -> None:
        for _ in range(5):
            private(LIMIT // 2)

    assert run_in(leaf, work) == 0
    assert leaf.oom_kills() == 0
    peak = leaf.peak()
    assert peak is None or LIMIT // 2 <= peak <= LIMIT


def test_an_allocation_fails_before_anybody_is_killed(leaf: Leaf) -> None:
    """With a lower bound on its data a process gets a MemoryError, in a group or not."""

    def work() -> None:
        memory.bound_data(LIMIT // 2)
        private()

    assert run_in(leaf, work) == 3
    assert leaf.oom_kills() == 0


def test_neighbours_are_untouched(leaf: Leaf, folder: str) -> None:
    """The kernel looks for something to kill in the full group only."""
    other = Leaf.make(folder, "other-1", LIMIT)
    assert other is not None

    def work() -> None:
        other.enter()
        kept = bytearray(LIMIT // 2)
        touch(kept)
        assert run_in(leaf, private) == -signal.SIGKILL

    assert run(work) == 0
    assert leaf.oom_kills() >= 1
    assert other.oom_kills() == 0
    other.remove()


# ------------------------------------------------------------------ making and removing


def test_a_group_of_a_dead_worker_is_made_anew(leaf: Leaf, folder: str) -> None:
    """Counters begin at nothing, so that an old kill is not taken for a new one."""
    run_in(leaf, private)
    assert leaf.oom_kills() >= 1
    again = Leaf.make(folder, "nightly@2026-01-31T12:00+%1-0", 2 * LIMIT)
    assert again is not None
    assert again.path == leaf.path
    assert again.oom_kills() == 0
    peak = again.peak()
    assert peak is None or peak < MIB


def test_a_group_that_is_in_use_is_left(leaf: Leaf, folder: str) -> None:
    """If something in it refuses to die, the next worker gets a group of another name."""

    def work() -> None:
        leaf.enter()
        other = Leaf.make(folder, "nightly@2026-01-31T12:00+%1-0", LIMIT)
        assert other is not None
        assert other.path != leaf.path
        other.enter()
        leaf.remove()
        assert not os.path.exists(leaf.path)
        other.remove()
        assert os.path.exists(other.path)

    assert run(work) == 0


def test_any_name_will_do(folder: str) -> None:
    """Long names are cut, and stay different."""
    names = [
        "x" * 300 + "1",
        "x" * 300 + "2",
        "ü" * 200 + "1",
        "ü" * 200 + "2",
        "memory.max",
        "cgroup.procs",
        "..a",
        "~",
    ]
    made = [Leaf.make(folder, name, LIMIT) for name in names]
    paths = {leaf.path for leaf in made if leaf is not None}
    assert len(paths) == len(names)
    assert {os.path.dirname(path) for path in paths} == {folder}
    for leaf in made:
        assert leaf is not None
        leaf.remove()
        assert not os.path.exists(leaf.path)


def test_what_can_not_be_had_is_none(folder: str, tmp_path: Path) -> None:
    """No such folder, one that is no control group, a limit that the kernel refuses; nothing is left behind."""
    assert Leaf.make(f"{folder}/absent", "a-0", LIMIT) is None
    assert Leaf.make(str(tmp_path), "a-0", LIMIT) is None
    assert list(tmp_path.iterdir()) == []
    assert Leaf.make(folder, "a-0", -5) is None
    assert not [name for name in os.listdir(folder) if name.startswith("worker-a")]


def test_a_group_that_is_gone(folder: str) -> None:
    """Nobody can enter it; to ask it or to remove it again is harmless."""
    leaf = Leaf.make(folder, "gone-0", LIMIT)
    assert leaf is not None
    leaf.remove()
    leaf.remove()
    with pytest.raises(FileNotFoundError):
        leaf.enter()
    assert leaf.oom_kills() == 0
    assert leaf.peak() is None


def test_groups_below_a_worker_go_too(folder: str) -> None:
    """A handler may have made some for its own ends."""
    leaf = Leaf.make(folder, "deep-0", LIMIT)
    assert leaf is not None
    os.makedirs(f"{leaf.path}/a/b")
    leaf.remove()
    assert not os.path.exists(leaf.path)


# ------------------------------------------------------------------ the daemon's folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_one_who_may_not_has_none(folder: str) -> None:
    """A daemon of an ordinary user finds its group closed, and works without."""

    def work() -> None:
        os.setuid(65534)
        assert delegated() is None

    assert run(work) == 0


def test_what_killed_daemons_left_is_removed(version_1: str) -> None:
    """Unused groups of a daemon that is gone go; those of one that lives stay."""
    gone = os.fork()
    if not gone:
        os._exit(0)
    os.waitpid(gone, 0)
    os.makedirs(f"{version_1}/spoold-{gone}/worker-a-0")
    os.makedirs(f"{version_1}/spoold-{os.getppid()}/worker-a-0")
    assert delegated() is not None
    assert not os.path.exists(f"{version_1}/spoold-{gone}")
    os.rmdir(f"{version_1}/spoold-{os.getppid()}/worker-a-0")
    os.rmdir(f"{version_1}/spoold-{os.getppid()}")


def test_nothing_is_left_at_the_end(version_1: str) -> None:
    """The daemon's folder goes with it, and what workers left in it."""

    def work() -> None:
        found = delegated()
        assert found == f"{version_1}/spoold-{os.getpid()}"
        assert Leaf.make(found, "a-0", LIMIT) is not None
        give_back(found)
        assert not os.path.exists(found)

    assert run(work) == 0


def test_kills_are_counted_through_an_open_file(tmp_path: Path) -> None:
    """Who asks often keeps the file open; if somebody closes it, the count still comes."""
    events = tmp_path / "memory.events"
    events.write_text("oom 1\noom_kill 0\n")
    before = set(os.listdir("/proc/self/fd"))
    kills = Kills(Leaf(str(tmp_path)))
    assert kills.count() == 0
    events.write_text("oom 1\noom_kill 2\n")
    assert kills.count() == 2
    (mine,) = (int(name) for name in set(os.listdir("/proc/self/fd")) - before)
    assert mine >= 500
    os.close(mine)
    assert kills.count() == kills.count() == 2
