"""A job in which a bit of everything goes wrong: it ends, and every item has the outcome that is its own."""

from __future__ import annotations

from collections import Counter

from tests.daemon import Daemon
from tests.process.cli_helpers import spool

COUNT = 1000
FINAL = {"ok", "failed", "skipped", "quarantined", "in-doubt"}
OUTCOMES = {3: "Poisonous", 13: "TimeoutError", 23: "memory", 33: "Poisonous"}
"""The type of the failure of each bad item, by the last two digits of its id."""


def test_a_bit_of_everything(daemon: Daemon) -> None:
    """One in a hundred each: segfault, hang, too much memory, exit, an error that passes; all others are ok."""
    daemon.drop(
        "mixed",
        handler="trouble:mixed",
        source=daemon.items(COUNT),
        workers=4,
        timeout="1s",
        memory="64MiB",
        retry={"attempts": 2, "backoff": "1ms", "on": ["ConnectionError"]},
    )
    assert daemon.run(seconds=50) == 1
    final = Counter(record["n"] for record in daemon.records("mixed") if record["s"] in FINAL)
    assert final == dict.fromkeys(range(COUNT), 1)
    good = [n for n in range(COUNT) if n % 100 not in OUTCOMES]
    assert [row["n"] for row in daemon.results("mixed")] == good
    failures = daemon.failures("mixed")
    assert {row["n"]: row["error"]["type"] for row in failures} == {
        n: OUTCOMES[n % 100] for n in range(COUNT) if n % 100 in OUTCOMES
    }
    report = daemon.report("mixed")
    assert (report["ok"], report["quarantined"], report["failed"]) == (len(good), 20, 20)
    blamed = {record["n"] % 100 for record in daemon.records("mixed") if record["s"] in ("died", "retry")}
    assert blamed <= {*OUTCOMES, 43}
    assert sum(record["job"] == "started" for record in daemon.job_records("mixed")) == 1
    spool(daemon, "verify", "mixed")
