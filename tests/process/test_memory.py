"""`memory`: an item that uses more fails alone, with control groups and where there are none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.daemon import Daemon, eventually
from tests.process.test_deaths import statuses

LIMIT = 64
"""MiB that a worker may use beside what an empty one has; the hungry item wants three times as much."""
GROUPS = re.compile(r"workers get memory control groups in (\S+)")


@pytest.fixture(scope="module", params=["groups", "no groups"])
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A running daemon whose workers have memory control groups, and one whose workers have none."""
    one = Daemon(tmp_path_factory.mktemp("limited"))
    one.shared = True
    if request.param == "no groups":
        one.before = without_groups()
    one.start(config={"max_jobs": 8, "max_workers": 16})
    one.finish("first", handler="basic:noop", source=one.items(1))
    found = GROUPS.search(one.log()) is not None
    if found != (request.param == "groups"):
        one.kill_everything()
        pytest.skip("no control groups can be had here" if not found else "control groups can't be hidden here")
    yield one
    one.kill_everything()


def without_groups() -> tuple[str, ...]:
    """What hides the control groups from the command after it; nothing for who can't mount."""
    hide = 'mount -t tmpfs -o ro none /sys/fs/cgroup && exec "$@"'
    return ("unshare", "-m", "sh", "-c", hide, "sh") if os.geteuid() == 0 else ()


def has_groups(daemon: Daemon) -> bool:
    """Whether its workers have control groups."""
    return GROUPS.search(daemon.log()) is not None


def one_hungry(how: str, count: int = 8) -> dict[str, Any]:
    """Inline items of which number 3 is hungry."""
    return {"type": "items", "items": [{"id": n, **hungry(how, n == 3)} for n in range(count)]}


def hungry(how: str, wanted: bool) -> dict[str, Any]:  # noqa: FBT001 - a helper of one line
    """What is put in an item to make it hungry; a child stays until it is seen, where only looking helps."""
    return {"how": how, "mib": 3 * LIMIT, "hold": 20} if wanted else {}


def told(daemon: Daemon, name: str) -> list[tuple[int, int]]:
    """What the handler `eats` told: the item and the process, an attempt each."""
    return [(int(n), int(pid)) for n, pid in (line.split() for line in daemon.ledger(name) if " " in line)]


@pytest.mark.parametrize("how", ["bytes", "hoard", "shared", "child", "file"])
def test_an_item_that_uses_too_much_fails(limited: Daemon, how: str) -> None:
    """It is tried once more in a fresh worker, then failed with `memory`; its neighbours run once, nobody else dies."""
    if how == "file" and has_groups(limited):
        pytest.skip("the kernel keeps what is mapped from a file within the limit")
    name = f"eats-{how}"
    zygote = [process.pid for process in limited.titled("zygote")]
    source = one_hungry(how)
    ended = limited.finish(name, handler="trouble:eats", workers=1, memory=f"{LIMIT}MiB", poison=1, source=source)
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["failed"]) == ("partial", 7, 1)
    assert [row["n"] for row in limited.results(name)] == [0, 1, 2, 4, 5, 6, 7]
    found = statuses(limited, name, "3")
    assert found[-1] == "failed"
    assert found[:-1] in (["retry"], ["died", "died"], ["retry", "died"], ["died"])
    error = limited.failures(name)[0]["error"]
    assert error["type"] == "memory"
    assert "memory" in error["message"]
    ran = told(limited, name)
    assert sorted(n for n, _ in ran) == [0, 1, 2, 3, 3, 4, 5, 6, 7]
    (first, second), others = [pid for n, pid in ran if n == 3], {pid for n, pid in ran if n != 3}
    assert first != second
    assert second not in others
    assert limited.process is not None
    assert limited.process.poll() is None
    assert [process.pid for process in limited.titled("zygote")] == zygote
    assert lives(limited, name) == 1


def lives(daemon: Daemon, name: str) -> int:
    """How many runners the job has had."""
    return sum(record["job"] == "started" for record in daemon.job_records(name))


def test_a_worker_that_ran_out_is_replaced(limited: Daemon) -> None:
    """What comes after a MemoryError runs in another process than what came before."""
    limited.finish("replaced", handler="trouble:eats", workers=1, memory=f"{LIMIT}MiB", source=one_hungry("bytes"))
    ran = told(limited, "replaced")
    assert {pid for n, pid in ran if n < 3}.isdisjoint({pid for n, pid in ran if n > 3})


def test_a_memory_error_that_the_handler_catches(limited: Daemon) -> None:
    """The item is ok, and its worker goes on."""
    source = one_hungry("caught")
    limited.finish("caught", handler="trouble:eats", workers=1, memory=f"{LIMIT}MiB", source=source)
    assert len(limited.results("caught")) == 8
    assert len({pid for _, pid in told(limited, "caught")}) == 1


def test_an_exception_raised_over_a_memory_error(limited: Daemon) -> None:
    """It fails the item as it would without; the worker, which has no room to go on, is replaced."""
    limited.finish("over", handler="trouble:eats", workers=1, memory=f"{LIMIT}MiB", source=one_hungry("over"))
    assert [(row["id"], row["error"]["type"]) for row in limited.failures("over")] == [("3", "RuntimeError")]
    assert statuses(limited, "over", "3") == ["failed"]
    ran = told(limited, "over")
    assert {pid for n, pid in ran if n <= 3}.isdisjoint({pid for n, pid in ran if n > 3})


