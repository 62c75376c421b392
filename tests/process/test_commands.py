"""Commands dropped into control/."""

from __future__ import annotations

import pytest
from tests.daemon import Daemon, eventually


def running(daemon: Daemon, name: str, count: int = 300) -> None:
    """A daemon with a job of which some items are done."""
    daemon.start()
    daemon.drop(name, handler="basic:slow_ledger", source=daemon.items(count))
    eventually(lambda: len(daemon.ledger()) > 3, "some items")


def at_rest(daemon: Daemon, name: str) -> None:
    """Wait until the job is paused and nothing of it runs."""
    daemon.wait_state(name, "paused")
    eventually(lambda: not daemon.titled("runner", name), "the runner to leave")


def test_pause_and_resume(daemon: Daemon) -> None:
    """A pause lets items in flight finish, survives a restart, does not keep --until-idle; resume runs the rest."""
    running(daemon, "paused")
    daemon.command("pause", "paused")
    at_rest(daemon, "paused")
    ran = len(daemon.ledger())
    assert len(daemon.records("paused")) == ran < 300
    assert daemon.stop() == 0
    assert daemon.run() == 0
    daemon.start()
    daemon.wait_state("paused", "paused")
    assert len(daemon.ledger()) == ran
    daemon.command("resume", "paused")
    assert daemon.wait_ended("paused")["counts"]["ok"] == 300
    assert sorted(map(int, daemon.ledger())) == list(range(300))


def test_a_pause_right_before_a_kill(daemon: Daemon) -> None:
    """A pause dropped right before the daemon is killed is obeyed by the next one."""
    running(daemon, "hurried")
    daemon.command("pause", "hurried")
    daemon.kill_everything()
    before = len(daemon.ledger())
    daemon.start()
    daemon.wait_state("hurried", "paused")
    assert len(daemon.ledger()) == before
    assert list((daemon.spool / "control").iterdir()) == []


def test_cancel(daemon: Daemon) -> None:
    """A cancelled job ends, with what it did in its files; it can be resumed."""
    running(daemon, "cancelled")
    daemon.command("cancel", "cancelled")
    ended = daemon.wait_ended("cancelled")
    assert (ended["state"], ended["error"]) == ("cancelled", "cancelled by an operator")
    assert 0 < len(daemon.results("cancelled")) < 300
    daemon.command("resume", "cancelled")
    assert daemon.wait_run("cancelled", 2)["state"] == "succeeded"
    assert sorted(map(int, daemon.ledger())) == list(range(300))


def test_cancel_gives_five_seconds(daemon: Daemon) -> None:
    """An item that lasts longer than five seconds after a cancel is killed, and is not blamed."""
    daemon.start()
    daemon.drop("long", handler="basic:told", poison=1, source={"type": "items", "items": [{"id": 1, "seconds": 50}]})
    eventually(daemon.ledger, "the item to begin")
    daemon.command("cancel", "long")
    ended = daemon.wait_ended("long")
    assert (ended["state"], ended["counts"]["quarantined"]) == ("cancelled", 0)
    assert daemon.ledger() == ["1 begins"]


def test_cancel_a_queued_job(daemon: Daemon) -> None:
    """A job that waits is cancelled without having run."""
    daemon.start()
    daemon.drop("waiting", handler="basic:ledger", after=["absent"], source=daemon.items(3))
    daemon.wait_state("waiting", "queued")
    daemon.command("cancel", "waiting")
    assert daemon.wait_ended("waiting")["state"] == "cancelled"
    assert daemon.ledger() == []


def test_retry_failures(serving: Daemon) -> None:
    """retry-failures runs the failed items again, read from the source, and only those."""
    env = {"PICKY": serving.write("picky", "2 4")}
    serving.finish("retried", handler="basic:picky", env=env, source=serving.items(6))
    serving.write("picky", "4")
    serving.command("retry-failures", "retried")
    ended = serving.wait_run("retried", 2)
    assert (ended["state"], ended["counts"]["ok"], ended["counts"]["failed"]) == ("partial", 5, 1)
    assert sorted(serving.ledger("retried")) == ["0", "1", "2", "3", "5"]
    assert [row["id"] for row in serving.failures("retried")] == ["4"]
    assert [row["id"] for row in serving.results("retried")] == ["0", "1", "2", "3", "5"]


