"""What processes use, measured on real ones, and the bound that the kernel keeps."""

from __future__ import annotations

import mmap
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from spoold.system import memory, process

MIB = 1 << 20
SLACK = 8 * MIB
"""By which an interpreter may grow while it does what a test asks."""


def fill(mapping: mmap.mmap | bytearray) -> None:
    """Touch every page."""
    for offset in range(0, len(mapping), mmap.PAGESIZE):
        mapping[offset] = 1


def shared(size: int) -> mmap.mmap:
    """So much anonymous memory that children share, touched."""
    mapping = mmap.mmap(-1, size)
    fill(mapping)
    return mapping


def fork(work: Callable[[], object]) -> int:
    """Do it in a child, which then ends with 0, with 3 after a MemoryError, with 4 after anything else; its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 4
    try:
        work()
        code = 0
    except MemoryError:
        code = 3
    finally:
        os._exit(code)


def run(work: Callable[[], object]) -> int:
    """As `fork`, but wait for the end; the exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1])


@contextmanager
def alive(work: Callable[[], object]) -> Iterator[int]:
    """The pid of a child that has done it and lives until the block ends; so do those that it forked."""
    reading, writing = os.pipe()

    def stay() -> None:
        kept = work()
        os.write(writing, b"x")
        signal.pause()
        del kept

    pid = fork(stay)
    os.close(writing)
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    try:
        yield pid
    finally:
        for member in reversed(memory.family(pid)):
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        os.waitpid(pid, 0)


# ------------------------------------------------------------------ the bound


