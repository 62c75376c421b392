"""The parts that decide the speed, each alone: encoding a record, replay, dispatch, intake.

    pip install -e '.[bench]'
    pytest tests/benchmarks/micro.py

An ordinary run of the tests does not collect this file.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest
from tests.journals import UID, Journal

from spoold.core import book as b
from spoold.journal.format import encode_header, ok_line, ok_payload
from spoold.journal.replay import scan_history
from spoold.spool import Spool
from spoold.supervisor.config import Limits
from spoold.supervisor.intake import Intake

pytest.importorskip("pytest_benchmark", reason="pip install -e '.[bench]'")

RECORDS = 100_000
ITEMS = 1_000_000
MANIFESTS = 50


def test_encoding(benchmark: Any) -> None:
    """Records of a hundred thousand no-op items."""
    _, seed = encode_header("demo", UID, 1, 1, 1)
    texts = [str(n) for n in range(RECORDS)]

    def encode() -> int:
        return sum(
            len(ok_line(n + 1, n, text, 1, "1700000000.123", "0.01", None, seed)) for n, text in enumerate(texts)
        )

    assert benchmark(encode) > 80 * RECORDS


@pytest.mark.parametrize("result", [None, b'"%b"' % (b"r" * 1000)], ids=["none", "1kB"])
def test_replay(benchmark: Any, tmp_path: Path, result: bytes | None) -> None:
    """A journal of a hundred thousand records, in one process."""
    journal = Journal(tmp_path)
    journal.job("accepted")
    segment = journal.segment()
    for n in range(RECORDS):
        segment.append(ok_payload(n, b'"%d"' % n, 1, 1_700_000_000.123, 0.01, result))
    history = benchmark(scan_history, str(journal.dir), job="demo", processes=1)
    assert len(history.settled) == RECORDS


def test_dispatch(benchmark: Any) -> None:
    """The decisions of a job of a million items and two workers, without a process."""
    ids, raws = ["0"] * ITEMS, [b"{}"] * ITEMS
    assert benchmark(play, ids, raws) == ITEMS


def play(ids: list[str], raws: list[bytes]) -> int:
    """Decide on a whole job whose workers are quick and perfect; how many items they were given."""
    book = b.Book(wanted=2, poison=2)
    events: deque[b.Event] = deque([b.Look()])
    given, now = 0, 0.0
    while events:
        now += 1e-4
        for action in b.decide(book, events.popleft(), now).actions:
            match action:
                case b.Spawn(slot):
                    events.append(b.Loaded(slot))
                case b.Feed(slot, size) if given < len(ids):
                    last = min(given + size, len(ids))
                    chunk = b.Chunk(book.new_key(), range(given, last), ids[given:last], raws[given:last])
                    book.give(slot, chunk)
                    events.append(b.Acked(slot, chunk.key, len(chunk), last=True, seconds=len(chunk) * 1e-6))
                    given = last
                case b.Feed():
                    events.append(b.Exhausted())
                case b.Retire(slot):
                    events.append(b.Died(slot, frozenset(), (), "it was let go", b.Cause.OURS))
                case b.End():
                    return given
                case _:
                    assert isinstance(action, b.Grant), action
    raise AssertionError("the job did not end")


def test_intake(benchmark: Any, tmp_path: Path) -> None:
    """Fifty manifests, each accepted durably."""
    spool = Spool(str(tmp_path / "spool"))
    spool.create()
    intake = Intake(spool, Limits(), 8, budget=60)
    intake.recover()
    dropped = 0

    def drop() -> None:
        nonlocal dropped
        for _ in range(MANIFESTS):
            dropped += 1
            path = Path(spool.incoming, f".{dropped}")
            path.write_text("handler: a.b:c\nsource: {type: range, stop: 5}\n")
            path.rename(Path(spool.incoming, f"job-{dropped}.yaml"))

    accepted = benchmark.pedantic(lambda: intake.scan(0.0).accepted, setup=drop, rounds=10)
    assert len(accepted) == MANIFESTS
