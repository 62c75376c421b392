"""What an item did once is not done again, and what it saved is there again, whatever ends its attempts."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

import psutil
import pytest
from tests.daemon import Daemon, eventually
from tests.process.attempts import QUICK, inline, steps

GENERIC: dict[str, Any] = {"workers": 1, "retry": QUICK, "poison": 3}


def told(daemon: Daemon, word: str, name: str | None = None) -> list[str]:
    """The lines of the ledger that begin with this word."""
    return [line for line in daemon.ledger(name) if line.split()[0] == word]


def assert_remembered(daemon: Daemon, name: str, item_id: str, others: int = 0) -> None:
    """The last of two attempts of `effects:remembers` knew what the first one did, and nothing was done twice.

    Args:
        daemon: what ran it.
        name: of the job.
        item_id: of the item.
        others: items of the job that had one attempt.
    """
    effects = [line.split() for line in daemon.ledger(name)]
    assert Counter(words[0] for words in effects if words[0] in ("charge", "mail", "key")) == {
        "charge": 1 + others,
        "mail": 1 + others,
        "key": 2 + others,
    }
    assert [words[0] for words in effects if words[1:] == [item_id]] == ["charge", "mail"]
    (found,) = [row["result"] for row in daemon.results(name) if row["id"] == item_id]
    values = [
        record["result"]
        for record in daemon.records(name)
        if record["id"] == item_id and record["s"] == "once" and "value" in record["result"]
    ]
    assert {value["name"]: value["value"] for value in values} == {"charge": found["charge"], "mail": found["mail"]}
    assert found["charge"] != found["mail"]
    assert found["saved"] == {"attempts": 1, "text": "\u00fc \U0001f600 \n"}
    assert Counter(words[1] for words in effects if words[0] == "key")[found["key"]] == 2


@pytest.mark.parametrize(("how", "ended"), [("connection", "retry"), ("die", "died")])
def test_over_attempts(serving: Daemon, how: str, ended: str) -> None:
    """A further attempt, after an error or the worker's death, has the values and the state of the one before."""
    name = f"over-{how}"
    source = inline({"id": "a", "script": [how, "ok"]})
    assert serving.finish(name, handler="effects:remembers", source=source, **GENERIC)["state"] == "succeeded"
    assert_remembered(serving, name, "a")
    noted = ["once"] * 4 + ["save"]
    assert [status for status, _ in steps(serving, name, "a")] == [*noted, ended, "save", "ok"]


@pytest.mark.parametrize("how", ["drain", "late", "runner", "kill", "changed"])
def test_over_lives(daemon: Daemon, how: str) -> None:
    """So has one after a drain, one that was cut short too, a kill of the runner, or of everything.

    It is known by its id where the source changed before the next start. A long item does no step twice that it saved.
    An effect that began and has no end puts its item in doubt, for good.
    """
    daemon.shared = True
    daemon.start(config={"drain_timeout": "300ms" if how == "late" else "1m"})
    step = "drain" if how == "drain" else "hang"
    jobs = {"remembers": "remembers", "steps": "steps"} | ({} if how == "drain" else {"doubt": "once_fails"})
    for job, handler in jobs.items():
        path = daemon.write(job, f'{{"id": "a", "script": ["{step}", "ok"]}}\n')
        daemon.drop(job, handler=f"effects:{handler}", source={"type": "jsonl", "path": path}, **GENERIC)
    eventually(lambda: all(f"a 1 {step}" in daemon.ledger(job) for job in jobs), "the items to be in mid-work")
    end(daemon, how)
    if how == "changed":
        for job in jobs:
            daemon.write(job, '{"id": "new"}\n' + (daemon.folder / job).read_text())
    if how != "runner":
        daemon.start()
    new = ["new"] if how == "changed" else []
    for job in jobs:
        daemon.wait_ended(job)
        assert "died" not in {record["s"] for record in daemon.records(job)}
    assert [row["id"] for row in daemon.results("remembers")] == [*new, "a"]
    assert_remembered(daemon, "remembers", "a", others=len(new))
    assert {row["id"]: row["result"] for row in daemon.results("steps")} == dict.fromkeys(new, 0) | {"a": 5}
    assert [line for line in told(daemon, "a", "steps") if "step" in line] == [f"a step {k}" for k in range(10)]
    if "doubt" in jobs:
        assert told(daemon, "a", "doubt") == ["a 1 hang"]
        (failure,) = daemon.failures("doubt")
        assert (failure["id"], failure["error"]["type"]) == ("a", "InDoubt")
        assert "once('effect') began and has no end" in failure["error"]["message"]


