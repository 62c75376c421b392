"""Durations, sizes and rates."""

from __future__ import annotations

import pytest

from spoold.core.units import format_duration, format_size, parse_duration, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("0.5s", 0.5)],
)
def test_duration(text: str, seconds: float) -> None:
    """A duration is a number with its unit, in seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-5s", "5y", "1e3s", "\u0661s", "5s\n", "inf", "9" * 40 + "s", "99999d"]
)
def test_bad_duration(text: str) -> None:
    """Anything else, or more than ten years, is refused with the forms that can be used."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("seconds", [0.001, 0.25, 1, 30, 59, 60, 90, 3600, 5400, 86400, 90000])
def test_duration_is_written_as_it_is_read(seconds: float) -> None:
    """A formatted duration is read as the same number of seconds."""
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MiB", 512 << 20), ("2GiB", 2 << 30), ("2GB", 2 * 10**9), ("1kB", 1000), (5, 5), ("5", 5), ("1.5KiB", 1536)],
)
def test_size(text: str | int, size: int) -> None:
    """MiB is binary, MB decimal, a plain number bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", -1, "1XB", "1MiBs", "1 000", "2000PiB", "1iB", "9" * 50])
def test_bad_size(text: str | int) -> None:
    """Anything else is refused with the forms that can be used."""
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("100/s", 100), ("0.5/s", 0.5), ("30/m", 0.5), ("3600/h", 1), ("1/h", 1 / 3600)]
)
def test_rate(text: str, rate: float) -> None:
    """A rate is a number by the second, minute or hour, in times a second."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "5", "/s", "5/", "5/d", "5 /s", "-5/s", "0/s", "1e3/s", "\u0661/s", "5/s\n", "0.00001/h", "2000000000/s",
     "9" * 40 + "/s"],
)  # fmt: skip
def test_bad_rate(text: str) -> None:
    """Anything else, none at all, or what no machine does, is refused."""
    with pytest.raises(ValueError, match="rate"):
        parse_rate(text)


def test_sizes_are_shown_with_binary_units() -> None:
    """A size is shown in the unit that fits."""
    assert format_size(512 << 20) == "512.0 MiB"
