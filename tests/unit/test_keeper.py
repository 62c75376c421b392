"""The keeper between a journal and a store, seen from the runner."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec
import pytest
from tests.daemon import eventually
from tests.keeping import Keeping

from spoold import registry
from spoold.checkpoints.base import Checkpoint, Found, Outcome
from spoold.errors import CheckpointAway, CheckpointError, CheckpointLost


class Fake(Checkpoint):
    """A store in memory, which the test takes away and gives back."""

    shared: ClassVar[bool] = True
    made: ClassVar[list[Fake]] = []

    def __init__(self) -> None:
        self.memo = {}
        self.opened: list[int] = []
        self.told: list[str] = []
        self.calls: list[str] = []
        self.trouble: dict[str, CheckpointError] = {}
        self.released: list[str] = []
        self.notes: list[str] = []
        self.flushed = 0
        self.made.append(self)

    @classmethod
    def from_options(cls, _options: dict[str, Any], _job: str, _cwd: str, /) -> Self:
        """One more."""
        return cls()

    def identity(self) -> str:
        """Any."""
        return "fake"

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.trouble:
            raise self.trouble[name]

    def open(self, run: int, /) -> bool:
        """Note the run."""
        self._call("open")
        self.opened.append(run)
        self.memo["opened"] = run
        return True

    def look(self, ids: list[str]) -> list[Found]:
        """What was told is done."""
        self._call("look")
        return [Found.DONE if id_ in self.told else Found.HELD for id_ in ids]

    def record(self, outcomes: list[Outcome]) -> None:
        """Remember the ids."""
        self._call("record")
        self.told += [outcome.id for outcome in outcomes]

    def note(self, event: str, fields: dict[str, Any]) -> None:
        """Remember the event."""
        self.notes.append(event)

    def flush(self, *, must: bool) -> float:
        """An hour is soon enough."""
        self._call("flush")
        if not must and self.flushed < len(self.told):
            return 3600.0
        self.flushed = len(self.told)
        return 0.0

    def release(self, ids: list[str]) -> None:
        """Remember them."""
        self.released += ids

    def renew(self) -> float | None:
        """Often."""
        self._call("renew")
        return 0.01

    def close(self) -> None:
        """Remember it."""
        self.calls.append("close")


@pytest.fixture
def keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeping]:
    """A job with the fake store, its keeper started."""
    monkeypatch.setitem(registry.CHECKPOINTS, "fake", f"{__name__}:Fake")
    monkeypatch.setattr(registry, "import_module", lambda _: __import__("sys").modules[__name__])
    Fake.made.clear()
    made = Keeping(tmp_path, {"type": "fake"}, run=3)
    yield made
    made.close()


def ready(keeping: Keeping) -> Fake:
    """Start a keeper and wait for it; its store."""
    keeping.begin()
    keeping.ready()
    return Fake.made[-1]


def test_it_catches_up_before_it_is_ready(keeping: Keeping) -> None:
    """What the journal says when the keeper starts is told before it says that it is ready, in the order of runs."""
    keeping.write(["c"], run=2)
    keeping.write(["b"], slot=2)
    keeping.write(["a"])
    keeping.journal.job("page", first=0)
    store = ready(keeping)
    assert (store.told, store.notes, store.opened) == (["a", "b", "c"], ["page"], [3])


def test_only_new_records_are_told(keeping: Keeping) -> None:
    """A poke tells what the journal gained; a segment that comes later is found."""
    keeping.write(["a"])
    store = ready(keeping)
    keeping.write(["b"], first=1)
    keeping.write(["c"], first=2, slot=2)
    keeping.store.poke()
    eventually(lambda: store.told == ["a", "b", "c"], "the new ones to be told")


def test_answers_come_in_order(keeping: Keeping) -> None:
    """Several looks at once are answered one after the other, each with its own ids."""
    keeping.write(["a"])
    ready(keeping)
    for ids in (["a", "x"], ["y"], []):
        keeping.store.ask(ids)
    assert keeping.store.asked == 3
    keeping.wait(lambda store: not store.asked, "the answers")
    assert keeping.store.answers() == [(["a", "x"], [Found.DONE, Found.HELD]), (["y"], [Found.HELD]), ([], [])]
    assert keeping.store.answers() == []


def test_settled_is_said_of_the_last_wish(keeping: Keeping) -> None:
    """What was poked after the wish undoes it; settled means told, durable, and remembered."""
    store = ready(keeping)
    keeping.write(["a"])
    keeping.settle()
    assert (store.told, store.flushed) == (["a"], 1)
    assert list(keeping.told()["segments"]) == ["001-001.jsonl"]
    keeping.store.poke()
    assert not keeping.store.settled


def test_what_is_not_durable_is_not_remembered(keeping: Keeping) -> None:
    """A store that gathers what it is told and is killed is told that again."""
    keeping.write(["a", "b"])
    store = ready(keeping)
    assert (store.told, store.flushed) == (["a", "b"], 0)
    keeping.store.close()
    assert keeping.told()["segments"] == {}
    assert ready(keeping).told == ["a", "b"]


def test_a_store_that_is_away_stops_nobody(keeping: Keeping) -> None:
    """The runner hears the reason once; when it is back, what waited is done, and nothing is lost."""
    store = ready(keeping)
    store.trouble = dict.fromkeys(
        ("open", "record", "look", "flush", "renew"), CheckpointAway("no room", where="there")
    )
    keeping.write(["a", "b"])
    keeping.store.poke()
    keeping.wait(lambda line: line.away, "the reason")
    assert keeping.store.away == "there: no room"
    keeping.store.ask(["a"])
    keeping.store.release(["z"])
    tries = len(store.calls)
    eventually(lambda: len(store.calls) > tries, "another try")
    store.trouble = {}
    keeping.wait(lambda line: line.away is None and not line.asked, "it to be back")
    keeping.settle()
    assert (store.told, store.released) == (["a", "b"], ["z"])


def test_a_store_that_is_away_is_not_tried_the_more_often(keeping: Keeping) -> None:
    """However much there is to do meanwhile."""
    store = ready(keeping)
    store.trouble = {"open": CheckpointAway("gone"), "record": CheckpointAway("gone")}
    keeping.write(["a"])
    keeping.store.poke()
    keeping.wait(lambda line: line.away, "the reason")
    for _ in range(1000):
        keeping.store.poke()
    eventually(lambda: store.calls.count("open") > 2, "two more tries")
    assert store.calls.count("open") < 6


def test_a_store_that_lost_its_memory_is_told_everything_again(keeping: Keeping) -> None:
    """It is opened anew at once, and the runner hears nothing of it."""
    keeping.write(["a"])
    store = ready(keeping)
    store.trouble = {"record": CheckpointLost("emptied")}
    keeping.write(["b"], first=1)
    keeping.store.poke()
    eventually(lambda: store.calls.count("open") > 1, "it to be opened again")
    store.trouble = {}
    keeping.settle()
    assert (store.told, keeping.store.away) == (["a", "a", "b"], None)


def test_a_store_that_is_wrong_for_good_ends_it(keeping: Keeping) -> None:
    """The runner gets what, where and the remedy."""
    store = ready(keeping)
    store.trouble = {"look": CheckpointError("damaged", where="x.db", remedy="mend it")}
    keeping.store.ask(["a"])
    assert keeping.fails() == "x.db: damaged; mend it"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # a thread stands for it
def test_a_keeper_that_vanishes_is_noticed(keeping: Keeping) -> None:
    """A defect in a store ends its process, and the runner knows."""
    store = ready(keeping)
    store.trouble = {"look": RuntimeError("a defect")}  # type: ignore[dict-item]  # what no store should raise
    keeping.store.ask(["a"])
    assert "the process that keeps the checkpoint ended" in keeping.fails()


def test_claims_are_renewed_while_a_large_journal_is_told(keeping: Keeping) -> None:
    """Between two portions there is time for everything else."""
    keeping.write([f"id-{k}" for k in range(20_000)])
    store = ready(keeping)
    first = [name for name in store.calls if name in ("renew", "record")]
    assert first.count("record") > 3
    assert "renew" in first[first.index("record") + 1 :]


def test_leaving_closes_the_store(keeping: Keeping) -> None:
    """Closing the line gives claims back, and returns when that is done."""
    store = ready(keeping)
    keeping.store.close()
    assert store.calls[-1] == "close"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"store":"another","segments":{"001-001.jsonl":[1,2,3]}}'])
def test_a_damaged_memory_counts_for_nothing(keeping: Keeping, content: bytes) -> None:
    """checkpoint.json is derived: without it, or with another store's, everything is told again."""
    keeping.write(["a"])
    (keeping.folder / "checkpoint.json").write_bytes(content)
    assert ready(keeping).told == ["a"]