def test_resume_of_a_finished_job(serving: Daemon) -> None:
    """`resume` of a job that has ended runs its manifest again as a new drop would."""
    serving.finish("rerun", handler="basic:ledger", source=serving.items(3, "rerun"))
    serving.items(5, "rerun")
    serving.command("resume", "rerun")
    assert serving.wait_run("rerun", 2)["counts"]["ok"] == 5
    assert len(serving.ledger("rerun")) == 5


def test_commands_mean_the_newest_run_of_a_name(serving: Daemon) -> None:
    """A name without a run key means the newest run of that name."""
    for key in ("one", "two"):
        serving.drop("keyed", handler="basic:tenth", run=key, source=serving.items(5))
        serving.wait_ended(f"keyed@{key}")
    serving.command("retry-failures", "keyed")
    serving.wait_run("keyed@two", 2)
    assert serving.runs("keyed@one") == 1


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("unknown-verb.json", '{"verb": "pauze", "job": "ended"}', "pause"),
        ("unknown-job.json", '{"verb": "pause", "job": "endid"}', "did you mean ended?"),
        ("ended.yaml", "verb: pause\njob: ended\n", "has ended"),
        ("running-retry.yaml", "verb: cancel\njob: ended\n", "already ended"),
        ("too-many.json", '{"verb": "scale", "job": "ended", "workers": 99}', "from 1 to 16"),
        ("unknown-key.json", '{"verb": "pause", "job": "ended", "now": true}', "now"),
        ("no-mapping.json", "[]", "mapping"),
        ("not-yaml.yaml", "{", "not-yaml.yaml:"),
    ],
)
def test_refused_commands(serving: Daemon, name: str, text: str, told: str) -> None:
    """A command that can't be obeyed goes to rejected/ with the reason, and the daemon lives."""
    if not serving.job("ended").exists():
        serving.finish("ended", handler="basic:noop", source=serving.items(1))
    control = serving.spool / "control"
    (control / f".{name}").write_text(text)
    (control / f".{name}").rename(control / name)
    reason = eventually(lambda: serving.rejected().get(name), f"{name} to be refused")
    assert told in reason
    eventually((serving.spool / "rejected" / name).exists, "the command to be kept")
    assert (serving.spool / "rejected" / name).read_text() == text


def test_commands_are_obeyed_in_order(daemon: Daemon) -> None:
    """Commands are obeyed in order of arrival, each once."""
    daemon.drop("ordered", handler="basic:noop", after=["absent"], source=daemon.items(1))
    assert daemon.run() == 1
    for verb in ("pause", "resume", "pause", "resume", "pause"):
        daemon.command(verb, "ordered")
    daemon.start()
    daemon.wait_state("ordered", "paused")
    assert [record["job"] for record in daemon.job_records("ordered")] == [
        "accepted",
        "paused",
        "resumed",
        "paused",
        "resumed",
        "paused",
    ]
    assert list((daemon.spool / "control").iterdir()) == []


def test_scale_survives_a_restart(daemon: Daemon) -> None:
    """What an operator scaled a job to counts after a restart too."""
    running(daemon, "scaled")
    daemon.command("scale", "scaled", workers=1)
    eventually(lambda: daemon.status()["scaled"]["workers"]["wanted"] == 1, "the status")
    eventually(lambda: list((daemon.spool / "control").iterdir()) == [], "the command to be obeyed")
    assert daemon.stop() == 0
    daemon.start()
    eventually(lambda: daemon.status()["scaled"]["workers"] == {"now": 1, "wanted": 1}, "one worker")
