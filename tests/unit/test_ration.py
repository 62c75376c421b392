"""What an attempt used of its worker's memory, found when it has ended; in real processes."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
from tests.unit.test_memory import MIB, SLACK, fill, run, shared

from spoold.system import memory
from spoold.system.cgroup import Leaf
from spoold.worker.ration import Ration


def fresh(quota: int) -> Ration:
    """The ration of this process, which has `quota` bytes beside its own share of what it has now."""
    return Ration(quota, memory.own_peak(memory.peak()) + quota, None)


def test_the_peak_outlasts_what_made_it() -> None:
    """Memory that was given back is in it."""

    def work() -> None:
        before = memory.peak()
        shared(64 * MIB).close()
        assert 64 * MIB - SLACK < memory.peak() - before < 64 * MIB + SLACK
        assert memory.own_peak(memory.peak()) > 64 * MIB

    assert run(work) == 0


def test_what_is_shared_counts_by_its_share() -> None:
    """A mapping that another process has too is half of it in each."""
    mapping = shared(64 * MIB)

    def work() -> None:
        fill(mapping)
        peak = memory.peak()
        assert peak - memory.own_peak(peak) > 32 * MIB - SLACK

    assert run(work) == 0


def test_too_much_is_found_and_told_once() -> None:
    """Also when it is gone again; the attempts after that are not blamed for it."""

    def work() -> None:
        ration = fresh(32 * MIB)
        assert ration.overdrawn() is None
        shared(16 * MIB).close()
        assert ration.overdrawn() is None
        shared(64 * MIB).close()
        assert ration.overdrawn() == "the worker used more than its `memory` of 32.0 MiB"
        assert ration.overdrawn() is None

    assert run(work) == 0


def test_what_others_pay_for_is_not_too_much(tmp_path: Path) -> None:
    """A file that several workers have mapped, such as a model, may be larger than what each of them may use."""
    path = tmp_path / "model"
    path.write_bytes(bytes(48 * MIB))
    with path.open("r+b") as file:
        model = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def read() -> None:
        for offset in range(0, len(model), mmap.PAGESIZE):
            assert model[offset] == 0

    def work() -> None:
        ration = fresh(32 * MIB)
        read()
        assert ration.overdrawn() is None

    read()
    assert run(work) == 0


@pytest.mark.parametrize(("kills", "found"), [(0, False), (2, True)])
def test_with_a_control_group_the_kernels_count_decides(tmp_path: Path, kills: int, found: bool) -> None:  # noqa: FBT001 - a table
    """Whom it killed was not within the limit; who got by was."""
    (tmp_path / "memory.events").write_text(f"low 0\noom 5\noom_kill {kills}\n")

    def work() -> None:
        ration = Ration(MIB, MIB, Leaf(str(tmp_path)))
        assert (ration.overdrawn() is not None) == found

    assert run(work) == 0
