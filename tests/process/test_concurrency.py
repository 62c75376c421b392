"""`async def` handlers and `concurrency`: many items in flight in one worker, each with an end of its own."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.daemon import Daemon, eventually
from tests.process.test_deaths import statuses


def numbers(count: int, **odd: str) -> dict[str, Any]:
    """Inline items 0 …; `odd` says what some do, as _3="raise"."""
    wanted = {int(name[1:]): what for name, what in odd.items()}
    items = [{"id": n, "n": n, **({"do": wanted[n]} if n in wanted else {})} for n in range(count)]
    return {"type": "items", "items": items}


def test_items_wait_together(serving: Daemon) -> None:
    """1,000 items that wait for 100 ms each take two seconds at most where 100 are in flight; each has one record."""
    source = {"type": "range", "stop": 1000}
    serving.finish("nap", handler="together:nap", workers=1, concurrency=100, source=source)
    assert serving.results("nap") == [{"n": n, "id": str(n), "result": n * 2} for n in range(1000)]
    times = [record["t"] for record in serving.records("nap")]
    assert max(times) - min(times) < 10, "they did not wait together"


def test_a_class_lives_in_its_loop(serving: Daemon) -> None:
    """A class is constructed, called and closed in one event loop, also where nothing runs together."""
    for name, keys in (("client", {"concurrency": 3}), ("client-alone", {})):
        serving.finish(name, handler="together:Client", workers=1, source=numbers(5), **keys)
        assert [row["result"] for row in serving.results(name)] == [["hello", str(n), True] for n in range(5)]
        assert serving.ledger(name) == ["closed"]


def test_each_item_ends_alone(serving: Daemon) -> None:
    """An exception, SystemExit, its task's cancellation, Skip: that item's alone, the others in flight go on."""
    source = numbers(20, _3="raise", _5="exit", _7="cancel", _9="skip")
    ended = serving.finish("mixed", handler="together:odd", workers=1, concurrency=8, source=source)
    assert (ended["counts"]["ok"], ended["counts"]["failed"], ended["counts"]["skipped"]) == (16, 3, 1)
    kinds = {row["id"]: row["error"]["type"] for row in serving.failures("mixed")}
    assert kinds == {"3": "ValueError", "5": "SystemExit", "7": "CancelledError"}
    assert "in odd" in serving.failures("mixed")[0]["error"]["traceback"]
    assert sorted(map(int, serving.ledger("mixed"))) == [n for n in range(20) if n not in (3, 5, 7, 9)]


def test_one_death_among_many_blames_one(serving: Daemon) -> None:
    """The item that kills its worker is quarantined; those in flight beside it run again, and none is blamed."""
    ended = serving.finish("die", handler="together:odd", workers=1, concurrency=10, source=numbers(30, _7="die"))
    assert (ended["counts"]["ok"], ended["counts"]["quarantined"]) == (29, 1)
    assert statuses(serving, "die", "7") == ["died", "died", "quarantined"]
    assert Counter(record["s"] for record in serving.records("die")) == {"ok": 29, "died": 2, "quarantined": 1}
    ran = Counter(map(int, serving.ledger("die")))
    assert ran.keys() == set(range(30)) - {7}


@pytest.mark.parametrize(("how", "deaths"), [("hang", 0), ("deaf", 1), ("block", 1)])
def test_time_that_is_up(serving: Daemon, how: str, deaths: int) -> None:
    """What waits is cancelled; what does not listen, or holds up the loop, dies with its worker, blamed alone."""
    name, source = f"time-{how}", numbers(120, _4=how)
    ended = serving.finish(name, handler="together:odd", workers=1, concurrency=4, timeout="300ms", source=source)
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (119, 1)
    error = serving.failures(name)[0]
    assert (error["id"], error["error"]["type"]) == ("4", "TimeoutError")
    assert Counter(record["s"] for record in serving.records(name))["died"] == deaths
    assert serving.ledger(name).count("deaf") == (how == "deaf"), "it was blamed together with others"


def test_retries(serving: Daemon) -> None:
    """What may pass is tried again when it is due, while others go on."""
    retry = {"attempts": 2, "backoff": "20ms"}
    serving.finish("flaky", handler="together:flaky", workers=1, concurrency=5, retry=retry, source=numbers(20))
    assert [row["result"] for row in serving.results("flaky")] == [2] * 20
    assert Counter(record["s"] for record in serving.records("flaky")) == {"retry": 20, "ok": 20}


def test_notes_of_many_items_at_once(serving: Daemon) -> None:
    """ctx.save and an awaited ctx.once belong to their item; the effect is not repeated by the next attempt."""
    retry = {"attempts": 2, "backoff": "0s"}
    serving.finish("notes", handler="together:remember", workers=1, concurrency=6, retry=retry, source=numbers(12))
    assert [row["result"] for row in serving.results("notes")] == [[n + 1, {"at": n}] for n in range(12)]
    assert sorted(serving.ledger("notes")) == sorted(f"effect {n}" for n in range(12))


def test_lines_of_many_items_at_once(serving: Daemon) -> None:
    """What items print and log in turns stands in job.log under the id of each."""
    serving.finish("talk", handler="together:talk", workers=1, concurrency=4, source=numbers(4))
    log = serving.job_log("talk")
    for n in range(4):
        lines = [line for line in log.splitlines() if f" of {n}" in line]
        assert len(lines) == 7
        assert all(f" {n} " in line or f"[{n}]" in line or f"item={n}" in line for line in lines), lines


def test_a_fatal_item_ends_the_job(serving: Daemon) -> None:
    """Fatal stops the job; what was in flight ends."""
    ended = serving.finish("fatal", handler="together:odd", workers=1, concurrency=4, source=numbers(100, _5="fatal"))
    assert (ended["state"], ended["error"]) == ("failed", "no more of this")
    assert ended["counts"]["ok"] < 20


def test_a_drain_waits_for_those_in_flight(daemon: Daemon) -> None:
    """SIGTERM lets items in flight end; the next start runs the rest, and none twice."""
    items = [{"id": n, "n": n, "s": 0.4} for n in range(24)]
    daemon.drop(
        "drain", handler="together:one_at_a_time", workers=1, concurrency=8, source={"type": "items", "items": items}
    )
    daemon.start()
    eventually(lambda: len(daemon.ledger()) >= 8, "items in flight")
    assert daemon.stop() == 0
    begun, ended = (Counter(line.split()[1] for line in daemon.ledger())[word] for word in ("begins", "ends"))
    assert begun == ended < 24
    assert daemon.run() == 0
    assert Counter(line.split()[1] for line in daemon.ledger()) == {"begins": 24, "ends": 24}


def test_a_kill_costs_those_in_flight(daemon: Daemon) -> None:
    """SIGKILL of the worker in the middle: what had its record does not run again."""
    items = [{"id": n, "n": n, "s": 0.02 + 0.3 * (n % 4 == 0)} for n in range(40)]
    daemon.drop(
        "kill", handler="together:one_at_a_time", workers=1, concurrency=8, source={"type": "items", "items": items}
    )
    daemon.start("--until-idle")
    eventually(lambda: len(daemon.records("kill")) >= 6, "some to be done")
    worker = daemon.titled("worker", "kill")[0]
    worker.suspend()
    done, began = {record["n"] for record in daemon.records("kill")}, Counter(daemon.ledger())
    flying = {n for n in range(40) if began[f"{n} begins"] and n not in done}
    worker.kill()
    assert daemon.process is not None
    assert daemon.process.wait(30) == 0
    ran = Counter(daemon.ledger())
    assert {n for n in range(40) if ran[f"{n} begins"] > 1} <= flying
    assert all(ran[f"{n} begins"] == 1 for n in done)
    assert Counter(record["s"] for record in daemon.records("kill"))["ok"] == 40


def test_limits_on_failures(serving: Daemon) -> None:
    """Past `failures.max` nothing starts; no more fail than are allowed and those that were in flight."""
    source = {"type": "range", "stop": 500}
    ended = serving.finish(
        "limited", handler="together:fails", workers=1, concurrency=10, failures={"max": 5}, source=source
    )
    assert (ended["state"], "failures.max" in ended["error"]) == ("failed", True)
    assert 5 < len(serving.records("limited")) <= 5 + 10


def test_records_of_many_items_are_told_apart_after_a_death(serving: Daemon) -> None:
    """What one item noted before another was acknowledged is not lost, and no attempt is counted twice."""
    retry = {"attempts": 2, "backoff": "0s"}
    serving.finish("tangled", handler="together:tangled", workers=1, concurrency=2, retry=retry, source=numbers(2))
    assert [row["result"] for row in serving.results("tangled")] == [1, 2]
    assert serving.ledger("tangled") == ["effect"]
    assert serving.report("tangled")["tries"]["retried"] == 1