def test_an_item_within_the_limit_is_left_alone(limited: Daemon) -> None:
    """Two thirds of it, in memory of every kind, one item after the other."""
    items = [{"id": n, "how": how, "mib": LIMIT * 2 // 3} for n, how in enumerate(["bytes", "shared", "child"] * 3)]
    source = {"type": "items", "items": items}
    ended = limited.finish("within", handler="trouble:eats", workers=1, memory=f"{LIMIT}MiB", source=source)
    assert ended["counts"]["ok"] == 9
    assert len({pid for _, pid in told(limited, "within")}) == 1


def test_the_peak_of_each_worker_is_in_the_report(limited: Daemon) -> None:
    """What the worker used at most, with what it started."""
    items = [{"id": n, "how": "shared", "mib": LIMIT // 2} for n in range(8)]
    source = {"type": "items", "items": items}
    limited.finish("peak", handler="trouble:eats", workers=2, memory=f"{LIMIT}MiB", source=source)
    peaks = {row["worker"]: row["peak_memory"] for row in limited.report("peak")["workers"]}
    assert set(peaks) <= {0, 1}
    assert max(peaks.values()) > LIMIT // 2 << 20
    assert max(peaks.values()) < LIMIT + 100 << 20


@pytest.mark.parametrize("how", ["bytes", "hoard", "shared"])
def test_too_much_while_the_handler_is_made(limited: Daemon, how: str) -> None:
    """The job fails, and says that it was the memory, and how much there is."""
    name = f"greedy-{how}"
    params = {"how": how, "mib": 3 * LIMIT}
    source = limited.items(3)
    ended = limited.finish(name, handler="trouble:Greedy", params=params, memory=f"{LIMIT}MiB", source=source)
    assert ended["state"] == "failed"
    assert "`memory`" in ended["error"]
    assert f"{LIMIT}.0 MiB" in ended["error"]
    assert limited.records(name) == []


def test_under_at_most_once_it_is_in_doubt_if_it_was_killed(limited: Daemon) -> None:
    """An attempt that raised MemoryError has ended, and is tried once more; one whose worker was killed is not."""
    more: dict[str, Any] = {"workers": 1, "memory": f"{LIMIT}MiB", "delivery": "at-most-once"}
    limited.finish("amo-bytes", handler="trouble:eats", source=one_hungry("bytes"), **more)
    assert statuses(limited, "amo-bytes", "3") == ["start", "retry", "start", "failed"]
    limited.finish("amo-shared", handler="trouble:eats", source=one_hungry("shared"), **more)
    assert statuses(limited, "amo-shared", "3") == ["start", "in-doubt"]
    assert sorted(n for n, _ in told(limited, "amo-shared")) == list(range(8))


def groups(daemon: Daemon) -> list[Path]:
    """The folders in which the daemons that ran here made control groups for their workers."""
    found = [Path(path) for path in GROUPS.findall(daemon.log())]
    if not found:
        pytest.skip("no control groups can be had here")
    return found


def leaves(group: Path) -> set[str]:
    """The workers' own folders."""
    return {path.name for path in group.glob("worker-*")}


def test_control_groups_are_removed(daemon: Daemon) -> None:
    """Each worker has one while it lives; there is none after a drain, nor after a kill and the next start."""
    daemon.start()
    source = {"type": "items", "items": [{"id": n, "seconds": 0.3} for n in range(6)]}
    daemon.drop("groups", handler="basic:slow_ledger", memory=f"{LIMIT}MiB", source=source)
    eventually(daemon.ledger, "an item")
    first = groups(daemon)[0]
    assert leaves(first) == {"worker-groups-0", "worker-groups-1"}
    daemon.kill_everything()  # from here on any daemon that starts on this machine may remove what is left
    daemon.start()
    eventually(lambda: len(daemon.ledger()) > 3, "the job to go on")
    second = groups(daemon)[-1]
    assert leaves(second) != set()
    assert daemon.stop() == 0
    assert leaves(first) | leaves(second) == set()
    if "/memory/" in str(second):  # version 1: the daemon's own folder
        assert not any(group.exists() for group in (first, second))


def test_groups_of_a_supervisor_that_was_killed_alone(daemon: Daemon) -> None:
    """Its workers finish their items in them; they are gone when the next daemon is."""
    daemon.start()
    source = {"type": "items", "items": [{"id": n, "seconds": 0.5} for n in range(4)]}
    daemon.drop("alone", handler="basic:slow_ledger", memory=f"{LIMIT}MiB", source=source)
    eventually(lambda: len(daemon.titled("worker")) == 2, "two workers")
    first = groups(daemon)[0]
    daemon.kill()
    daemon.start()
    daemon.wait_ended("alone")
    assert sorted(daemon.ledger()) == ["0", "1", "2", "3"]
    assert daemon.stop() == 0
    assert leaves(first) == set()
    if "/memory/" in str(first):
        assert not first.exists()