def test_data_is_what_is_private_and_writable() -> None:
    """Memory that was only reserved counts; a shared mapping does not."""
    before = memory.data_size()
    private = mmap.mmap(-1, 64 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    both = mmap.mmap(-1, 64 * MIB)
    assert 64 * MIB <= memory.data_size() - before < 64 * MIB + SLACK
    assert memory.data_size(os.getpid()) == memory.data_size()
    private.close()
    both.close()


def test_past_the_bound_an_allocation_fails() -> None:
    """A handler can catch the MemoryError and go on."""

    def work() -> None:
        bound = memory.bound_data(64 * MIB)
        for _ in range(3):
            with pytest.raises(MemoryError):
                bytearray(bound)
        fill(bytearray(32 * MIB))

    assert run(work) == 0


def test_up_to_the_bound_none_fails() -> None:
    """The quota is added to what the process has already, so an interpreter's own size does not matter."""

    def work() -> None:
        kept = bytearray(100 * MIB)
        memory.bound_data(64 * MIB)
        fill(bytearray(56 * MIB))
        del kept

    assert run(work) == 0


def test_small_objects_count_too() -> None:
    """Millions of little objects run into the bound as one big one does."""

    def work() -> None:
        memory.bound_data(32 * MIB)
        kept: list[list[int]] = []
        while len(kept) < 10**7:
            kept.append([len(kept)])

    assert run(work) == 3


def test_the_bound_is_told() -> None:
    """It is what was there and the quota, and it stands as the soft limit; the hard one is left alone."""

    def work() -> None:
        before = memory.data_size()
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        bound = memory.bound_data(64 * MIB)
        assert 64 * MIB <= bound - before < 64 * MIB + SLACK
        assert resource.getrlimit(resource.RLIMIT_DATA) == (bound, hard)

    assert run(work) == 0


def test_a_lower_hard_limit_holds() -> None:
    """What an administrator set is no reason to fail."""

    def work() -> None:
        hard = memory.data_size() + 50 * MIB
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        assert memory.bound_data(1 << 40) == hard

    assert run(work) == 0


def test_what_is_started_is_bound_too() -> None:
    """A program that a handler executes can't have more than the handler."""
    program = [sys.executable, "-c", "import sys; bytearray(int(sys.argv[1]))"]

    def work() -> None:
        bound = memory.bound_data(64 * MIB)
        for size, code in ((bound, 1), (bound // 2, 0)):
            ended = subprocess.run([*program, str(size)], stderr=subprocess.DEVNULL, check=False)
            assert ended.returncode == code

    assert run(work) == 0


# ------------------------------------------------------------------ what is used


def test_a_family_is_all_that_came_from_a_process() -> None:
    """Children's children belong to it; its siblings do not."""

    def child() -> None:
        fork(signal.pause)
        signal.pause()

    def nest() -> None:
        fork(child)
        while len(memory.family(os.getpid())) < 3:
            os.sched_yield()

    with alive(nest) as pid, alive(lambda: None) as sibling:
        members = memory.family(pid)
        assert members[0] == pid
        assert len(members) == 3
        assert sibling not in members


def test_orphans_stay_in_the_family_of_a_subreaper() -> None:
    """What a handler's child left behind when it ended still counts."""

    def work() -> None:
        process.become_subreaper()
        run(lambda: fork(signal.pause))

    with alive(work) as pid:
        assert len(memory.family(pid)) == 2


def test_shared_mappings_count() -> None:
    """Memory that the kernel's bound does not see is seen here."""
    with alive(lambda: None) as idle, alive(lambda: shared(100 * MIB)) as busy:
        for measure in (memory.resident, memory.proportional):
            assert 100 * MIB <= measure(busy) - measure(idle) + SLACK < 100 * MIB + 2 * SLACK


def test_mapped_files_count(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file that was mapped and read is in RAM for the one who did it."""
    path = tmp_path_factory.mktemp("file") / "big"
    path.write_bytes(bytes(100 * MIB))

    def read() -> mmap.mmap:
        with path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        assert sum(mapping[offset] for offset in range(0, len(mapping), mmap.PAGESIZE)) == 0
        return mapping

    with alive(lambda: None) as idle, alive(read) as busy:
        assert memory.proportional(busy) - memory.proportional(idle) > 92 * MIB


def test_grandchildren_count() -> None:
    """What a worker's child's child touches is the worker's."""

    def work() -> None:
        reading, writing = os.pipe()

        def grandchild() -> None:
            kept = bytearray(100 * MIB)
            fill(kept)
            os.write(writing, b"x")
            signal.pause()

        def child() -> None:
            fork(grandchild)
            signal.pause()

        fork(child)
        assert os.read(reading, 1) == b"x"

    with alive(lambda: None) as idle, alive(work) as busy:
        assert memory.proportional(busy) - memory.proportional(idle) > 100 * MIB
        assert memory.resident(busy) - memory.resident(idle) > 100 * MIB


def test_what_a_family_shares_counts_once() -> None:
    """A forked child that reads its parent's data needs no memory of its own, though it seems to."""

    def work() -> bytearray:
        kept = bytearray(100 * MIB)
        fill(kept)
        fork(signal.pause)
        return kept

    with alive(work) as pid:
        assert memory.resident(pid) > 200 * MIB
        assert 100 * MIB <= memory.proportional(pid) < memory.resident(pid) * 3 // 4


def test_the_cheap_count_decides_where_it_can() -> None:
    """Only one that seems to use too much is looked at closely."""

    def work() -> bytearray:
        kept = bytearray(100 * MIB)
        fill(kept)
        fork(signal.pause)
        return kept

    with alive(work) as pid:
        upper = memory.resident(pid)
        assert upper <= memory.used(pid, 2 * upper) < upper + SLACK
        assert 100 * MIB < memory.used(pid, upper) < upper * 3 // 4
        assert 100 * MIB < memory.used(pid, 64 * MIB) < upper * 3 // 4


def test_one_that_is_gone_uses_nothing() -> None:
    """A process may end while it is measured, and may not be reaped yet."""
    ending = fork(lambda: None)
    os.waitid(os.P_PID, ending, os.WEXITED | os.WNOWAIT)
    for measure in (memory.resident, memory.proportional, memory.data_size):
        assert measure(ending) == 0
    os.waitpid(ending, 0)
    assert memory.family(ending) == [ending]
    for measure in (memory.resident, memory.proportional, memory.data_size):
        assert measure(ending) == 0
    assert memory.used(ending, 0) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_may_not_be_read_counts_in_full() -> None:
    """Of another user's process only the cheap count is to be had."""

    def work() -> None:
        os.setuid(65534)
        assert memory.proportional(target) == memory.resident(target) > 0

    with alive(lambda: None) as target:
        assert memory.proportional(target) < memory.resident(target)
        assert run(work) == 0


# ------------------------------------------------------------------ who is chosen when the machine runs out


def score() -> int:
    """What this process was given."""
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        return int(file.read())


def test_a_worker_goes_first() -> None:
    """It is chosen before daemon and runner, and so is what it starts."""

    def work() -> None:
        memory.raise_oom_score()
        assert score() == 500
        assert run(lambda: sys.exit(score() != 500)) == 4  # SystemExit is no MemoryError
        assert run(lambda: os._exit(score() == 500)) == 1

    assert run(work) == 0


def test_one_that_would_go_first_anyway_stays_so() -> None:
    """A higher score, set from outside, is kept."""

    def work() -> None:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("800")
        memory.raise_oom_score()
        assert score() == 800

    assert run(work) == 0


def _code_in_memory() -> int:
    """Kilobytes of code that this process has mapped and touched."""
    found, wanted = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        fields = line.split()
        if "-" in fields[0]:
            wanted = fields[1] == "r-xp"
        elif wanted and fields[0] == "Rss:":
            found += int(fields[1])
    return found


def test_code_that_only_the_start_needed_is_given_back() -> None:
    """Whoever goes on afterwards has what it uses, and less than before."""
    before = _code_in_memory()
    memory.let_go_of_code()
    assert _code_in_memory() < before
