"""The figures of a job that goes on, as texts."""

from __future__ import annotations

import pytest
from tests.rows import job, unknown

from spoold.cli.live import figures as f


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (9999, "9999"),
        (10_000, "10.0k"),
        (99_960, "100k"),
        (999_600, "1.00M"),
        (1e7, "10.0M"),
        (2.5e12, "2500G"),
    ],
)
def test_a_count_has_at_most_five_characters(count: float, text: str) -> None:
    """Large ones are rounded, with a unit."""
    assert f.number(count) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, ""),
        (0.0, ""),
        (12345.0, "12.3k/s"),
        (250.0, "250/s"),
        (2.0, "2.0/s"),
        (0.05, "3.0/min"),
        (0.001, "3.6/h"),
    ],
)
def test_slow_rates_are_told_by_the_minute_or_hour(rate: float | None, text: str) -> None:
    """So that an item in ten minutes is no 0.0/s."""
    assert f.pace(rate) == text


def test_an_estimate_is_marked() -> None:
    """The total and the time left have a tilde until the source was read to its end."""
    assert f.done_of(unknown()) == "700/~1,234,567"
    assert f.left(unknown()) == "~2m30s"
    assert (f.done_of(job()), f.left(job())) == ("700/1,000", "2m30s")
    assert f.done_of(job(total=None)) == "700/?"
    assert f.done_of(job(total=None, ok=0, failed=0)) == ""


def test_the_bar_is_full_only_at_the_end() -> None:
    """999 of 1,000 are no 100%."""
    assert f.percent(job(ok=989)) == "99%"
    assert f.bar(f.share(job(ok=989)), 10) != "█" * 10
    assert f.bar(f.share(job(ok=990)), 10) == "█" * 10
    assert f.bar(f.share(job(total=0, ok=0, failed=0)), 4) == "████"
    assert f.bar(None, 4) == "····"
    assert all(len(f.bar(part / 97, 13)) == 13 for part in range(98))


def test_the_columns_of_rates() -> None:
    """The highest is full; nothing but zeros is flat."""
    assert f.spark([1, 2, 8], 3) == "▁▂█"
    assert f.spark([0, 0], 5) == "▁▁"
    assert f.spark([], 5) == ""


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_a_line_fits_whatever_the_width(width: int) -> None:
    """What is left out first is the least important."""
    text = f.one_line(job("a" * 64, retrying=5), width, 20)
    assert len(text) <= width
    assert "70%" in text
    assert ("5 wait to be retried" in text) == (width > 100)


def test_a_line_of_a_log_says_all() -> None:
    """Also why a job is as it is, escaped."""
    assert f.told(job()) == "a running: 700/1,000, 70%, 2.0/s, 2m30s left, 10 failed"
    assert f.told(job(state="paused", rate=None, eta_s=None, error="\x1b[31mno room")).endswith("\\x1b[31mno room")
