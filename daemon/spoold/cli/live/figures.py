"""The figures of a job that goes on, as short texts.

Everything here is of the present run: items that were done before it began are in how much is done, never in how quick
it is. What is only an estimate has a `~`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spoold.core.text import printable
from spoold.core.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]
_SETTLED: Final = ("ok", "failed", "skipped", "quarantined", "in_doubt", "duplicates", "elsewhere")
_BARS: Final = " ▏▎▍▌▋▊▉█"
_SPARKS: Final = "▁▂▃▄▅▆▇█"
_METER: Final = 20  # columns of the bar in a line of its own
_WIDE: Final = 100  # columns from which there is room for it, and for whole numbers
_UNITS: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def settled(row: Row) -> int:
    """Items that need no more work."""
    return sum(int(row[name]) for name in _SETTLED)


def bad(row: Row) -> int:
    """Items that failed, in whatever way, or are in doubt."""
    return int(row["failed"] + row["quarantined"] + row["in_doubt"])


def total(row: Row) -> int | None:
    """Items that there are, as far as anybody knows."""
    found: int | None = row["total"] if row["total"] is not None else row.get("total_estimate")
    return found


def share(row: Row) -> float | None:
    """How much of the job is settled, from 0 to 1; None: nobody knows."""
    whole = total(row)
    if whole is None:
        return None
    return min(1.0, settled(row) / whole) if whole else 1.0


def percent(row: Row) -> str:
    """The same as a text; 100% only when nothing is left."""
    part = share(row)
    return "" if part is None else f"{int(part * 100)}%"


def number(count: float) -> str:
    """A count in at most five characters: `9999`, `12.3k`, `1.23M`."""
    if count < 10_000:
        return f"{count:.0f}"
    unit, letter = next((unit, letter) for unit, letter in _UNITS if count >= unit)
    scaled = count / unit
    digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
    return f"{scaled:.{digits}f}{letter}" if scaled < 999.5 or letter == "G" else number(unit * 1000)


def done_of(row: Row, *, short: bool = False) -> str:
    """How many are settled, of how many."""
    write = number if short else _whole
    whole = total(row)
    if whole is None and not settled(row):
        return ""  # it has not begun
    about = "~" if row["total"] is None else ""
    return f"{write(settled(row))}/{'?' if whole is None else about + write(whole)}"


def _whole(count: float) -> str:
    return f"{count:,.0f}"


def pace(rate: float | None) -> str:
    """Items a second; of slow ones a minute or an hour."""
    if not rate:
        return ""
    for times, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if rate * times >= 1 or unit == "h":
            break
    many = rate * times
    return f"{many:.1f}/{unit}" if many < 99.95 else f"{number(many)}/{unit}"


def left(row: Row) -> str:
    """How long it still takes; `~` where the number of items is an estimate."""
    if row["eta_s"] is None:
        return ""
    return ("" if row["total"] is not None else "~") + duration(row["eta_s"])


def duration(seconds: float) -> str:
    """A duration without digits that change too quickly to be read: `4s`, `1m30s`, `2h5m`."""
    return format_duration(round(seconds)) if seconds >= 1 else "0s"


def bar(part: float | None, width: int) -> str:
    """A bar that is filled so far; dots where that is not known."""
    if part is None:
        return "·" * width
    eighths = int(part * width * 8)
    full, rest = divmod(eighths, 8)
    text = "█" * full + (_BARS[rest] if rest else "")
    return text + "░" * (width - len(text))


def spark(values: Sequence[float], width: int) -> str:
    """The last values as little columns, the highest of them full."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    return "".join(_SPARKS[min(7, int(value / top * 7.999))] if top > 0 else _SPARKS[0] for value in shown)


def size(count: int) -> str:
    """Bytes in at most five characters: `512M`."""
    for unit, letter in ((1 << 30, "G"), (1 << 20, "M")):
        if count >= unit:
            scaled = count / unit
            return f"{scaled:.1f}{letter}" if scaled < 9.95 and letter == "G" else f"{scaled:.0f}{letter}"
    return f"{count >> 10}k"


def middle(text: str, width: int) -> str:
    """The text, cut in its middle where it is longer: run keys stand at the end of names."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 3
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def told(row: Row) -> str:
    """A job in a line of any length: name, state, how far, and why it is as it is."""
    parts = [done_of(row), percent(row), *_rest(row), printable(row["error"], 1000) if row["error"] else ""]
    return f"{row['job']} {row['state']}: {', '.join(part for part in parts if part)}"


def _rest(row: Row) -> list[str]:
    """What there is to say beside how much is done, the most important first."""
    parts = [pace(row["rate"]), f"{remaining} left" if (remaining := left(row)) else ""]
    parts.append(f"{bad(row):,} failed" if bad(row) else "")
    parts.append(f"{row['retrying']:,} wait to be retried" if row["retrying"] else "")
    return [part for part in parts if part]


def one_line(row: Row, width: int, name: int) -> str:
    """A job's progress in a line: what does not fit is left out, the least important first.

    Args:
        row: the job's.
        width: columns in all.
        name: columns of its name.
    """
    running = row["state"] == "running"
    wide = width >= _WIDE
    meter = (_METER if wide else _METER // 2) if running and width >= name + 50 else 0
    begun = f"{middle(row['job'], name):<{name}}  " + (f"{bar(share(row), meter)}  " if meter else "")
    said = ["" if running else row["state"], percent(row), done_of(row, short=not wide), *_rest(row)]
    parts = [part for part in said if part]
    while len(parts) > 1 and len(begun) + len("  ".join(parts)) > width:
        parts.pop()
    return (begun + "  ".join(parts))[:width]
