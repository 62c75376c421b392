"""The rate's two promises, for any caller: never too many starts, and hardly any lost."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from spoold.core.rate import Rate

RATES = st.floats(0.01, 20_000)
PAUSES = st.lists(st.floats(0, 0.05) | st.floats(0, 300) | st.just(0.0), min_size=1, max_size=80)
LATE = 0.01
HAIR = 1e-6  # of rounding


def most(rate: float, seconds: float) -> float:
    """The most starts that there may be in so many seconds."""
    return rate * (seconds + LATE) + 1


def starts_of(one: Rate, start: float, pauses: list[float], eager: list[bool]) -> list[tuple[float, int]]:
    """What a caller starts that asks after each pause, or waits for `next_at` where it is eager."""
    now, starts = start, []
    for index, pause in enumerate(pauses):
        now += pause
        if eager[index % len(eager)]:
            now = max(now, one.next_at or now)
        if count := one.free(now):
            one.spend(count, now)
            starts.append((now, count))
    return starts


def check(starts: list[tuple[float, int]], rate: float) -> None:
    """No window between two starts has too many."""
    for first, (begin, _) in enumerate(starts):
        total = 0
        for now, count in starts[first:]:
            total += count
            assert total <= most(rate, now - begin) + HAIR * (1 + rate)


@given(RATES, st.floats(0, 1e6), PAUSES, st.lists(st.booleans(), min_size=1, max_size=5))
def test_never_too_many(rate: float, start: float, pauses: list[float], eager: list[bool]) -> None:
    """In any T seconds there are no more than rate x (T + 10 ms) + 1 starts, whoever asks when, also after idling."""
    check(starts_of(Rate(rate, start, began_before=False), start, pauses, eager), rate)


@given(RATES, st.floats(0, 1e6), PAUSES, PAUSES, st.lists(st.booleans(), min_size=1, max_size=5))
def test_never_too_many_over_a_restart(
    rate: float, start: float, before: list[float], after: list[float], eager: list[bool]
) -> None:
    """A runner that takes over at once makes no burst with what its predecessor started."""
    starts = starts_of(Rate(rate, start, began_before=False), start, before, eager)
    again = start + sum(before) if not starts else starts[-1][0]
    starts += starts_of(Rate(rate, again, began_before=True), again, after, eager)
    check(starts, rate)


@given(RATES, st.floats(0, 1e6))
def test_never_more_at_once_than_ten_milliseconds_worth(rate: float, start: float) -> None:
    """After any idleness no more than 10 ms' worth starts at once, and at least one."""
    assert Rate(rate, start, began_before=False).free(start + 1000) == max(1, math.ceil(rate / 100))


@given(st.floats(0.5, 20_000), st.floats(0, 1e5), st.floats(0, 0.001))
def test_hardly_any_lost_by_asking_each_millisecond(rate: float, start: float, offset: float) -> None:
    """A caller that asks every millisecond gets at least 97% of the rate."""
    one, total, steps = Rate(rate, start, began_before=False), 0, 4000
    for step in range(steps):
        now = start + offset + step / 1000
        count = one.free(now)
        one.spend(count, now)
        total += count
    assert total >= math.floor(0.97 * rate * (steps - 1) / 1000)


@given(st.floats(0.01, 20_000), st.floats(0, 1e5), st.lists(st.floats(0, 0.009), min_size=1, max_size=20))
def test_hardly_any_lost_by_waking_late(rate: float, start: float, late: list[float]) -> None:
    """A caller that waits for `next_at`, and wakes a few milliseconds late, gets at least 97% of the rate."""
    one, total, now = Rate(rate, start, began_before=False), 0, start
    for step in range(500):
        count = one.free(now)
        assert count >= 1
        one.spend(count, now)
        total += count
        due = one.next_at
        assert due is not None
        now = max(now, due + late[step % len(late)])
    assert total >= math.floor(0.97 * rate * (now - start))


@given(RATES, st.floats(0, 1e6), st.integers(1, 50), st.floats(0, 10))
def test_next_at_is_when_one_is_free(rate: float, start: float, spent: int, later: float) -> None:
    """At `next_at` one is free, and a moment before none is."""
    one = Rate(rate, start, began_before=False)
    one.spend(spent, start + later)
    due = one.next_at
    assert due is not None
    assert one.free(due) >= 1
    assert one.free(math.nextafter(due, 0)) == 0
