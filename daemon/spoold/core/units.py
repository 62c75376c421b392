"""Durations, sizes and rates as people write them: `250ms 30s 5m 2h 1d`, `512MiB 2GB`, `100/s`."""

from __future__ import annotations

import re
from typing import Final

DURATION_PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
SIZE_PATTERN: Final = r"^[0-9]+(\.[0-9]+)? ?([kKMGTP]i?)?B?$"
RATE_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?/[smh]$"
_DURATION: Final = re.compile(DURATION_PATTERN.removesuffix("$") + r"\Z", re.ASCII)
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:([kKMGTP])(i?))?B?\Z", re.ASCII)
_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)/([smh])\Z", re.ASCII)
_PERIODS: Final = {"s": 1, "m": 60, "h": 3600}
_POWERS: Final = " KMGTP"
_LONGEST: Final = 32  # characters; the longest sensible text has half of them
_MAX_DURATION: Final = 10 * 365 * 86400.0
_MAX_SIZE: Final = 1 << 60
_MAX_RATE: Final = 1e9


def parse_duration(text: str) -> float:
    """Seconds of a text such as `250ms`, `30s`, `5m`, `2h`, `1d` or `1h30m`.

    Raises:
        ValueError: not of that form, or over ten years.
    """
    if len(text) > _LONGEST or not _DURATION.match(text):
        raise ValueError("a duration is a number and a unit without a space, such as 250ms, 30s, 5m, 2h or 1d")
    import durationpy  # noqa: PLC0415 - only where texts are read: no runner does

    seconds = float(durationpy.from_str(text).total_seconds())
    if seconds > _MAX_DURATION:
        raise ValueError("a duration can't be over ten years")
    return seconds


def parse_size(text: str | int) -> int:
    """Bytes of a text such as `512MiB` (binary) or `2GB` (decimal), or of a plain number of bytes.

    Raises:
        ValueError: not of that form, negative, or over an exbibyte.
    """
    if isinstance(text, int):
        size = float(text)
    elif len(text) <= _LONGEST and (found := _SIZE.match(text)):
        number, prefix, binary = found.groups()
        size = float(number) * (1024 if binary else 1000) ** _POWERS.index((prefix or " ").upper())
    else:
        raise ValueError("a size is a number of bytes, or a number with its unit such as 512MiB or 2GB")
    if not 0 <= size <= _MAX_SIZE:
        raise ValueError("a size lies between 0 and 1024PiB")
    return int(size)


def parse_rate(text: str) -> float:
    """Times a second, of a text such as `100/s`, `2.5/m` or `1000/h`.

    Raises:
        ValueError: not of that form, less than once in ten years, or over a thousand million a second.
    """
    found = _RATE.match(text) if len(text) <= _LONGEST else None
    if not found:
        raise ValueError("a rate is a number and a unit of time, such as 100/s, 30/m or 1000/h")
    rate = float(found[1]) / _PERIODS[found[2]]
    if not 1 / _MAX_DURATION <= rate <= _MAX_RATE:
        raise ValueError("a rate lies between once in ten years and 1000000000/s")
    return rate


def format_duration(seconds: float) -> str:
    """A duration in at most two units, the way `parse_duration` reads it: `250ms`, `30s`, `1h30m`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.3g}s"
    left = round(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return "".join(parts[:2])


def format_size(size: int) -> str:
    """A number of bytes with a binary unit: `512.0 MiB`."""
    import humanize  # noqa: PLC0415 - only where people are told a size

    return humanize.naturalsize(size, binary=True)
