"""Checkpoint stores in whole jobs: what they know is honoured, and what is killed in the middle goes on."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.daemon import Daemon, eventually
from tests.redis_server import RedisServer

ITEMS = 300
KNOWN = 290
Thing = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A redis-server that the tests of this module share."""
    one = RedisServer()
    one.start()
    yield one
    one.close()


def source(kind: str, count: int = ITEMS) -> Thing:
    """Items 0 …, as the store wants them."""
    if kind == "offset":
        return {"type": "pages", "fetch": "fetchers:by_offset", "page_size": 25}
    return {"type": "range", "stop": count}


def store(kind: str, folder: Path, name: str, server: RedisServer) -> Thing:
    """The checkpoint of a manifest."""
    options: dict[str, Thing] = {
        "sqlite": {"path": str(folder / "progress.db")},
        "json": {"path": str(folder / "done.json")},
        "offset": {"path": str(folder / "offset.json")},
        "redis": {"url": server.url, "name": name, "lease": "2s"},
    }
    return {"type": kind, **options[kind]}


def foresee(kind: str, folder: Path, name: str, server: RedisServer) -> None:
    """Leave what a script of somebody's own would have left after KNOWN items."""
    match kind:
        case "sqlite":
            with closing(sqlite3.connect(folder / "progress.db")) as db, db:
                db.execute("CREATE TABLE processed_items (job_name, item_id INTEGER, processed_at TEXT, status TEXT)")
                rows = [(name, n, "2026-01-01", "success" if n < KNOWN else "failed") for n in range(ITEMS)]
                db.executemany("INSERT INTO processed_items VALUES (?, ?, ?, ?)", rows)
        case "json":
            (folder / "done.json").write_text(json.dumps(list(range(KNOWN))))
        case "offset":
            (folder / "offset.json").write_text(json.dumps({"offset": KNOWN}))
        case _:
            server.ask("SADD", f"batch:{name}:done", *range(KNOWN))


def done(kind: str, folder: Path, name: str, server: RedisServer) -> int:
    """How many items the store itself says are done."""
    match kind:
        case "sqlite":
            with closing(sqlite3.connect(folder / "progress.db")) as db, db:
                query = "SELECT count(DISTINCT item_id) FROM processed_items WHERE job_name = ? AND status = 'success'"
                return int(db.execute(query, (name,)).fetchone()[0])
        case "json":
            found = json.loads((folder / "done.json").read_text())
            return len(set(map(str, found["done"] if isinstance(found, dict) else found)))
        case "offset":
            return int(json.loads((folder / "offset.json").read_text())["offset"])
        case _:
            return int(server.ask("SCARD", f"batch:{name}:done"))


@pytest.mark.parametrize("kind", ["sqlite", "json", "offset", "redis"])
def test_what_a_script_left_is_honoured(daemon: Daemon, kind: str, server: RedisServer) -> None:
    """Of 300 items of which the store says that 290 are done, exactly 10 run, and the store then has 300."""
    foresee(kind, daemon.folder, kind, server)
    checkpoint = store(kind, daemon.folder, kind, server)
    env = {"SHOP_COUNT": str(ITEMS)}
    daemon.drop(kind, handler="together:slow", source=source(kind), checkpoint=checkpoint, env=env)
    assert daemon.run() == 0
    assert sorted(map(int, daemon.ledger())) == list(range(KNOWN, ITEMS))
    counts = (daemon.ended(kind) or {})["counts"]
    assert counts["total"] == ITEMS
    assert counts["elsewhere" if kind == "redis" else "already_done"] == KNOWN
    assert done(kind, daemon.folder, kind, server) == ITEMS
    daemon.drop(kind, handler="together:slow", source=source(kind), checkpoint=checkpoint, env=env)
    assert daemon.run() == 0
    assert len(daemon.ledger()) == ITEMS - KNOWN, "something ran again"


@pytest.mark.parametrize("kind", ["sqlite", "json", "offset", "redis"])
def test_killed_half_way(daemon: Daemon, kind: str, server: RedisServer) -> None:
    """SIGKILL of everything in the middle, start, end: every item is done, at most those in flight ran twice."""
    name = f"{kind}-half"
    checkpoint = store(kind, daemon.folder, name, server)
    env = {"SHOP_COUNT": str(ITEMS)}
    daemon.drop(name, handler="together:slow", source=source(kind), checkpoint=checkpoint, env=env)
    daemon.start(ready=False)
    eventually(lambda: len(daemon.ledger()) >= ITEMS / 2, "half of the items")
    daemon.kill_everything()
    assert daemon.run() == 0
    ran = Counter(map(int, daemon.ledger()))
    assert ran.keys() == set(range(ITEMS))
    assert sum(ran.values()) <= ITEMS + 2
    assert len(daemon.results(name)) == ITEMS
    assert done(kind, daemon.folder, name, server) == ITEMS


def test_the_store_is_gone_and_comes_back(daemon: Daemon, server: RedisServer) -> None:
    """A store that was deleted while nothing ran is told everything again; nothing runs twice."""
    for kind in ("sqlite", "json"):
        checkpoint = store(kind, daemon.folder, kind, server)
        daemon.drop(kind, handler="together:slow", source=source(kind, 50), checkpoint=checkpoint)
    assert daemon.run() == 0
    (daemon.folder / "progress.db").unlink()
    (daemon.folder / "done.json").unlink()
    for kind in ("sqlite", "json"):
        checkpoint = store(kind, daemon.folder, kind, server)
        daemon.drop(kind, handler="together:slow", source=source(kind, 60), checkpoint=checkpoint)
    assert daemon.run() == 0
    assert len(daemon.ledger()) == 120
    assert (done("sqlite", daemon.folder, "sqlite", server), done("json", daemon.folder, "json", server)) == (60, 60)


