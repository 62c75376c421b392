"""How much may fail: past a number or a share the job fails, a streak pauses it; Skip is no failure, Fatal the end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.daemon import Daemon, eventually


def inline(*items: dict[str, Any]) -> dict[str, Any]:
    """A source of these items."""
    return {"type": "items", "items": list(items)}


def refused(count: int, **more: Any) -> dict[str, Any]:
    """A source of so many items that all fail."""
    return inline(*({"id": n, "raise": "value", "message": f"no {n}"} | more for n in range(count)))


def statuses(daemon: Daemon, name: str) -> dict[str, int]:
    """How many records there are of each status."""
    found: dict[str, int] = {}
    for record in daemon.records(name):
        found[record["s"]] = found.get(record["s"], 0) + 1
    return found


# ---------------------------------------------------------------------- a number, a share


@pytest.mark.parametrize(("most", "seconds"), [(0, 0.0), (5, 0.0), (50, 0.0), (5, 0.01)])
def test_a_number(serving: Daemon, most: int, seconds: float) -> None:
    """Past that number the job is failed, by no more than what four workers had begun; the reason says what it was."""
    name = f"number-{most}-{seconds:g}"
    source = refused(2000, seconds=seconds)
    ended = serving.finish(name, handler="trouble:raises", workers=4, failures={"max": most}, source=source)
    assert ended["state"] == "failed"
    assert most + 1 <= statuses(serving, name)["failed"] <= most + 1 + 4
    assert f"items failed, more than `failures.max` {most}; commonest: ValueError (" in ended["error"]
    assert ended["counts"]["failed"] == len(serving.failures(name)) == statuses(serving, name)["failed"]


def test_up_to_the_number_nothing_happens(serving: Daemon) -> None:
    """As many failures as `max` says are no reason to stop."""
    ended = serving.finish(
        "at-most", handler="basic:tenth", workers=4, failures={"max": 10}, source=serving.items(100, "at-most.jsonl")
    )
    assert (ended["state"], ended["counts"]["failed"]) == ("partial", 10)


def test_a_share(serving: Daemon) -> None:
    """A share is judged among what has finished, once `after` items have."""
    source = serving.items(3000, "share.jsonl")
    failures = {"max": "20%", "after": 50}
    assert serving.finish("share-below", handler="basic:tenth", failures=failures, source=source)["state"] == "partial"
    failures = {"max": "9.5%", "after": 50}
    ended = serving.finish("share-past", handler="basic:tenth", workers=4, failures=failures, source=source)
    assert ended["state"] == "failed"
    assert "more than `failures.max` 9.5%; commonest: ValueError" in ended["error"]
    found = statuses(serving, "share-past")
    assert 50 <= found["ok"] + found["failed"] < 3000


def test_a_share_is_not_judged_too_early(serving: Daemon) -> None:
    """Before `after` items have finished any share may fail; then it is judged at once."""
    failures = {"max": "50%", "after": 40}
    ended = serving.finish("early", handler="trouble:raises", workers=4, failures=failures, source=refused(500))
    assert ended["state"] == "failed"
    assert 40 <= statuses(serving, "early")["failed"] <= 40 + 4
    short = serving.finish("short", handler="trouble:raises", workers=4, failures=failures, source=refused(39))
    assert (short["state"], short["counts"]["failed"]) == ("partial", 39)


def test_the_commonest_error_is_named(serving: Daemon) -> None:
    """The reason names the kind of error that came most often, how often, and an example."""
    items = [{"id": n, "raise": "value" if n % 3 else "connection", "message": f"no {n % 3}"} for n in range(12)]
    failures = {"max": 10}
    ended = serving.finish("kinds", handler="trouble:raises", workers=1, failures=failures, source=inline(*items))
    assert ended["error"] == (
        "11 of 11 items failed, more than `failures.max` 10; commonest: ValueError (7 times), e.g. 'no 1'"
    )


def test_failures_are_counted_over_a_kill(daemon: Daemon) -> None:
    """What failed before everything was killed counts towards the limit after it."""
    failures = {"max": 20}
    daemon.start()
    daemon.drop("killed", handler="trouble:raises", workers=1, failures=failures, source=refused(500, seconds=0.03))
    daemon.wait_ran("killed", 8)
    daemon.kill_everything()
    before = len(daemon.records("killed"))
    assert before < 20
    daemon.start()
    ended = daemon.wait_ended("killed")
    assert ended["state"] == "failed"
    assert statuses(daemon, "killed") == {"failed": 21}


def test_a_new_run_counts_anew(serving: Daemon) -> None:
    """A job that failed for its failures goes on when it is dropped again; earlier failures count no more."""
    source = serving.items(100, "anew.jsonl")
    assert serving.finish("anew", handler="basic:tenth", failures={"max": 3}, source=source)["state"] == "failed"
    ended = serving.finish("anew", handler="basic:tenth", failures={"max": 10}, source=source)
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["failed"]) == ("partial", 90, 10)


def test_what_was_done_before_has_its_part_in_the_share(serving: Daemon) -> None:
    """A run of nothing but earlier failures is judged by what they are of all that has finished."""
    source = serving.items(1000, "part.jsonl")
    failures = {"max": "15%", "after": 50}
    assert serving.finish("part", handler="basic:tenth", failures=failures, source=source)["state"] == "partial"
    serving.command("retry-failures", "part")
    ended = serving.wait_run("part", 2)
    assert (ended["state"], ended["counts"]["failed"]) == ("partial", 100)
    assert statuses(serving, "part") == {"ok": 900, "failed": 200}


# ---------------------------------------------------------------------- a streak


def verdicts(daemon: Daemon, found: dict[int, tuple[str, str]]) -> dict[str, str]:
    """Let the handler `obeys` raise this, item by item; the environment that tells it so."""
    return {"VERDICTS": daemon.write("verdicts", json.dumps(found))}


def paused_with(daemon: Daemon, name: str, failed: int) -> dict[str, Any]:
    """Wait until status shows the job paused with at least so many failures; its row."""

    def row() -> dict[str, Any] | None:
        found = daemon.status().get(name)
        return found if found is not None and found["state"] == "paused" and found["failed"] >= failed else None

    found: dict[str, Any] = eventually(row, f"{name} to be paused with {failed} failures")
    return found


def test_a_streak_pauses_the_job(daemon: Daemon) -> None:
    """So many failures in a row pause the job, which stays so over a restart until an operator lets it go on.

    It does not keep the daemon from being idle, and is no success.
    """
    down = dict.fromkeys(range(200), ("connection", "server down"))
    daemon.drop(
        "streak",
        handler="trouble:obeys",
        workers=4,
        failures={"streak": 20},
        env=verdicts(daemon, down),
        source=daemon.items(200),
    )
    assert daemon.run() == 1
    failed = statuses(daemon, "streak")["failed"]
    assert 20 <= failed <= 20 + 4
    paused = daemon.job_records("streak")[-1]
    assert (paused["job"], paused["by"]) == ("paused", "failures")
    assert daemon.ended("streak") is None

    daemon.start()
    row = daemon.wait_state("streak", "paused")
    assert row["failed"] == failed
    assert row["error"] == paused["error"]
    assert "failed in a row (`failures.streak`); commonest: ConnectionError (" in row["error"]
    assert "e.g. 'server down'; mend the cause, then `spool resume`" in row["error"]

    daemon.command("resume", "streak")  # too early: a streak as long as the first
    again = paused_with(daemon, "streak", failed + 20)["failed"]
    assert statuses(daemon, "streak")["failed"] == again <= failed + 20 + 4

    verdicts(daemon, {})
    daemon.command("resume", "streak")
    ended = daemon.wait_ended("streak")
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["failed"]) == ("partial", 200 - again, again)
    ended = daemon.finish("streak", handler="trouble:obeys", env=verdicts(daemon, {}), source=daemon.items(200))
    assert (ended["state"], ended["counts"]["ok"]) == ("succeeded", 200)


def test_a_success_ends_the_streak(serving: Daemon) -> None:
    """Failures with a success between are no streak, however many."""
    items = [{"id": n} if n % 10 == 9 else {"id": n, "raise": "value"} for n in range(300)]
    ended = serving.finish("mixed", handler="trouble:raises", workers=1, failures={"streak": 10}, source=inline(*items))
    assert (ended["state"], ended["counts"]["failed"]) == ("partial", 270)


def test_a_streak_of_one(serving: Daemon) -> None:
    """With a streak of 1 each failure pauses the job until it is resumed; but the last, for nothing is left then."""
    serving.drop("one", handler="trouble:raises", workers=1, failures={"streak": 1}, source=refused(3))
    for count in (1, 2):
        paused_with(serving, "one", count)
        serving.command("resume", "one")
    ended = serving.wait_ended("one")
    assert (ended["state"], ended["counts"]["failed"], ended["error"]) == ("partial", 3, None)
    assert "job one paused: 1 item failed in a row" in serving.log()


# ---------------------------------------------------------------------- Skip and Fatal


def test_skip(serving: Daemon) -> None:
    """A skipped item is done, with its reason in the journal, and no failure; it does not run again."""
    items = [{"id": n, "raise": "skip"} if n % 2 else {"id": n} for n in range(40)]
    manifest = {"handler": "trouble:fails", "failures": {"max": 0, "streak": 1}, "source": inline(*items)}
    ended = serving.finish("skip", **manifest)
    counts = ended["counts"]
    assert (ended["state"], counts["ok"], counts["skipped"], counts["failed"]) == ("succeeded", 20, 20, 0)
    skipped = next(record for record in serving.records("skip") if record["s"] == "skipped")
    assert skipped["error"] == {"type": "Skip", "message": "nothing to do"}
    assert serving.failures("skip") == []
    assert serving.finish("skip", **manifest)["error"].startswith("nothing to do: 40 already done")
    assert len(serving.ledger("skip")) == 40


def test_fatal(serving: Daemon) -> None:
    """Fatal fails the job with its reason, whatever `retry` says: nothing new begins, what is in flight finishes."""
    items = [{"id": n, "seconds": 0.5} for n in range(2)] + [{"id": 2, "fatal": True}]
    ended = serving.finish(
        "fatal",
        handler="trouble:ends_all",
        workers=3,
        retry={"attempts": 5, "on": ["Exception"]},
        source=inline(*items, *({"id": n} for n in range(3, 500))),
    )
    assert ended["state"] == "failed"
    assert ended["error"] == "the licence ran out"
    assert statuses(serving, "fatal") == {"ok": 2, "failed": 1}
    assert sorted(serving.ledger("fatal")) == ["0", "1", "2"]
    assert [(row["id"], row["error"]["type"]) for row in serving.failures("fatal")] == [("2", "Fatal")]


def test_fatal_in_all_workers_at_once(serving: Daemon) -> None:
    """Many Fatals end the job once, with the reason of one of them; the failed items are in failures.jsonl."""
    items = [{"id": n, "fatal": True, "seconds": 0.1} for n in range(50)]
    ended = serving.finish("fatals", handler="trouble:ends_all", workers=4, source=inline(*items))
    assert (ended["state"], ended["error"]) == ("failed", "the licence ran out")
    assert len(serving.ledger("fatals")) == len(serving.failures("fatals")) <= 4
