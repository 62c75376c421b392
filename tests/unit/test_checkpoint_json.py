"""Files of people's own, as a json checkpoint finds and replaces them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from spoold.checkpoints.base import Found, Outcome
from spoold.checkpoints.json import JsonCheckpoint
from spoold.errors import CheckpointAway, CheckpointError, CheckpointLost


class File:
    """A file in a folder, with a store on it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "done.json"

    def store(self, interval: float = 50) -> JsonCheckpoint:
        """A store, opened."""
        options = {"type": "json", "path": "done.json", "interval": interval}
        made = JsonCheckpoint.from_options(options, "demo", str(self.path.parent))
        made.open(1)
        return made


@pytest.fixture
def file(tmp_path: Path) -> File:
    """An empty folder."""
    return File(tmp_path)


def outcomes(*ids: str) -> list[Outcome]:
    """Records of success."""
    return [Outcome(n, id_, "ok", 1.0) for n, id_ in enumerate(ids)]


def done(store: JsonCheckpoint, *ids: str) -> list[str]:
    """Those of the ids that are done."""
    return [id_ for id_, found in zip(ids, store.look(list(ids)), strict=True) if found is Found.DONE]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"done": ["a", "b"]}', '{"done": ["a", "b","7","new"]}\n'),
        (
            '{"total": 1e3, "done": [ ], "x": {"done": [0]}}',
            '{"total": 1e3, "done": ["7","new"], "x": {"done": [0]}}\n',
        ),
        ('{"note": "mine"}', '{"note": "mine", "done": ["7","new"]}\n'),
        ("[1, 2]\n", '[1, 2,7,"new"]\n'),
        ('{"done": [1, "2"]}', '{"done": [1, "2","7","new"]}\n'),
        ('{"done": [1, null, 2.5, ["x"]]}', '{"done": [1, null, 2.5, ["x"],"7","new"]}\n'),
        (None, '{"done": ["7","new"]}\n'),
    ],
)
def test_what_stands_there_is_kept(file: File, before: str | None, after: str) -> None:
    """Form, other keys and numbers stay; new ids are numbers among numbers, else text."""
    if before is not None:
        file.path.write_text(before)
    store = file.store()
    store.record(outcomes("7", "new", "7"))
    store.flush(must=True)
    assert file.path.read_text() == after
    assert done(file.store(), "7", "new", "x", "None", "2.5") == ["7", "new"]


def test_numbers_and_text_are_the_same_ids(file: File) -> None:
    """5 is "5", however large, and is not listed twice."""
    file.path.write_text('{"done": [5, 99999999999999999999, "6", "\\u00e4"]}')
    store = file.store()
    assert done(store, "5", "6", "05", "99999999999999999999", "ä") == ["5", "6", "99999999999999999999", "ä"]
    store.record(outcomes("5", "6", "ä"))
    assert store.flush(must=True) == 0
    assert json.loads(file.path.read_text())["done"] == [5, 99999999999999999999, "6", "ä"]


@pytest.mark.parametrize(
    "content", ['{"done": ["a", "b', "", "null", '{"done": {"a": 1}}', '{"done": "a"}', "\xff", "[" * 9999]
)
def test_a_file_that_can_not_be_read_is_never_overwritten(file: File, content: str) -> None:
    """A torn list may hold what nothing else knows: a person decides."""
    file.path.write_text(content, encoding="latin-1")
    with pytest.raises(CheckpointError) as caught:
        file.store()
    assert caught.value.where == str(file.path)
    assert "not overwritten" in str(caught.value)
    assert file.path.read_text(encoding="latin-1") == content


def test_the_file_is_replaced_every_so_many_items(file: File) -> None:
    """Not before the interval is full, unless it must be; the old one is whole until then."""
    store = file.store(interval=3)
    store._rest = 0.0
    store.record(outcomes("a", "b"))
    assert store.flush(must=False) == float("inf")
    assert json.loads(file.path.read_text()) == {"done": []}
    store.record(outcomes("c"))
    assert store.flush(must=False) == 0
    assert json.loads(file.path.read_text()) == {"done": ["a", "b", "c"]}


def test_the_file_is_replaced_every_so_many_seconds(file: File) -> None:
    """A float is a time."""
    store = file.store(interval=10.0)
    store.record(outcomes("a"))
    assert 9 < store.flush(must=False) <= 10
    store._written_at -= 10
    assert store.flush(must=False) == 0


def test_writing_never_takes_most_of_the_time(file: File) -> None:
    """After a write that took long, the next one waits nineteen times that."""
    store = file.store(interval=1)
    store._rest = 19 * 0.5
    store.record(outcomes("a"))
    assert 9 < store.flush(must=False) <= 9.5


def test_mode_and_link_stay(file: File) -> None:
    """What a symbolic link points to is replaced, with the mode that it had."""
    real = file.path.parent / "real.json"
    real.write_text("[]")
    real.chmod(0o664)
    file.path.symlink_to("real.json")
    store = file.store()
    store.record(outcomes("a"))
    store.flush(must=True)
    assert file.path.is_symlink()
    assert json.loads(real.read_text()) == ["a"]
    assert real.stat().st_mode & 0o777 == 0o664
    assert sorted(os.listdir(file.path.parent)) == ["done.json", "real.json"]


def test_what_another_program_wrote_meanwhile_is_not_lost(file: File) -> None:
    """The store asks to be told again, on top of what stands there now."""
    file.path.write_text('["a"]')
    store = file.store()
    store.record(outcomes("b"))
    file.path.write_text('["a", "theirs"]')
    with pytest.raises(CheckpointLost):
        store.flush(must=True)
    assert store.open(1) is False
    store.record(outcomes("b"))
    store.flush(must=True)
    assert json.loads(file.path.read_text()) == ["a", "theirs", "b"]


def test_a_full_disk_passes(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was told is forgotten, and no piece of a file is left."""
    store = file.store()
    store.record(outcomes("a"))

    def full(_fd: int, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("spoold.checkpoints.replace.write_all", full)
        with pytest.raises(CheckpointAway, match="No space left"):
            store.flush(must=True)
    assert os.listdir(file.path.parent) == ["done.json"]
    assert store.open(1) is True
    store.flush(must=True)
    assert json.loads(file.path.read_text()) == {"done": ["a"]}


def test_a_place_that_can_not_be_written_is_told_at_once(file: File) -> None:
    """A missing folder, or a FIFO in the file's place, is no matter of waiting."""
    os.mkfifo(file.path)
    with pytest.raises(CheckpointError, match="no regular file"):
        file.store()
    with pytest.raises(CheckpointError, match="no folder"):
        JsonCheckpoint.from_options({"path": "no/d.json"}, "demo", str(file.path.parent)).open(1)


def test_two_writers_of_one_file_are_told(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another job took away what was just written, each is to have a file of its own."""
    store = file.store()
    monkeypatch.setattr(os, "fsync", lambda _: os.unlink(file.path.parent / ".done.json.spoold"))
    store.record([Outcome(0, "a", "ok", 0.0)])
    with pytest.raises(CheckpointError, match="another job writes it, too; give each job a file of its own"):
        store.flush(must=True)
    assert json.loads(file.path.read_text()) == {"done": []}