def test_what_can_not_be_used_fails_the_job(daemon: Daemon) -> None:
    """A torn file is not overwritten: the job fails, names it, and says what to do."""
    torn = daemon.folder / "torn.json"
    torn.write_text('{"done": ["1", "2')
    daemon.drop("torn", handler="basic:noop", source=source("json"), checkpoint={"type": "json", "path": str(torn)})
    assert daemon.run() == 1
    error = (daemon.ended("torn") or {})["error"]
    assert "torn.json" in error
    assert "mend it" in error or "move it" in error
    assert torn.read_text() == '{"done": ["1", "2'


def test_a_keeper_that_is_killed(daemon: Daemon) -> None:
    """SIGKILL of the process that keeps the store: the job goes on, every item is done once, the store knows all."""
    checkpoint = {"type": "json", "path": str(daemon.folder / "done.json")}
    daemon.drop("keeper", handler="together:slow", source=source("json"), checkpoint=checkpoint)
    daemon.start("--until-idle", ready=False)
    eventually(lambda: len(daemon.ledger()) >= ITEMS / 3, "a third of the items")
    for process in daemon.titled("keeper", "keeper"):
        process.kill()
    assert daemon.process is not None
    assert daemon.process.wait(30) == 0
    assert Counter(map(int, daemon.ledger())) == dict.fromkeys(range(ITEMS), 1)
    assert len(json.loads((daemon.folder / "done.json").read_text())["done"]) == ITEMS


# ---------------------------------------------------------------------- several hosts


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Callable[[str], Daemon]]:
    """Makes daemons with a spool each and one ledger for all."""
    made = []

    def host(name: str) -> Daemon:
        (tmp_path / name).mkdir()
        one = Daemon(tmp_path / name)
        one.env["LEDGER"] = str(tmp_path / "ledger")
        made.append(one)
        return one

    yield host
    for one in made:
        one.kill_everything()


def test_two_hosts_share_a_job(hosts: Callable[[str], Daemon], server: RedisServer) -> None:
    """Every item runs on one of them; each has the results of what it ran, and counts the rest as elsewhere."""
    both = [hosts("one"), hosts("two")]
    checkpoint = {"type": "redis", "url": server.url, "lease": "5s"}
    for host in both:
        host.drop("shared", handler="together:slow", source=source("redis"), checkpoint=checkpoint)
        host.start("--until-idle", ready=False)
    for host in both:
        assert host.process is not None
        assert host.process.wait(30) == 0
    assert Counter(map(int, both[0].ledger())) == dict.fromkeys(range(ITEMS), 1)
    rows = [{row["n"] for row in host.results("shared")} for host in both]
    assert rows[0] | rows[1] == set(range(ITEMS))
    assert not rows[0] & rows[1]
    assert all(rows), "one of them had nothing to do"
    for host, own, other in zip(both, rows, reversed(rows), strict=True):
        counts = (host.ended("shared") or {})["counts"]
        assert (counts["ok"], counts["elsewhere"], counts["total"]) == (len(own), len(other), ITEMS)


def test_a_host_that_dies(hosts: Callable[[str], Daemon], server: RedisServer) -> None:
    """The other one takes over what it had claimed; only what was in flight runs twice, and nothing is lost."""
    dies, lives = hosts("dies"), hosts("lives")
    checkpoint = {"type": "redis", "url": server.url, "name": "survivor", "lease": "2s"}
    for host in (dies, lives):
        host.drop("survivor", handler="together:slow", source=source("redis", 600), checkpoint=checkpoint)
        host.start("--until-idle", ready=False)
    eventually(lambda: len(dies.ledger()) >= 200, "a third of the items")
    dies.kill_everything()
    assert lives.process is not None
    assert lives.process.wait(30) == 0
    ran = Counter(map(int, lives.ledger()))
    assert ran.keys() == set(range(600))
    assert sum(ran.values()) <= 600 + 2
    assert server.ask("SCARD", "batch:survivor:done") == 600


def test_a_drain_gives_claims_back(hosts: Callable[[str], Daemon], server: RedisServer) -> None:
    """After SIGTERM of one host the other need not wait for a lease of an hour."""
    leaves, stays = hosts("leaves"), hosts("stays")
    checkpoint = {"type": "redis", "url": server.url, "name": "drained", "lease": "1h"}
    for host in (leaves, stays):
        host.drop("drained", handler="together:slow", source=source("redis"), checkpoint=checkpoint)
        host.start("--until-idle", ready=False)
    eventually(lambda: len(leaves.ledger()) >= 100, "a third of the items")
    assert leaves.stop() == 0
    assert stays.process is not None
    assert stays.process.wait(30) == 0
    assert Counter(map(int, stays.ledger())) == dict.fromkeys(range(ITEMS), 1)


def test_a_server_that_restarts(daemon: Daemon) -> None:
    """While Redis is away the job is paused and says why; it goes on by itself, and nothing is lost or runs twice."""
    server = RedisServer()
    server.start()
    try:
        checkpoint = {"type": "redis", "url": server.url, "lease": "2s"}
        daemon.drop("away", handler="together:slow", source=source("redis"), checkpoint=checkpoint)
        daemon.start("--until-idle", ready=False)
        eventually(lambda: len(daemon.ledger()) >= 100, "a third of the items")
        server.stop()
        row = daemon.wait_state("away", "paused")
        assert "checkpoint is away" in row["error"]
        server.start()
        assert daemon.process is not None
        assert daemon.process.wait(40) == 0
        assert Counter(map(int, daemon.ledger())) == dict.fromkeys(range(ITEMS), 1)
        assert len(daemon.results("away")) == ITEMS
        assert server.ask("SCARD", "batch:away:done") == ITEMS
    finally:
        server.close()