def test_marks_that_do_not_fit_a_segment_count_for_nothing(keeping: Keeping) -> None:
    """A segment that is shorter than it was, or another, is told from its beginning."""
    keeping.write(["a"])
    ready(keeping)
    keeping.settle()
    keeping.store.close()
    memory = keeping.told()
    for change in ([0, 10], [1, 10_000]):
        crc, end, q = memory["segments"]["001-001.jsonl"]
        memory["segments"]["001-001.jsonl"] = [crc ^ (change[0] == 0), end + change[1], q]
        (keeping.folder / "checkpoint.json").write_bytes(msgspec.json.encode(memory))
        assert ready(keeping).told == ["a"]
        keeping.store.close()


def test_an_unfinished_line_waits(keeping: Keeping) -> None:
    """A torn tail is not read, and damage in the middle hides nothing that follows."""
    keeping.write(["a", "b", "c"])
    path = keeping.journal.dir / "001-001.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"rubbish\n", lines[3][:-5]]))
    store = ready(keeping)
    assert store.told == ["a"]
    path.write_bytes(b"".join([*lines[:2], b"rubbish\n", lines[3]]))
    keeping.settle()
    assert store.told == ["a", "c"]


def test_a_locked_database_is_away_until_it_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's transaction delays the store, not the runner."""
    monkeypatch.setattr("spoold.checkpoints.sqlite.BUSY", 0.05)
    keeping = Keeping(tmp_path, {"type": "sqlite", "path": "p.db"})
    keeping.begin()
    keeping.ready()
    keeping.write(["a"])
    with closing(sqlite3.connect(tmp_path / "p.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        keeping.store.poke()
        keeping.wait(lambda line: line.away, "the reason")
        assert "locked" in str(keeping.store.away)
        other.execute("COMMIT")
        keeping.settle()
        assert other.execute("SELECT item_id, status FROM processed_items").fetchall() == [("a", "success")]
    keeping.close()