def end(daemon: Daemon, how: str) -> None:
    """End the daemon, or only the runners, in this way."""
    match how:
        case "drain" | "late":
            assert daemon.stop() == 0
        case "runner":
            for runner in daemon.titled("runner"):
                runner.kill()
        case _:
            daemon.kill_everything()


@pytest.mark.parametrize("way", ["verb", "drop", "changed", "quarantined"])
def test_over_runs(serving: Daemon, way: str) -> None:
    """So has one of a new run: after retry-failures or the manifest's drop, also where its source changed meanwhile."""
    name = f"runs-{way}"
    bad = {"id": "a", "script": ["die" if way == "quarantined" else "value", "ok"]}
    manifest = {"handler": "effects:remembers", "workers": 1, "poison": 1}
    assert serving.finish(name, source=inline(bad), **manifest)["state"] == "partial"
    if way in ("verb", "quarantined"):
        serving.command("retry-failures", name)
    else:
        before = {"id": "b", "script": ["value"]} if way == "changed" else bad
        serving.drop(name, source=inline(before, bad) if way == "changed" else inline(bad), **manifest)
    ended = serving.wait_run(name, 2)
    assert ended["counts"]["ok"] == 1
    assert ended["counts"]["failed"] == (way == "changed")
    assert_remembered(serving, name, "a", others=int(way == "changed"))


# ---------------------------------------------------------------------- effects that do not end well


def test_one_that_raised_runs_again(serving: Daemon) -> None:
    """An effect that raised is taken not to have happened: it is tried again, by the next attempt or the same."""
    source = inline(
        {"id": "a", "script": ["connection", "ok"]},
        {"id": "b", "script": ["connection", "ok"], "catches": True},
        {"id": "c", "script": ["value", "ok"]},
    )
    ended = serving.finish("raised", handler="effects:once_fails", source=source, **GENERIC)
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (2, 1)
    assert {row["id"]: row["result"] for row in serving.results("raised")} == {"a": 2, "b": 2}
    assert steps(serving, "raised", "a")[-1] == ("ok", 2)
    assert steps(serving, "raised", "b")[-1] == ("ok", 1)
    serving.command("retry-failures", "raised")
    assert serving.wait_run("raised", 2)["state"] == "succeeded"
    assert Counter(serving.ledger("raised")) == Counter(
        ["a 1 connection", "a 2 ok", "b 1 connection", "b 2 ok", "c 1 value", "c 2 ok"]
    )


def test_one_that_was_cut_short_is_in_doubt(serving: Daemon) -> None:
    """An effect in which the worker died puts its item in doubt; a new run does not run it either."""
    source = inline({"id": "a", "script": ["die"]}, {"id": "b"})
    ended = serving.finish("doubt", handler="effects:once_fails", source=source, **GENERIC)
    assert (ended["state"], ended["counts"]["in_doubt"], ended["counts"]["ok"]) == ("partial", 1, 1)
    (failure,) = serving.failures("doubt")
    assert (failure["id"], failure["error"]["type"]) == ("a", "InDoubt")
    assert failure["error"]["message"] == "once('effect') began and has no end: killed by SIGKILL"
    serving.command("retry-failures", "doubt")
    serving.wait_run("doubt", 2)
    assert told(serving, "a", "doubt") == ["a 1 die"]


@pytest.mark.parametrize("what", ["set", "nan", "surrogate", "object", "large", "deep"])
def test_a_value_that_cannot_be_recorded(serving: Daemon, what: str) -> None:
    """An effect whose value is not JSON fails its item with `result`, and does not happen again; its value is None."""
    name = f"value-{what}"
    source = inline({"id": "a", "what": what}, {"id": "b", "what": what, "caught": True}, {"id": "c", "what": "none"})
    ended = serving.finish(name, handler="effects:once_gives", source=source, **GENERIC)
    assert (ended["counts"]["ok"], ended["counts"]["failed"]) == (2, 1)
    assert [(row["id"], row["error"]["type"]) for row in serving.failures(name)] == [("a", "result")]
    serving.command("retry-failures", name)
    assert serving.wait_run(name, 2)["state"] == "succeeded"
    assert {row["id"]: row["result"] for row in serving.results(name)} == {
        "a": [None, None],
        "b": ["caught", None],
        "c": [None, None],
    }
    assert serving.ledger(name) == ["a", "b", "c"]


