"""Where a run stands: its rate and its size."""

from __future__ import annotations

import pytest

from spoold.journal.history import History
from spoold.runner import standing as module
from spoold.runner.standing import Standing
from spoold.sources.base import Size


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still unless a test moves it."""
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def test_what_nobody_ran_is_in_no_rate(clock: list[float]) -> None:
    """Duplicates, and items that other hosts settled or another source's run had done."""
    standing = Standing(History("ab" * 16, 1, 1), total=1_000_000, duplicates=0)
    standing.counts.in_flight = 1
    for second in range(20):
        clock[0] += 1
        standing.counts.ok += 10
        standing.planned(None, duplicates=second * 1000, elsewhere=second * 5000)
        standing.kept(second, "x", has_result=False)
        standing.rate()
    assert standing.rate() == pytest.approx(10, rel=0.01)
    assert standing.mean() == pytest.approx(10, rel=0.01)


def test_the_size_of_a_source_is_known_or_estimated() -> None:
    """An exact one is the total; an estimate is one until the source's end was seen."""
    exact, about, unknown = (Standing(History("ab" * 16, 1, 1), total=None, duplicates=0) for _ in range(3))
    exact.sized(Size(10, exact=True))
    about.sized(Size(10, exact=False))
    unknown.sized(None)
    found = [(one.counts.total, one.estimate) for one in (exact, about, unknown)]
    assert found == [(10, None), (None, 10), (None, None)]
    about.planned(12, 0)
    assert (about.counts.total, about.estimate) == (12, None)
