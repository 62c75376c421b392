"""What a job's runner is told, and how many workers a job asks for."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from spoold.core.policy import FailureLimits, Recycling, RetryPolicy
from spoold.core.spec import JobSpec, decode_spec, encode_spec
from spoold.spool import Spool
from spoold.supervisor.config import Config, Limits
from spoold.supervisor.daemon_log import DaemonLog
from spoold.supervisor.job import Job
from spoold.supervisor.setting import Setting

MIB = 1 << 20
CPUS = len(os.sched_getaffinity(0))
LEAST = "handler: pkg.mod:fn\nsource: {type: range, stop: 5}\n"


class Place:
    """A spool of 1000 MiB of memory with one accepted job."""

    def __init__(self, root: Path) -> None:
        self.spool = Spool(str(root))
        self.spool.create()
        self.config = Config(max_workers=10_000)
        self.job = Job(self.spool.job("x"))
        os.mkdir(self.job.directory.root)

    def setting(self, text: str, ram: int = 1000 * MIB) -> Setting:
        """The daemon's, where the job's manifest has these keys too."""
        Path(self.job.directory.manifest).write_text(LEAST + text)
        log = DaemonLog(self.spool.log, self.config.log)
        setting = Setting(self.spool, self.config, None, False, log, None, ram)
        self.job.request = setting.request(self.job)
        return setting

    def spec(self, text: str, ram: int = 1000 * MIB) -> JobSpec:
        """What the job's runner is told."""
        return self.setting(text, ram).spec(self.job, 1)

    def wanted(self, text: str, ram: int = 1000 * MIB) -> int:
        """How many workers the job asks for."""
        return self.setting(text, ram).wanted(self.job)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_rules_by_default(place: Place) -> None:
    """A manifest that says nothing of failure gives the plain defaults; only the memory has a bound."""
    spec = place.spec("")
    assert (spec.retry, spec.failures, spec.recycle) == (RetryPolicy(), FailureLimits(), Recycling())
    assert (spec.timeout, spec.rate, spec.at_most_once) == (None, None, False)
    assert spec.retry.attempts == 1


def test_rules_of_the_manifest(place: Place) -> None:
    """What the manifest says reaches the runner, through JSON too."""
    spec = place.spec(
        "retry: {attempts: 4, on: [OSError]}\nfailures: {max: 5%}\nrecycle: {items: 9}\n"
        "timeout: 1m\nmemory: 64MiB\ndelivery: at-most-once\nrate: 30/m\n"
    )
    assert (spec.retry.attempts, spec.retry.on) == (4, ("OSError",))
    assert (spec.failures, spec.recycle) == (FailureLimits(share=0.05, after=100), Recycling(items=9))
    assert (spec.timeout, spec.memory, spec.at_most_once, spec.rate) == (60.0, 64 * MIB, True, 0.5)
    assert decode_spec(encode_spec(spec)) == spec


def test_memory_is_an_equal_share_less_a_tenth(place: Place) -> None:
    """Without `memory` it goes by the workers that the job asks for, not by those it has at the moment."""
    assert place.spec("workers: 4").memory == 225 * MIB
    place.job.wanted = 10
    assert place.spec("workers: 4").memory == 90 * MIB
    place.job.wanted = None
    assert place.spec("").memory == 1000 * MIB // CPUS * 9 // 10


def test_memory_stays_within_the_administrators_limit(place: Place) -> None:
    """The default is never more than a manifest might ask for."""
    place.config = place.config.model_copy(update={"limits": Limits(memory=100 * MIB)})
    assert place.spec("workers: 2").memory == 100 * MIB
    assert place.spec("workers: 50").memory == 18 * MIB
    assert place.spec("memory: 70MiB").memory == 70 * MIB


def test_auto_workers_fit_into_the_memory(place: Place) -> None:
    """`auto` is a worker for each processor, as far as each has its memory, and at least one."""
    assert place.wanted("") == CPUS
    assert place.wanted("memory: 1MiB") == CPUS
    assert place.wanted(f"memory: {1000 // CPUS}MiB") == CPUS
    assert place.wanted("memory: 501MiB") == 1
    assert place.wanted("memory: 100GB") == 1


def test_a_number_of_workers_is_taken_at_its_word(place: Place) -> None:
    """Workers that together may use more than there is are the author's decision; so is what an operator scaled to."""
    assert place.wanted("workers: 7\nmemory: 1GB") == 7
    place.job.wanted = 9
    assert place.wanted("memory: 1GB") == 9


def test_the_same_at_each_start(place: Place) -> None:
    """A restart tells a job the same."""
    specs = [msgspec.structs.asdict(place.spec("workers: 3")) for _ in range(2)]
    assert specs[0] == specs[1]