@pytest.mark.parametrize("what", ["set", "large", "deep"])
def test_a_state_that_cannot_be_saved(serving: Daemon, what: str) -> None:
    """Saving what is not JSON fails the item with `result` if nobody catches it; the state before stands."""
    name = f"state-{what}"
    source = inline({"id": "a", "what": what}, {"id": "b", "what": what, "caught": True})
    serving.finish(name, handler="effects:saves", source=source, **GENERIC)
    assert [(row["id"], row["error"]["type"]) for row in serving.failures(name)] == [("a", "result")]
    assert {row["id"]: row["result"] for row in serving.results(name)} == {"b": "good"}


# ---------------------------------------------------------------------- progress


@pytest.mark.parametrize("how", ["connection", "die", "value"])
def test_progress_goes_on_where_it_was(serving: Daemon, how: str) -> None:
    """A long item that saves each step does none twice, whatever cuts its attempt short."""
    name = f"steps-{how}"
    serving.finish(name, handler="effects:steps", source=inline({"id": "a", "script": [how, "ok"]}), **GENERIC)
    if how == "value":
        serving.command("retry-failures", name)
        serving.wait_run(name, 2)
    assert [line for line in serving.ledger(name) if "step" in line] == [f"a step {k}" for k in range(10)]
    assert serving.results(name)[0]["result"] == 5


# ---------------------------------------------------------------------- children


def test_a_forked_child_records_nothing(serving: Daemon) -> None:
    """ctx.save and ctx.once raise in a process that the handler forked, and its effect does not happen."""
    ended = serving.finish("children", handler="effects:forked", workers=1, source=serving.items(2))
    assert ended["state"] == "succeeded"
    assert serving.ledger("children") == ["a process that the handler forked can record nothing"] * 6
    assert serving.results("children") == []
    assert Counter(record["s"] for record in serving.records("children")) == {"once": 4, "ok": 2}


def test_a_child_that_returns_from_an_effect(serving: Daemon) -> None:
    """An effect that returns in parent and child has one value, the parent's."""
    ended = serving.finish("twins", handler="effects:forked_within", workers=1, source=serving.items(5))
    assert ended["state"] == "succeeded"
    assert [row["result"] for row in serving.results("twins")] == [True] * 5
    assert Counter(record["s"] for record in serving.records("twins")) == {"once": 10, "ok": 5}


# ---------------------------------------------------------------------- kills at random

COUNT = 50


def strike(daemon: Daemon, kind: str) -> None:
    """Kill a worker, the runner or everything; the daemon is started again where that is needed."""
    if kind == "everything":
        daemon.kill_everything()
        daemon.start()
        return
    for victim in daemon.titled(kind)[:1]:
        with suppress(psutil.NoSuchProcess):
            victim.kill()


def _went_on(daemon: Daemon, enough: int) -> bool:
    return len(daemon.records("kills")) > enough or daemon.ended("kills") is not None


@pytest.mark.parametrize("seed", [1])
def test_charged_once_whatever_is_killed(daemon: Daemon, seed: int) -> None:
    """Of 50 items that charge and then fail once, none is charged twice, whatever is killed whenever.

    Each ends ok, or in doubt where a kill fell between the effect and its record.
    """
    chance = random.Random(seed)
    retry = {"attempts": 2, "backoff": "10ms"}
    daemon.drop(
        "kills", handler="effects:charges", source=daemon.items(COUNT), workers=4, retry=retry, poison=100
    )  # fmt: skip
    daemon.start()
    for kind in chance.sample(("worker", "worker", "worker", "runner", "everything"), k=5):
        enough = len(daemon.records("kills")) + chance.randrange(15, 30)
        eventually(partial(_went_on, daemon, enough), "the job to go on")
        strike(daemon, kind)
    ended = daemon.wait_ended("kills")
    charged = Counter(map(int, daemon.ledger()))
    assert max(charged.values()) == 1
    ok = {int(row["id"]): row["result"] for row in daemon.results("kills")}
    doubtful = {int(row["id"]) for row in daemon.failures("kills")}
    assert ok == {n: f"receipt {n}" for n in range(COUNT) if n not in doubtful}
    assert ok.keys() <= charged.keys()
    assert (ended["counts"]["ok"], ended["counts"]["in_doubt"]) == (len(ok), COUNT - len(ok))
    notes = [(record["n"], len(record["result"])) for record in daemon.records("kills") if record["s"] == "once"]
    assert {n for n, _ in notes} == set(range(COUNT))
    assert {n for n, size in notes if size == 1} - {n for n, size in notes if size == 2} == doubtful
    finals = Counter(record["n"] for record in daemon.records("kills") if record["s"] in ("ok", "in-doubt", "failed"))
    assert finals == dict.fromkeys(range(COUNT), 1)
