"""What an item notes while it runs: whatever interrupts it, memory and journal say the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from spoold.core.chunk import Past
from spoold.worker.notes import Notes
from spoold.worker.outcome import ResultError
from spoold.worker.steer import ItemTimeout


class Journal:
    """Stands for the segment; `late` says at which record the attempt's time runs out."""

    def __init__(self) -> None:
        self.written: list[tuple[str, bytes, bool]] = []
        self.late: int | None = None
        self.calls = 0

    def write(self, status: str, result: bytes, durable: bool) -> None:  # noqa: FBT001 - see notes.Write
        """Append a record."""
        self.written.append((status, result, durable))

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Raise at the end what is due."""
        yield
        if self.late == len(self.written):
            self.late = None
            raise ItemTimeout

    def notes(self, past: Past | None = None) -> Notes:
        """Those of an attempt that comes after this past."""
        return Notes(self.write, 100, past, self.shield)

    def effect(self, value: Any = "receipt") -> Any:
        """What must not be done twice."""
        self.calls += 1
        return value

    def ends(self) -> list[str]:
        """What became of each call of `once`, as the journal has it."""
        kinds = (("value", b'"value"'), ("raised", b'"raised"'))
        texts = [result for status, result, _ in self.written if status == "once"]
        return [next((kind for kind, mark in kinds if mark in text), "began") for text in texts]


@pytest.fixture
def journal() -> Journal:
    return Journal()


def fail(error: BaseException) -> Callable[[], None]:
    """A function that raises it."""

    def raising() -> None:
        raise error

    return raising


def test_once_is_durable_before_and_after(journal: Journal) -> None:
    """That it begins, and what it returned, are written as durable; the next call gives the value back."""
    notes = journal.notes()
    assert notes.once("pay", journal.effect, ("receipt",)) == "receipt"
    assert journal.written == [
        ("once", b'{"name":"pay"}', True),
        ("once", b'{"name":"pay","value":"receipt"}', True),
    ]
    assert notes.once("pay", journal.effect, ()) == "receipt"
    notes.close()
    assert (journal.calls, notes.doubt, notes.any) == (1, None, True)


def test_names_are_apart(journal: Journal) -> None:
    """Two names are two effects."""
    notes = journal.notes()
    assert [notes.once(name, journal.effect, (name,)) for name in ("a", "b")] == ["a", "b"]
    assert journal.calls == 2


@pytest.mark.parametrize("name", [5, None, b"pay"])
def test_a_name_is_text(journal: Journal, name: Any) -> None:
    """Anything else is refused before anything happens."""
    with pytest.raises(TypeError, match="text"):
        journal.notes().once(name, journal.effect, ())
    assert (journal.written, journal.calls) == ([], 0)


def test_what_earlier_attempts_did_is_known(journal: Journal) -> None:
    """A past's values are given back, None as None."""
    notes = journal.notes(Past(once={"pay": b'{"id":7}', "mail": b"null"}))
    assert notes.once("pay", journal.effect, ()) == {"id": 7}
    assert notes.once("mail", journal.effect, ()) is None
    assert (journal.written, journal.calls) == ([], 0)


def test_once_that_raised_may_run_again(journal: Journal) -> None:
    """Also when what it raised was an exit."""
    notes = journal.notes()
    for error in (ValueError("no"), SystemExit(), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            notes.once("pay", fail(error), ())
    notes.close()
    assert (journal.ends(), notes.doubt) == (["began", "raised"] * 3, None)


@pytest.mark.parametrize("value", [{1}, "x" * 200])
def test_a_value_that_cannot_be_recorded_is_none(journal: Journal, value: object) -> None:
    """The effect took place, so it is not in doubt and does not run again."""
    notes = journal.notes()
    with pytest.raises(ResultError):
        notes.once("pay", journal.effect, (value,))
    assert notes.once("pay", journal.effect, ()) is None
    notes.close()
    assert (journal.calls, notes.doubt) == (1, None)


def test_a_timeout_within_the_call_leaves_it_in_doubt(journal: Journal) -> None:
    """Nobody knows at which point it was cut short."""
    notes = journal.notes()
    with pytest.raises(ItemTimeout):
        notes.once("pay", fail(ItemTimeout()), ())
    notes.close()
    assert (journal.ends(), notes.doubt) == (["began"], "pay")


def test_a_timeout_before_the_call_leaves_no_doubt(journal: Journal) -> None:
    """While it was noted that the call begins the time ran out: it was not made, and the journal says so."""
    notes, journal.late = journal.notes(), 1
    with pytest.raises(ItemTimeout):
        notes.once("pay", journal.effect, ())
    notes.close()
    assert (journal.calls, journal.ends(), notes.doubt) == (0, ["began", "raised"], None)


def test_a_timeout_after_the_call_leaves_no_doubt(journal: Journal) -> None:
    """While its value was recorded the time ran out: the value is known to the next attempt."""
    notes, journal.late = journal.notes(), 2
    with pytest.raises(ItemTimeout):
        notes.once("pay", journal.effect, ())
    notes.close()
    assert (notes.known, notes.doubt) == ({"pay": b'"receipt"'}, None)


def test_a_timeout_between_the_call_and_its_record(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The effect took place and its value is lost: in doubt, and never taken for something that may run again."""
    monkeypatch.setattr("spoold.worker.notes.encode_result", lambda value, limit: fail(ItemTimeout())())
    notes = journal.notes()
    with pytest.raises(ItemTimeout):
        notes.once("pay", journal.effect, ())
    notes.close()
    assert (journal.calls, notes.doubt) == (1, "pay")


def test_a_timeout_while_a_state_is_saved(journal: Journal) -> None:
    """What stands in the journal is what the next attempt gets."""
    notes, journal.late = journal.notes(), 1
    with pytest.raises(ItemTimeout):
        notes.save(7)
    assert (notes.saved, journal.written) == (b"7", [("save", b"7", False)])


def test_a_thread_that_is_left_behind(journal: Journal) -> None:
    """Its `once` has no end when the attempt ends: in doubt; and it records nothing more."""
    notes, inside, go = journal.notes(), threading.Event(), threading.Event()
    refused: list[BaseException] = []

    def effect() -> None:
        inside.set()
        go.wait()

    def work() -> None:
        try:
            notes.once("pay", effect, ())
        except RuntimeError as error:
            refused.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    notes.close()
    go.set()
    thread.join()
    assert (journal.ends(), notes.doubt, len(refused)) == (["began"], "pay", 1)


def test_many_threads_do_it_once(journal: Journal) -> None:
    """Those that come while it runs are told so, those that come later get its value."""
    notes, gate = journal.notes(), threading.Barrier(8)
    values, refused = [], []

    def work() -> None:
        gate.wait()
        try:
            values.append(notes.once("pay", journal.effect, ()))
        except RuntimeError as error:
            refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (journal.calls, set(values), len(values) + len(refused)) == (1, {"receipt"}, 8)
    assert journal.ends() == ["began", "value"]


def test_nothing_is_noted_after_the_end(journal: Journal) -> None:
    """Neither a state nor an effect."""
    notes = journal.notes()
    notes.close()
    with pytest.raises(RuntimeError, match="ended"):
        notes.save(1)
    with pytest.raises(RuntimeError, match="ended"):
        notes.once("pay", journal.effect, ())
    assert (journal.written, journal.calls) == ([], 0)
