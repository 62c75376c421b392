"""The failure count against a plain simulation, item by item."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from spoold.core.failures import UNLIMITED, FailureCount
from spoold.core.policy import FailureLimits

SHARES = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
LIMITS = st.builds(
    FailureLimits,
    most=st.none() | st.integers(0, 30),
    share=st.none() | SHARES,
    after=st.integers(0, 40),
    streak=st.integers(1, 30),
)
HAPPENINGS = st.lists(
    st.sampled_from(["failed", "failed", "failed", "succeeded", "skipped"]).flatmap(
        lambda kind: st.tuples(st.just(kind), st.just(1) if kind == "failed" else st.integers(0, 30))
    ),
    max_size=60,
)


class Simulation:
    """The rules, said as plainly as can be."""

    def __init__(self, limits: FailureLimits) -> None:
        self.limits = limits
        self.finished = self.failed = self.streak = 0
        self.fatal = self.paused = False

    def copy(self) -> Simulation:
        """The same, to go on with apart."""
        other = Simulation(self.limits)
        other.__dict__.update(self.__dict__)
        return other

    def happened(self, kind: str) -> None:
        """One item ended."""
        self.finished += 1
        self.failed += kind == "failed"
        self.streak = self.streak + 1 if kind == "failed" else 0 if kind == "succeeded" else self.streak
        limits = self.limits
        if self.finished >= limits.after:
            self.fatal |= limits.most is not None and self.failed > limits.most
            if limits.share is not None:
                self.fatal |= Fraction(self.failed, self.finished) > Fraction(str(limits.share))
        self.paused |= self.streak >= limits.streak

    @property
    def tripped(self) -> bool:
        """Whether any limit was passed."""
        return self.fatal or self.paused

    @property
    def allowance(self) -> int:
        """The fewest failures that pass a limit, after any number of successes; at least 1."""
        return max(1, min(self.failures_after(successes) for successes in range(self.limits.after + 1)))

    def failures_after(self, successes: int) -> int:
        """Failures one by one, until one passes a limit."""
        future, more = self.copy(), 0
        for _ in range(successes):
            future.happened("succeeded")
        while not future.tripped:
            future.happened("failed")
            more += 1
        return more


def both(limits: FailureLimits, happenings: list[tuple[str, int]]) -> tuple[FailureCount, Simulation]:
    """The count and the simulation after the same has happened to them."""
    count, simulation = FailureCount(limits), Simulation(limits)
    for kind, times in happenings:
        if kind == "failed":
            count.failed("ValueError", "bad")
        else:
            getattr(count, kind)(times)
        for _ in range(times):
            simulation.happened(kind)
    return count, simulation


@given(LIMITS, HAPPENINGS)
def test_a_limit_trips_exactly_when_it_is_passed(limits: FailureLimits, happenings: list[tuple[str, int]]) -> None:
    """Whatever happens, also many items at once, the count trips when and as the rules say, and stays so."""
    count, simulation = both(limits, happenings)
    trip = count.tripped()
    assert (trip is not None) == simulation.tripped
    assert trip is None or trip.fatal == simulation.fatal


@given(LIMITS, HAPPENINGS)
def test_the_allowance_is_the_number_of_failures_left(limits: FailureLimits, happenings: list[tuple[str, int]]) -> None:
    """So many failures may pass a limit, and no fewer, whatever succeeds between them."""
    count, simulation = both(limits, happenings)
    assert count.allowance == simulation.allowance


@given(LIMITS, HAPPENINGS, st.lists(st.sampled_from(["failed", "failed", "succeeded", "skipped"]), max_size=200))
def test_the_allowance_can_be_given_away(
    limits: FailureLimits, happenings: list[tuple[str, int]], ends: list[str]
) -> None:
    """Whatever happens later, it shrinks by failures only, by one each; so what was given away stays covered."""
    count, simulation = both(limits, happenings)
    if simulation.tripped:
        return
    for kind in ends:
        before = count.allowance
        count.failed("ValueError", "bad") if kind == "failed" else getattr(count, kind)()
        if count.tripped() is not None:
            assert kind == "failed" or before == 1
            return
        assert count.allowance >= before - (kind == "failed")


@given(LIMITS, HAPPENINGS, st.integers(0, 60))
def test_a_new_life_goes_on_with_the_numbers(
    limits: FailureLimits, happenings: list[tuple[str, int]], cut: int
) -> None:
    """The numbers so far are all that the limits of the whole run need; only the streak begins again."""
    limits = FailureLimits(most=limits.most, share=limits.share, after=limits.after, streak=2 * UNLIMITED)
    whole, _ = both(limits, happenings)
    _, before = both(limits, happenings[:cut])
    if before.fatal:
        return
    later = FailureCount(limits, finished=before.finished, failed=before.failed)
    for kind, times in happenings[cut:]:
        if kind == "failed":
            later.failed("ValueError", "bad")
        else:
            getattr(later, kind)(times)
    assert (later.tripped() is None, later.allowance) == (whole.tripped() is None, whole.allowance)


@given(LIMITS, st.lists(st.tuples(st.text(max_size=80), st.text(max_size=400)), max_size=80))
def test_the_reason_is_one_short_line(limits: FailureLimits, errors: list[tuple[str, str]]) -> None:
    """However many kinds of error there are and whatever they say, the reason stays a printable line."""
    count = FailureCount(limits)
    for kind, message in errors:
        count.failed(kind, message)
    trip = count.tripped()
    if trip is not None:
        assert trip.reason.isprintable()
        assert len(trip.reason) < 3500
