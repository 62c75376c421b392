"""`timeout`: whatever a handler does, its attempt ends, and with it everything that it had started."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.daemon import Daemon, eventually
from tests.process.cli_helpers import spool
from tests.process.test_deaths import sleepers, statuses

FINAL = {"ok", "failed", "skipped", "quarantined", "in-doubt"}
SOFT = ("python", "child")
HARD = ("c", "masked", "stopped", "catches")


def one_hangs(count: int, **one: Any) -> dict[str, Any]:
    """Inline items of which number 3 is as `one` says."""
    return {"type": "items", "items": [{"id": n, **(one if n == 3 else {})} for n in range(count)]}


def neighbours_ran_once(serving: Daemon, name: str, count: int) -> None:
    """Each item but number 3 ran once, is ok, and nothing is held against it."""
    others = [n for n in range(count) if n != 3]
    assert sorted(map(int, serving.ledger(name))) == others
    assert sorted(record["n"] for record in serving.records(name) if record["n"] != 3) == others


@pytest.mark.parametrize("how", SOFT)
def test_a_handler_in_python_is_interrupted(serving: Daemon, how: str) -> None:
    """It gets a TimeoutError where it is; the worker lives on, a program that it waited for does not."""
    name = f"soft-{how}"
    source = one_hangs(12, how=how)
    ended = serving.finish(name, handler="trouble:hangs", workers=1, timeout="300ms", source=source)
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (11, 1)
    assert statuses(serving, name, "3") == ["failed"]
    error = serving.failures(name)[0]["error"]
    assert (error["type"], "`timeout` of 0.3 s" in error["message"]) == ("TimeoutError", True)
    assert "in hangs" in error["traceback"]
    assert serving.report(name)["tries"]["worker_deaths"] == 0
    neighbours_ran_once(serving, name, 12)


def test_hangs_of_all_other_kinds_are_killed(serving: Daemon) -> None:
    """In C code, with signals masked, stopped, catching the exception, with another use for SIGALRM: a second later."""
    for how in HARD:
        source = one_hangs(12, how=how)
        serving.drop(f"hard-{how}", handler="trouble:hangs", workers=1, timeout="100ms", source=source)
    source = one_hangs(12, how="steals")
    serving.drop("hard-steals", handler="trouble:alarms", workers=1, timeout="100ms", source=source)
    for how in (*HARD, "steals"):
        name = f"hard-{how}"
        ended = serving.wait_ended(name)
        assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (11, 1)
        assert statuses(serving, name, "3") == ["died", "failed"]
        error = serving.failures(name)[0]["error"]
        assert (error["type"], "`timeout` of 0.1 s" in error["message"]) == ("TimeoutError", True)
        assert [record["ms"] >= 100 for record in serving.records(name) if "ms" in record and record["n"] == 3] == []
    for how in HARD:
        neighbours_ran_once(serving, f"hard-{how}", 12)


@pytest.mark.parametrize("how", ["python", "c"])
def test_what_it_had_started_dies_too(serving: Daemon, how: str) -> None:
    """Programs of the handler, also in sessions of their own: at once with a killed worker, at its end otherwise."""
    name, seconds = f"parents-{how}", f"65{len(how)}.5"
    source = one_hangs(6, how=how)
    serving.finish(name, handler="trouble:parents", workers=1, timeout="300ms", env={"SLEEP": seconds}, source=source)
    assert statuses(serving, name, "3")[-1] == "failed"
    eventually(lambda: not sleepers(seconds), "what the handler had started to be gone")
    neighbours_ran_once(serving, name, 6)


@pytest.mark.parametrize(("how", "extra"), [("python", []), ("c", ["died"])])
def test_a_timeout_is_a_timeout_error(serving: Daemon, how: str, extra: list[str]) -> None:
    """Retried where `retry.on` names that, no more often than there are attempts, and ok if one is in time."""
    name = f"retried-{how}"
    items = [{"id": 0, "how": how, "times": 1}, {"id": 1, "how": how, "times": 9}, {"id": 2}]
    source = {"type": "items", "items": items}
    retry = {"attempts": 2, "backoff": "1ms", "on": ["TimeoutError"]}
    ended = serving.finish(name, handler="trouble:slow_start", timeout="100ms", poison=9, retry=retry, source=source)
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (2, 1)
    assert statuses(serving, name, "0") == [*extra, "retry", "ok"]
    assert statuses(serving, name, "1") == [*extra, "retry", *extra, "failed"]
    assert sorted(serving.ledger(name)) == ["0 1", "0 2", "1 1", "1 2", "2 1"]
    assert (serving.failures(name)[0]["attempts"], serving.results(name)[0]["result"]) == (2, 2)


def test_a_timeout_that_is_not_named_is_not_retried(serving: Daemon) -> None:
    """`retry.on` without TimeoutError: one attempt."""
    retry = {"attempts": 3, "backoff": "1ms", "on": ["ConnectionError"]}
    source = one_hangs(5, how="catches", times=9)
    serving.finish("unnamed", handler="trouble:slow_start", timeout="100ms", retry=retry, source=source)
    assert statuses(serving, "unnamed", "3") == ["died", "failed"]


def test_hangs_that_cost_workers_are_poison(serving: Daemon) -> None:
    """At `poison` deaths the item is quarantined, though it has attempts left."""
    retry = {"attempts": 5, "backoff": "1ms"}
    source = one_hangs(5, how="c")
    serving.finish("poison", handler="trouble:hangs", timeout="50ms", retry=retry, poison=2, source=source)
    assert statuses(serving, "poison", "3") == ["died", "retry", "died", "quarantined"]
    assert "timeout" in serving.failures("poison")[0]["error"]["message"]


def test_neighbours_in_the_same_chunk_are_not_blamed(serving: Daemon) -> None:
    """What waits behind a hanging item runs once, in another worker, also where every death is one too many."""
    many: list[dict[str, Any]] = [{"id": n} for n in range(400)]
    many[200] |= {"how": "c"}
    many[300] |= {"how": "python"}
    source = {"type": "items", "items": many}
    ended = serving.finish("chunk", handler="trouble:hangs", workers=1, timeout="100ms", poison=1, source=source)
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (398, 2)
    assert sorted(map(int, serving.ledger("chunk"))) == [n for n in range(400) if n not in (200, 300)]
    assert Counter(record["s"] for record in serving.records("chunk")) == {"ok": 398, "failed": 2, "died": 1}


def test_thousands_of_items_that_last_about_as_long_as_they_may(serving: Daemon) -> None:
    """Whether an item or its time ends first: each has one outcome, and the journal is whole."""
    count = 3000
    items = [{"id": n, "seconds": 0.004 + 0.0001 * (n % 21)} for n in range(count)]
    source = {"type": "items", "items": items}
    serving.drop("verge", handler="trouble:lasts", workers=4, timeout="5ms", poison=9, source=source)
    ended = serving.wait_ended("verge")
    assert ended["counts"]["ok"] + ended["counts"]["failed"] == count
    assert min(ended["counts"]["ok"], ended["counts"]["failed"]) > 0
    final = Counter(record["n"] for record in serving.records("verge") if record["s"] in FINAL)
    assert final == dict.fromkeys(range(count), 1)
    assert {row["error"]["type"] for row in serving.failures("verge")} == {"TimeoutError"}
    spool(serving, "verify", "verge")


@pytest.mark.parametrize("how", ["python", "c"])
def test_a_timeout_inside_of_once_leaves_the_item_in_doubt(serving: Daemon, how: str) -> None:
    """Nobody knows whether the effect took place, so it is not tried again, though timeouts are."""
    name = f"once-{how}"
    retry = {"attempts": 3, "backoff": "1ms"}
    source = one_hangs(5, how=how)
    ended = serving.finish(name, handler="trouble:once_lasts", timeout="100ms", retry=retry, source=source)
    assert (ended["counts"]["ok"], ended["counts"]["in_doubt"]) == (4, 1)
    assert serving.ledger(name).count("effect 3") == 1
    assert serving.failures(name)[0]["error"]["type"] == "InDoubt"


def test_effects_that_last_about_as_long_as_they_may(serving: Daemon) -> None:
    """Whether the effect, its record or its time ends first: it is not repeated, and the item ends once."""
    count = 200
    items = [{"id": n, "seconds": 0.001 * (n % 21)} for n in range(count)]
    retry = {"attempts": 3, "backoff": "1ms"}
    about: dict[str, Any] = {"workers": 4, "timeout": "20ms", "poison": 9, "retry": retry}
    source = {"type": "items", "items": items}
    serving.finish("once-verge", handler="trouble:once_lasts", source=source, **about)
    effects = Counter(line for line in serving.ledger("once-verge") if line.startswith("effect"))
    assert max(effects.values()) == 1
    final = Counter(record["n"] for record in serving.records("once-verge") if record["s"] in FINAL)
    assert final == dict.fromkeys(range(count), 1)
    known = {row["n"] for row in serving.results("once-verge")}
    doubtful = {row["n"] for row in serving.failures("once-verge") if row["error"]["type"] == "InDoubt"}
    assert known
    assert doubtful


def test_a_handler_with_a_use_for_sigalrm(serving: Daemon) -> None:
    """What it does to the signal is undone before the next item, whose time is kept."""
    items: list[dict[str, Any]] = [{"id": n} for n in range(5)]
    source = {"type": "items", "items": items}
    serving.finish("alarms", handler="trouble:alarms", workers=1, timeout="10s", source=source)
    assert [row["result"] for row in serving.results("alarms")] == [[True, True]] * 5


def test_a_timeout_that_signal_masks_held_up_is_nobody_elses(serving: Daemon) -> None:
    """An item that ends late, but before it is killed, is ok; the alarm meant for it does not strike the next one."""
    items = [{"id": n, **({"seconds": 0.2} if n % 2 else {})} for n in range(10)]
    source = {"type": "items", "items": items}
    serving.finish("late", handler="trouble:masks", workers=1, timeout="100ms", source=source)
    assert sorted(map(int, serving.ledger("late"))) == list(range(10))
    assert serving.report("late")["ok"] == 10


def test_no_timeout_no_alarm(serving: Daemon) -> None:
    """Without `timeout` SIGALRM is the handler's, and an item may last."""
    source = {"type": "items", "items": [{"id": 0}]}
    serving.finish("none", handler="trouble:alarms", workers=1, source=source)
    assert serving.results("none")[0]["result"] == [False, False]
