"""The suite that every checkpoint store passes."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.daemon import eventually
from tests.keeping import Keeping
from tests.redis_server import RedisServer

from spoold.checkpoints.base import Found

if TYPE_CHECKING:
    import redis

ODD = [
    "plain", "5", "05", "-7", "5.0", "1e3", " 5", "", "0", "99999999999999999999", 'quo"te', "it's", "back\\slash",
    "new\nline", "tab\t", "nul\0", "ümläut", "日本", "\U0001f600", "x" * 512, "{", "[", "null", "true", "%s", "?1",
]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A store as its user knows it.

    Attributes:
        options: what a manifest says of it.
        put: writes these ids as done, as a script would have.
        done: reads the done ids with plain tools.
        remove: takes the whole store away.
    """

    options: dict[str, Any]
    put: Callable[[list[str]], object]
    done: Callable[[], set[str]]
    remove: Callable[[], object]


def _sqlite(folder: Path) -> Kind:
    path = folder / "progress.db"

    def put(ids: list[str]) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(
                "CREATE TABLE processed_items (item_id TEXT PRIMARY KEY, job_name TEXT, status TEXT,"
                " processed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"
            )
            database.executemany("INSERT INTO processed_items VALUES (?, 'demo', 'success', 0)", [(i,) for i in ids])

    def done() -> set[str]:
        if not path.exists():
            return set()
        with closing(sqlite3.connect(path)) as database:
            with suppress(sqlite3.OperationalError):  # no table yet
                rows = database.execute("SELECT item_id FROM processed_items WHERE status = 'success'").fetchall()
                return {row[0] for row in rows}
            return set()

    def remove() -> None:
        for name in ("progress.db", "progress.db-wal", "progress.db-shm"):
            (folder / name).unlink(missing_ok=True)

    return Kind({"type": "sqlite", "path": "progress.db", "name": None}, put, done, remove)


def _json(folder: Path) -> Kind:
    path = folder / "done.json"
    return Kind(
        {"type": "json", "path": "done.json", "interval": 50},
        lambda ids: path.write_text(json.dumps({"done": ids})),
        lambda: set(json.loads(path.read_text())["done"]) if path.exists() else set(),
        path.unlink,
    )


def _redis(client: redis.Redis, url: str) -> Kind:
    return Kind(
        {"type": "redis", "url": url, "name": None, "lease": 2.0},
        lambda ids: client.sadd("batch:demo:done", *ids),
        lambda: {os.fsdecode(member) for member in client.smembers("batch:demo:done")},
        client.flushdb,
    )


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A Redis for this module."""
    one = RedisServer()
    one.start()
    yield one
    one.close()


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    """A plain client of the emptied Redis."""
    import redis

    with redis.Redis.from_url(server.url) as made:
        made.flushdb()
        yield made


@pytest.fixture(params=["sqlite", "json", "redis"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Each store in turn."""
    if request.param == "redis":
        url = request.getfixturevalue("server").url
        return _redis(request.getfixturevalue("client"), url)
    return _sqlite(tmp_path) if request.param == "sqlite" else _json(tmp_path)


@pytest.fixture
def keeping(kind: Kind, tmp_path: Path) -> Iterator[Keeping]:
    """The job of the store, without a keeper yet."""
    made = Keeping(tmp_path, kind.options)
    yield made
    made.close()


def test_what_a_foreign_store_lists_is_done(kind: Kind, keeping: Keeping) -> None:
    """A store that lists 290 of 300 ids leaves the ten others."""
    ids = [str(k) for k in range(300)]
    kind.put(ids[:100] + ids[110:])
    keeping.begin()
    keeping.ready()
    assert [id_ for id_, found in keeping.look(ids).items() if found is Found.OPEN] == ids[100:110]
    keeping.write(ids[100:110])
    keeping.settle()
    assert kind.done() == set(ids)


def test_what_was_told_is_found_by_the_next_keeper(kind: Kind, keeping: Keeping) -> None:
    """Whatever stands in an id, done is what succeeded or was skipped, and nothing else."""
    keeping.begin()
    keeping.ready()
    assert set(keeping.look(ODD).values()) == {Found.OPEN}
    keeping.write(ODD[::2])
    keeping.write(["was skipped"], "skipped", first=100)
    for n, status in enumerate(("failed", "quarantined", "in-doubt", "kept"), 200):
        keeping.write([status], status, first=n)
    keeping.settle()
    assert kind.done() == {*ODD[::2], "was skipped"}
    keeping.store.close()
    (keeping.folder / "checkpoint.json").unlink()
    for segment in (keeping.folder / "journal").iterdir():
        segment.unlink()
    keeping.begin()
    keeping.ready()
    found = keeping.look([*ODD, "was skipped"])
    assert {id_ for id_, one in found.items() if one is Found.DONE} == kind.done()


def test_done_stays_done(kind: Kind, keeping: Keeping) -> None:
    """A later success mends a failure, and no failure undoes a success, however often it is told."""
    keeping.write(["a", "b"], "failed")
    keeping.write(["a"], run=2)
    keeping.write(["c"], run=2, first=2)
    keeping.write(["c"], "failed", run=3, first=2)
    for _ in range(2):
        keeping.begin()
        keeping.ready()
        keeping.settle()
        assert kind.done() == {"a", "c"}
        keeping.store.close()
        (keeping.folder / "checkpoint.json").write_text("{torn")


def test_a_killed_keeper_leaves_nothing_out(kind: Kind, keeping: Keeping) -> None:
    """After kill -9 in the middle the next keeper tells what is missing."""
    ids = [f"id-{k}" for k in range(3000)]
    keeping.begin_process()
    keeping.ready()
    keeping.write(ids[:1500])
    keeping.store.poke()
    keeping.wait(lambda _: kind.done(), "the first ids to be told")
    keeping.write(ids[1500:], first=1500, slot=2)
    keeping.store.poke()
    assert keeping.process is not None
    keeping.process.kill()
    assert "ended" in keeping.fails()
    keeping.store.close()
    keeping.begin()
    keeping.ready()
    keeping.settle()
    assert kind.done() == set(ids)


def test_a_store_that_was_removed_is_told_everything_again(kind: Kind, keeping: Keeping) -> None:
    """Whether it is missed at the start or in the middle."""
    keeping.write(["a", "b"])
    keeping.begin()
    keeping.ready()
    keeping.settle()
    keeping.store.close()
    kind.remove()
    keeping.begin()
    keeping.ready()
    keeping.settle()
    assert kind.done() == {"a", "b"}
    kind.remove()
    keeping.write(["c"], first=2)
    keeping.store.poke()
    keeping.settle()
    eventually(lambda: kind.done() == {"a", "b", "c"}, "all ids to be told again")


def test_what_was_told_is_not_told_again(kind: Kind, keeping: Keeping) -> None:
    """How far the store was told is remembered, so a restart reads only what is new."""
    keeping.write(["a", "b"])
    keeping.begin()
    keeping.ready()
    keeping.settle()
    (mark,) = keeping.told()["segments"].values()
    assert mark[1] == os.path.getsize(keeping.journal.dir / "001-001.jsonl")
    keeping.store.close()
    keeping.begin()
    keeping.ready()
    assert set(keeping.look(["a", "b"]).values()) == {Found.DONE}
