"""Deaths of workers, counted over the lives of the daemon; which of them are nobody's fault, and who has none."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any

import pytest
from tests.daemon import Daemon, eventually
from tests.process.attempts import FOREVER, QUICK, inline, steps


def deaths(daemon: Daemon, name: str, item_id: str = "a") -> list[str]:
    """What the journal says of an item, in order of time, without the numbers of the attempts."""
    return [status for status, _ in steps(daemon, name, item_id)]


def scripted(*script: str, **keys: Any) -> dict[str, Any]:
    """The manifest of a job with one item that follows this script."""
    source = inline({"id": "a", "script": script})
    return {"handler": "effects:scripted", "workers": 1, "source": source, **keys}


def reach(daemon: Daemon, call: int, step: str, name: str | None = None) -> None:
    """Wait until the item has begun its call of this number."""
    eventually(lambda: f"a {call} {step}" in daemon.ledger(name), f"call {call}, which is to {step}")


def test_deaths_add_up_over_lives(daemon: Daemon) -> None:
    """Deaths count on after a kill of everything, of the runner, and after drains; those ends are no deaths."""
    daemon.start(config={"drain_timeout": "200ms"})
    daemon.drop("lives", **scripted("die", "hang", "die", "hang", "hang", "die", poison=3))
    reach(daemon, 2, "hang")
    daemon.kill_everything()
    daemon.start()
    reach(daemon, 4, "hang")
    daemon.titled("runner")[0].kill()
    reach(daemon, 5, "hang")
    assert daemon.stop() == 0
    daemon.start()
    assert daemon.wait_ended("lives")["counts"]["quarantined"] == 1
    assert deaths(daemon, "lives") == ["died", "died", "died", "quarantined"]
    assert len(daemon.ledger()) == 6
    assert "its worker died 3 times" in daemon.failures("lives")[0]["error"]["message"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_a_drain_that_is_cut_short_is_no_death(daemon: Daemon, how: signal.Signals) -> None:
    """Items that are killed at the end of a drain run again and are not blamed, though one death would be enough."""
    daemon.start(config={"drain_timeout": "200ms" if how == signal.SIGTERM else "10m"})
    daemon.drop("drain", **scripted("hang", "ok", poison=1))
    reach(daemon, 1, "hang")
    assert daemon.stop(how) == 0
    assert deaths(daemon, "drain") == []
    daemon.start()
    assert daemon.wait_ended("drain")["state"] == "succeeded"
    assert deaths(daemon, "drain") == ["ok"]


def test_a_cancelled_item_is_not_blamed(serving: Daemon) -> None:
    """An item that a cancelled job is not waited for runs again when the job does, with no death against it."""
    serving.drop("cancel", **scripted("hang", "ok", poison=1))
    reach(serving, 1, "hang", "cancel")
    serving.command("cancel", "cancel")
    assert serving.wait_ended("cancel")["state"] == "cancelled"
    assert deaths(serving, "cancel") == []
    serving.command("resume", "cancel")
    serving.wait_run("cancel", 2)
    assert deaths(serving, "cancel") == ["ok"]


def test_fewer_workers_are_no_deaths(serving: Daemon) -> None:
    """Workers that end because there are to be fewer, or after so many items, leave nobody to blame."""
    source = inline(*({"id": n, "seconds": 0.05} for n in range(40)))
    serving.drop("scale", handler="basic:slow_ledger", workers=4, poison=1, recycle={"items": 3}, source=source)
    eventually(lambda: len(serving.ledger("scale")) > 4, "some items")
    serving.command("scale", "scale", workers=1)
    ended = serving.wait_ended("scale")
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 40)
    assert sorted(map(int, serving.ledger("scale"))) == list(range(40))
    assert {record["s"] for record in serving.records("scale")} == {"ok"}
    assert serving.report("scale")["tries"]["worker_deaths"] == 0


def test_the_runners_death_is_no_item_s(serving: Daemon) -> None:
    """Items whose worker died with its runner run again and are not blamed."""
    serving.drop("runner", **scripted("hang", "ok", poison=1))
    reach(serving, 1, "hang", "runner")
    serving.titled("runner", "runner")[0].kill()
    assert serving.wait_ended("runner")["state"] == "succeeded"
    assert deaths(serving, "runner") == ["ok"]


def test_deaths_of_several_attempts_add_up(serving: Daemon) -> None:
    """A death costs no attempt, and an attempt that ended in between does not take a death back."""
    serving.finish("mixed", **scripted("die", "connection", "connection", "die", poison=2, retry=QUICK))
    assert steps(serving, "mixed", "a") == [
        ("died", 1), ("retry", 1), ("retry", 2), ("died", 3), ("quarantined", 3)
    ]  # fmt: skip


@pytest.mark.parametrize(("last", "ended"), [("die", "quarantined"), ("value", "failed")])
def test_a_new_run_is_a_fresh_budget(serving: Daemon, last: str, ended: str) -> None:
    """What was quarantined, or failed after a death, has all of its deaths again in a new run."""
    name = f"fresh-{ended}"
    serving.finish(name, **scripted("die", last, "die", "ok", poison=2))
    before = ["died", "died", "quarantined"] if last == "die" else ["died", "failed"]
    assert deaths(serving, name) == before
    serving.command("retry-failures", name)
    assert serving.wait_run(name, 2)["state"] == "succeeded"
    assert deaths(serving, name) == [*before, "died", "ok"]
    assert serving.failures(name) == []


def test_a_fresh_budget_outlives_the_daemon(daemon: Daemon) -> None:
    """Deaths of the run before do not come back at a restart, those of this run do."""
    daemon.start()
    daemon.finish("fresh", **scripted("die", "die", "die", "hang", "die", poison=2))
    daemon.command("retry-failures", "fresh")
    reach(daemon, 4, "hang")
    daemon.kill_everything()
    daemon.start()
    daemon.wait_run("fresh", 2)
    assert deaths(daemon, "fresh") == ["died", "died", "quarantined"] * 2
    assert len(daemon.ledger()) == 5


def test_neighbours_in_a_chunk_run_once(serving: Daemon) -> None:
    """Of hundreds of quick items in one chunk only the deadly ones are blamed; no other runs twice."""
    deadly = {700, 701, 1300}
    source = inline(*({"id": n, **({"how": "kill"} if n in deadly else {})} for n in range(1500)))
    ended = serving.finish("chunk", handler="basic:die", workers=1, poison=2, source=source)
    assert (ended["counts"]["ok"], ended["counts"]["quarantined"]) == (1497, 3)
    assert Counter(map(int, serving.ledger("chunk"))) == dict.fromkeys(set(range(1500)) - deadly, 1)
    assert Counter(record["n"] for record in serving.records("chunk") if record["s"] == "died") == dict.fromkeys(
        deadly, 2
    )


def test_what_failed_is_failed_until_it_ended_again(serving: Daemon) -> None:
    """An item that was begun in a new run and cancelled has still failed, and runs again."""
    serving.finish("stays", **scripted("value", "connection", "ok", retry=FOREVER))
    serving.command("retry-failures", "stays")
    serving.wait_ran("stays", 2)
    serving.command("cancel", "stays")
    assert serving.wait_run("stays", 2)["counts"]["failed"] == 1
    assert [row["error"]["type"] for row in serving.failures("stays")] == ["ValueError"]
    serving.command("retry-failures", "stays")
    assert serving.wait_run("stays", 3)["counts"]["ok"] == 1
    assert serving.failures("stays") == []


def test_a_new_run_over_a_changed_source_outlives_the_daemon(daemon: Daemon) -> None:
    """Where the source had changed when a new run began, a kill leaves none of its items behind."""
    lines = [f'{{"id": {n}, "script": ["value", "{"hang" if n == 3 else "ok"}", "ok"]}}\n' for n in range(6)]
    path = daemon.write("changing.jsonl", "".join(lines))
    daemon.start()
    source = {"type": "jsonl", "path": path}
    daemon.finish("grown", handler="effects:scripted", workers=1, source=source)
    daemon.write("changing.jsonl", '{"id": "new"}\n' + "".join(lines))
    daemon.command("retry-failures", "grown")
    eventually(lambda: "3 2 hang" in daemon.ledger(), "the run to be half way")
    daemon.kill_everything()
    daemon.start()
    ended = daemon.wait_run("grown", 2)
    assert (ended["state"], ended["counts"]["ok"], daemon.failures("grown")) == ("succeeded", 7, [])
    assert [row["result"] for row in daemon.results("grown")] == [1, 2, 2, 2, 3, 2, 2]
