"""A source read in another process."""

from __future__ import annotations

import os
import select
import selectors
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from tests.daemon import eventually
from tests.handlers.fetchers import stock

from spoold.core.policy import RetryPolicy
from spoold.core.spec import JobSpec
from spoold.engines.aide import Aide, Body
from spoold.errors import SourceError
from spoold.registry import make_source
from spoold.runner.reader import PENDING, WINDOW, Reader, ReaderGone
from spoold.sources.base import Batch
from spoold.sources.patience import Patience

Make = Callable[..., Reader]


def spec(folder: Path) -> JobSpec:
    """As much of a job as such a process needs."""
    return JobSpec(
        job="demo", directory=str(folder), spool=str(folder), run=1, handler="a:b", params={}, source={}, id=None,
        cwd=str(folder / "cwd"), env={}, pythonpath=[], venv=None, preload=False, poison=2,
        load_timeout=1.0, sync=0.0, drain_timeout=1.0, result_limit=1, log_format="text", log_size=1 << 20, granted=1,
    )  # fmt: skip


@pytest.fixture
def said() -> list[str]:
    """What the processes print."""
    return []


@pytest.fixture
def reader(tmp_path: Path, said: list[str]) -> Iterator[Make]:
    """Makes readers of one of the tests' callables, and ends them."""
    (tmp_path / "cwd").mkdir()
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    made = []

    def fork(title: str, body: Body) -> Aide:
        return Aide(spec(tmp_path), title, lock, body, lambda _, line: said.append(line))

    def make(name: str, *, patience: Patience | None = None, start: int = 0, at: Any = None, **options: Any) -> Reader:
        fetch = {"type": "pages", "fetch": f"tests.handlers.fetchers:{name}"}
        source = make_source({**(fetch if "type" not in options else {}), **options}, str(tmp_path))
        made.append(Reader(fork, source, start=start, at=at, patience=patience))
        return made[-1]

    yield make
    for one in made:
        one.close()
    os.close(lock)


def wait(selector: selectors.EpollSelector) -> None:
    """For something to come."""
    assert select.select([selector], [], [], 20)[0], "something came"


def count(reader: Reader) -> int:
    """Records that come until the end."""
    return sum(len(batch.raws) for batch in reader.iterate(wait))


def taken(reader: Reader) -> Batch | None:
    """The next batch, waited for."""
    while (batch := reader.take()) is PENDING:
        select.select([reader.aide.channel], [], [], 20)
    assert not isinstance(batch, type(PENDING))
    return batch


def test_batches_come_as_the_source_gives_them(reader: Make) -> None:
    """With faults, places and positions, from where the reading is to begin."""
    stock(250, spoiled=True)
    source = make_source({"type": "pages", "fetch": "tests.handlers.fetchers:by_offset"}, "/")
    assert list(reader("by_offset").iterate(wait)) == list(source.batches())
    assert list(reader("by_offset", start=120).iterate(wait)) == list(source.batches(120))
    (last,) = reader("by_cursor", cursor=True, start=200, at={"cursor": "200"}).iterate(wait)
    assert (last.n, len(last.raws), last.at) == (200, 50, {"cursor": "200"})
    assert last.faults == {49: "not JSON: Encoding objects of type object is unsupported"}


def test_the_end_is_known_with_the_last_batch(reader: Make) -> None:
    """As soon as the process has said so; after it there is nothing, however often one asks."""
    stock(150)
    one = reader("by_offset")
    assert taken(one) is not None
    eventually(lambda: os.waitid(os.P_PID, one.aide.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG), "the process ended")
    assert (one.ended, taken(one) is not None, one.ended) == (False, True, True)
    assert one.take() is None
    assert one.take() is None


def test_a_fetch_that_hangs_holds_up_nobody(reader: Make) -> None:
    """What came before is given at once, asking for more returns at once, and closing ends the process."""
    stock(250)
    one = reader("hanging")
    batch = taken(one)
    assert batch is not None
    assert len(batch.raws) == 100
    began = monotonic()
    assert one.take() is PENDING
    pid = one.aide.pid
    one.close()
    assert monotonic() - began < 5
    assert not Path(f"/proc/{pid}").exists()


def test_what_ends_the_source_comes_after_its_batches(reader: Make, said: list[str]) -> None:
    """Reason and place as the source says them; traceback and prints are in the job's log."""
    stock(250)
    found = reader("failing").iterate(wait)
    assert [next(found).n, next(found).n] == [0, 100]
    with pytest.raises(SourceError, match=r"fetchers:failing at offset 200: LookupError: no page at 200; mend it"):
        next(found)
    assert "about to fail" in said
    assert any(line.startswith("Traceback") for line in said)
    assert "LookupError: no page" in said


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("killed", r"pages tests.handlers.fetchers:killed: the process that reads .* ended: killed by SIGKILL"),
        ("leaving", r"pages tests.handlers.fetchers:leaving: SystemExit: 3"),
    ],
)
def test_a_process_that_ends_is_told_after_its_batches(reader: Make, name: str, what: str) -> None:
    """Whatever ended it."""
    stock(250)
    one = reader(name)
    assert taken(one) is not None
    for _ in range(2):
        with pytest.raises(SourceError, match=what):
            taken(one)


def test_no_more_is_sent_than_was_taken_and_a_window(reader: Make, tmp_path: Path) -> None:
    """However long the source is and whatever time there is; what is taken is followed by the next."""
    (tmp_path / "long.txt").write_text("x\n" * 50_000)
    one = reader("", type="lines", path="long.txt")
    assert taken(one) is not None
    last = monotonic()
    while monotonic() - last < 0.3:
        before = len(one._frames)
        one.hear()
        last = monotonic() if len(one._frames) > before else last
    assert len(one._frames) == WINDOW
    assert count(one) == 50_000 - 1024


def test_a_fetch_that_takes_too_long_is_tried_again(reader: Make, said: list[str]) -> None:
    """A timeout is a TimeoutError, which the manifest may name."""
    stock(250)
    retried = Patience(RetryPolicy(attempts=2, backoff=0.001), timeout=0.2)
    assert count(reader("sleepy", patience=retried)) == 250
    assert len(said) == 1
    assert "sleepy at offset 100: TimeoutError: it took longer than the job's `timeout` of 0.2 s; attempt 2" in said[0]
    with pytest.raises(SourceError, match="sleepy_async at offset 100: TimeoutError: it took longer"):
        count(reader("sleepy_async", patience=Patience(timeout=0.2)))


def test_a_fetch_may_ask_to_be_made_later(reader: Make, said: list[str]) -> None:
    """As a handler may, and it costs no attempt."""
    stock(250)
    assert count(reader("throttled", patience=Patience())) == 250
    assert len(said) == 3
    assert "throttled at offset 0: RetryLater: 429; attempt 1 of 1 in 0.01 s" in said[0]


def test_the_next_page_is_fetched_while_the_present_one_is_used(reader: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first page is done with, the others are there."""
    monkeypatch.setenv("FETCH_SECONDS", "0.05")
    stock(250)
    one = reader("slow")
    assert taken(one) is not None

    def here() -> int:
        one.hear()
        return len(one._frames)

    eventually(lambda: here() == 3, "two more pages and the end")


def test_a_job_whose_folder_is_gone(reader: Make, tmp_path: Path, said: list[str]) -> None:
    """The process can't even begin, and says why in the job's log."""
    (tmp_path / "cwd").rmdir()
    with pytest.raises(ReaderGone, match=r"the process that reads the source ended: exit code 1"):
        count(reader("by_offset"))
    assert any("its working directory can't be entered" in line for line in said)
