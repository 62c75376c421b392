"""Several hosts sharing one job through a real Redis; each is a keeper on a spool of its own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.daemon import eventually
from tests.keeping import Keeping
from tests.redis_server import RedisServer

from spoold.checkpoints.base import Found

if TYPE_CHECKING:
    import redis

LEASE = 1.0
IDS = [str(k) for k in range(20)]
Host = Callable[..., Keeping]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    one = RedisServer()
    one.start()
    yield one
    one.close()


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    """A plain client."""
    import redis

    with redis.Redis.from_url(server.url) as made:
        yield made


@pytest.fixture
def host(server: RedisServer, tmp_path: Path) -> Iterator[Host]:
    """Makes hosts, by name; one begins again where it was."""
    made: list[Keeping] = []

    def make(name: str, *, run: int = 1, process: bool = False) -> Keeping:
        (tmp_path / name).mkdir(exist_ok=True)
        one = Keeping(tmp_path / name, {"type": "redis", "url": server.url, "lease": LEASE}, run=run)
        one.begin_process() if process else one.begin()
        made.append(one)
        one.ready()
        return one

    yield make
    for one in made:
        one.close()


def found(keeping: Keeping, ids: list[str], what: Found) -> list[str]:
    """Those of the ids of which the store says this."""
    return [id_ for id_, one in keeping.look(ids).items() if one is what]


def members(client: redis.Redis, name: str) -> set[str]:
    """A set of the job, as redis-cli would show it."""
    return {str(member, "utf-8") for member in client.smembers(f"batch:demo:{name}")}  # type: ignore[arg-type]  # bytes


def test_what_one_host_claimed_another_does_not_get(host: Host) -> None:
    """Until it is released, or recorded, or the host leaves."""
    a, b = host("a"), host("b")
    assert found(a, IDS[:10], Found.OPEN) == IDS[:10]
    assert found(b, IDS, Found.OPEN) == IDS[10:]
    assert found(b, IDS, Found.HELD) == IDS[:10]
    assert found(a, IDS[:10], Found.OPEN) == IDS[:10], "asked twice, a claim is still ours"
    a.store.release(IDS[:2])
    a.write(IDS[2:4])
    a.write(IDS[4:6], "failed", first=10)
    a.settle()
    assert [one.name for one in b.look(IDS[:7]).values()] == ["OPEN"] * 2 + ["DONE"] * 2 + ["FAILED"] * 2 + ["HELD"]
    a.store.close()
    assert found(b, IDS, Found.HELD) == []


def test_a_dead_hosts_claims_expire(host: Host) -> None:
    """After its lease, others get what it held; while it lives they never do."""
    a, b = host("a", process=True), host("b")
    a.look(IDS)
    until = time.monotonic() + 1.2 * LEASE
    while time.monotonic() < until:
        assert found(b, IDS, Found.OPEN) == []
    assert a.process is not None
    a.process.kill()
    died = time.monotonic()
    eventually(lambda: found(b, IDS, Found.OPEN) == IDS, "the claims to expire")
    assert time.monotonic() - died < LEASE + 1


def test_a_host_that_was_killed_still_holds_its_claims(host: Host) -> None:
    """Started again within its lease it runs them itself, and tells what its journal says of them."""
    a = host("a", process=True)
    b = host("b")
    a.look(IDS)
    a.write(IDS[:5])
    assert a.process is not None
    a.process.kill()
    a = host("a")
    assert found(b, IDS[:5], Found.DONE) == IDS[:5]
    assert found(b, IDS, Found.HELD) == IDS[5:]
    assert found(a, IDS, Found.OPEN) == IDS[5:]


def test_a_stopped_host_does_not_overrule_who_took_over(host: Host, client: redis.Redis) -> None:
    """What it tells of items that another holds by now is not recorded; the rest is."""
    a, b = host("a", process=True), host("b")
    a.look(IDS[:10])
    assert a.process is not None
    a.process.send_signal(signal.SIGSTOP)
    eventually(lambda: found(b, IDS[:5], Found.OPEN) == IDS[:5], "the claims to expire")
    b.write(IDS[:1])
    b.settle()
    a.write(IDS[:6], "failed")
    a.process.send_signal(signal.SIGCONT)
    a.settle()
    assert a.store.lapses == 1
    assert members(client, "failed") == {"5"}
    assert members(client, "done") == {"0"}
    b.write(IDS[1:5], first=1)
    b.settle()
    assert members(client, "done") == set(IDS[:5])


def test_what_failed_runs_again_only_after_a_new_drop(host: Host, client: redis.Redis) -> None:
    """A later run takes up what had failed before it began, wherever; what fails in it does not run once more."""
    client.sadd("batch:demo:failed", "foreign")
    a, b = host("a"), host("b")
    a.look(["x"])
    a.write(["x"], "failed")
    a.settle()
    assert set(b.look(["x", "foreign"]).values()) == {Found.FAILED}
    a.close()
    again = host("a", run=2)
    assert set(again.look(["x", "foreign"]).values()) == {Found.OPEN}
    again.write(["x"], "failed", run=2)
    again.write(["foreign"], run=2, first=1)
    again.settle()
    again.close()
    resumed = host("a", run=2)
    assert resumed.look(["x", "foreign"]) == {"x": Found.FAILED, "foreign": Found.DONE}
    assert members(client, "failed") == {"x"}


def test_what_is_in_doubt_is_for_its_host_to_decide_on(host: Host, client: redis.Redis) -> None:
    """Others do not run it, also when that host has left; that host gets it back, and its outcome counts."""
    a, b = host("a"), host("b")
    a.look(["x", "y"])
    a.write(["x", "y"], "in-doubt")
    a.settle()
    assert set(b.look(["x", "y"]).values()) == {Found.FAILED}
    assert set(a.look(["x", "y"]).values()) == {Found.OPEN}
    a.write(["x"], first=2)
    a.settle()
    assert (members(client, "done"), members(client, "failed")) == ({"x"}, {"y"})
    a.close()
    assert b.look(["x", "y"]) == {"x": Found.DONE, "y": Found.FAILED}


def test_a_redis_that_forgot_everything_is_told_again(host: Host, server: RedisServer, client: redis.Redis) -> None:
    """Its hosts keep what they have in flight, tell their journals, and meanwhile nobody gets anything new."""
    a, b = host("a"), host("b")
    a.look(IDS[:10])
    a.write(IDS[:5])
    a.settle()
    server.stop()
    a.store.poke()
    b.store.ask(IDS)
    for one in (a, b):
        one.wait(lambda line: line.away, "the reason")
        assert str(one.store.away).startswith(server.url)
    server.start()
    b.wait(lambda line: not line.asked, "an answer")
    ((_, first),) = b.store.answers()
    assert Found.OPEN not in first
    eventually(lambda: members(client, "done") == set(IDS[:5]), "the outcomes to be told again")
    eventually(lambda: found(b, IDS, Found.OPEN) == IDS[10:], "the time of grace to end")
    assert found(b, IDS, Found.HELD) == IDS[5:10]
    assert found(a, IDS[5:10], Found.OPEN) == IDS[5:10]


def test_a_redis_that_does_not_answer_is_away(host: Host, client: redis.Redis) -> None:
    """Nothing that was asked or told meanwhile is lost, and items are still where they were claimed."""
    a, b = host("a"), host("b")
    a.look(IDS[:10])
    client.client_pause(1600)
    a.write(IDS[:5])
    a.store.poke()
    a.store.ask(IDS[:12])
    a.wait(lambda line: line.away, "the reason")
    assert "imeout" in str(a.store.away)
    a.wait(lambda line: line.away is None and not line.asked, "an answer")
    a.settle()
    assert members(client, "done") == set(IDS[:5])
    assert found(b, IDS[5:12], Found.OPEN) == []


def test_a_password_is_not_shown(server: RedisServer, client: redis.Redis, tmp_path: Path) -> None:
    """Neither of a server that refuses it, nor of one that can't be reached; the former ends the job."""
    client.config_set("requirepass", "right")
    wrong = Keeping(tmp_path, {"type": "redis", "url": server.url.replace("unix://", "unix://:s3cret@")})
    wrong.begin()
    reason = wrong.fails()
    assert "***" in reason
    assert "s3cret" not in reason
    assert "password" in reason
    absent = Keeping(tmp_path, {"type": "redis", "url": "redis://me:s3cret@127.0.0.1:1/0"})
    absent.begin()
    absent.wait(lambda line: line.away, "the reason")
    assert str(absent.store.away).startswith("redis://me:***@127.0.0.1:1/0: ")
    wrong.close()
    absent.close()


def test_keys_of_another_kind_end_the_job(server: RedisServer, client: redis.Redis, tmp_path: Path) -> None:
    """A list where the set should be is a person's to mend."""
    client.rpush("batch:demo:done", "a")
    keeping = Keeping(tmp_path, {"type": "redis", "url": server.url})
    keeping.begin()
    keeping.ready()
    keeping.store.ask(["a"])
    assert "WRONGTYPE" in keeping.fails()
    keeping.close()
