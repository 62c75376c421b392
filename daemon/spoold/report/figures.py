"""The figures of a report, drawn as SVG by matplotlib: their colours are CSS variables, so that they follow the page.

matplotlib takes long to import and is an extra: it is imported where a figure is drawn.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

from spoold.report.moment import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from spoold.report.axis import Axis
    from spoold.report.series import Bar, Lane, Mark

_COLOURS: Final = {
    "ok": "#00a001",
    "skipped": "#00a002",
    "bad": "#00a003",
    "ink": "#00a004",
    "faint": "#00a005",
    "retry": "#00a006",
}
"""What the SVG has in place of each variable."""
_WIDTH: Final = 9.0  # inches of 72 points
_DECIMALS: Final = re.compile(r"(\d+\.\d)\d+")
_PROLOGUE: Final = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>", re.DOTALL)
_SPACE: Final = re.compile(r"\s+")
_ID: Final = re.compile(r' id="([^"]+)"')
_SIZE: Final = re.compile(r' (?:width|height)="[\d.]+pt"')


def drawable() -> bool:
    """Whether matplotlib is installed."""
    from importlib.util import find_spec  # noqa: PLC0415 - only asked where a page is made

    return find_spec("matplotlib") is not None


def throughput(axis: Axis, rates: dict[str, list[float]], marks: Sequence[Mark]) -> str:
    """Items a second by outcome, on top of each other, over the time of the run.

    Args:
        axis: of the time.
        rates: a value a column for each of ok, skipped and bad.
        marks: moments to be drawn.
    """
    figure, axes = _begin(2.3)
    edges = list(range(axis.columns + 1))
    base = [0.0] * (axis.columns + 1)
    for name, values in rates.items():
        if any(values):
            top = [low + value for low, value in zip(base, [*values, values[-1]], strict=True)]
            axes.fill_between(edges, base, top, step="post", color=_COLOURS[name], linewidth=0)
            base = top
    axes.set_ylim(0, max(base) * 1.1 or 1)
    axes.set_ylabel("items/s")
    _time(axes, axis, marks)
    return _svg(figure, "throughput")


def latency(bars: Sequence[Bar], quantiles: dict[str, float]) -> str:
    """How many attempts took how long, on a logarithmic axis, with lines at the quantiles."""
    figure, axes = _begin(2.0)
    lows = [bar.low for bar in bars]
    axes.bar(lows, [bar.attempts for bar in bars], [bar.high - bar.low for bar in bars], align="edge",
             color=_COLOURS["ok"], linewidth=0)  # fmt: skip
    axes.set_ylim(0, max(bar.attempts for bar in bars) * 1.25)  # room for the names of the lines
    axes.set_xscale("log")
    axes.set_xlim(lows[0], bars[-1].high)
    axes.set_ylabel("attempts")
    axes.xaxis.set_major_formatter(_duration)
    axes.xaxis.set_minor_formatter(lambda _value, _place: "")
    for i, (name, value) in enumerate(quantiles.items()):
        at = max(value, lows[0])  # what took no time that can be measured has no place on a logarithmic axis
        axes.axvline(at, color=_COLOURS["ink"], linewidth=0.8, linestyle=(0, (3, 2)))
        axes.annotate(name, (at, 1 - 0.11 * i), xycoords=("data", "axes fraction"), xytext=(3, -9),
                      textcoords="offset points", fontsize=9, color=_COLOURS["ink"])  # fmt: skip
    return _svg(figure, "latency")


def lanes(axis: Axis, found: Sequence[Lane], marks: Sequence[Mark]) -> str:
    """How busy each worker was over the time of the run, a row each; a death is a red dot."""
    figure, axes = _begin(0.7 + 0.24 * len(found))
    for row, lane in enumerate(found):
        floor = -float(row)
        axes.fill(*_outline(lane, axis.columns, floor), color=_COLOURS["ok"], linewidth=0)
        if lane.deaths:
            axes.plot(lane.deaths, [floor + 0.4] * len(lane.deaths), "o", markersize=4, color=_COLOURS["bad"])
    axes.set_ylim(0.9 - len(found), 1.0)
    axes.set_yticks([0.4 - row for row in range(len(found))], [lane.name for lane in found])
    axes.tick_params(axis="y", length=0)
    _time(axes, axis, marks)
    return _svg(figure, "lanes")


def _outline(lane: Lane, columns: int, floor: float) -> tuple[list[float], list[float]]:
    """The corners of a lane, no more than it has: x and y."""
    xs, ys = [0.0], [floor]
    for i, share in enumerate(lane.shares):
        height = floor + 0.82 * round(share, 2)
        if height != ys[-1]:
            xs += [i * lane.step] * 2
            ys += [ys[-1], height]
    return [*xs, columns, columns], [*ys, ys[-1], floor]


def _begin(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - see above
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - see above

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    ink, faint = _COLOURS["ink"], _COLOURS["faint"]
    axes.tick_params(colors=ink, labelsize=9)
    axes.yaxis.label.set_color(ink)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(faint)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.grid(visible=True, axis="y", color=faint, linewidth=0.4)
    axes.set_axisbelow(True)
    return figure, axes


def _time(axes: Axes, axis: Axis, marks: Sequence[Mark]) -> None:
    """Label the columns with local time, and draw moments and what is left out."""
    axes.set_xlim(0, axis.columns)
    ticks = axis.ticks()
    whole = axis.time(axis.columns) - axis.time(0)
    part = slice(5, 16) if whole > 86400 else slice(11, 19 if whole < 1800 else 16)
    axes.set_xticks(ticks, [moment(axis.time(tick))[part] for tick in ticks])
    for gap in axis.breaks:
        axes.axvline(gap.at, color=_COLOURS["ink"], linewidth=1.2, linestyle=(0, (1, 2)))
    for mark in marks:
        axes.axvline(mark.at, color=_COLOURS["bad" if mark.bad else "ink"], linewidth=0.7)


def _duration(value: float, _place: Any) -> str:
    """A tick of milliseconds."""
    return f"{value:g} ms" if value < 1000 else f"{value / 1000:g} s"


def _svg(figure: Figure, name: str) -> str:
    """The figure as an element of a page: sizes by the page, no ids but those that are referred to."""
    from matplotlib import rc_context  # noqa: PLC0415 - see above

    out = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "path.simplify": True}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = _PROLOGUE.sub("", out.getvalue())
    used = set(re.findall(r"#([\w.-]+)", text))
    text = _ID.sub(lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    for variable, colour in _COLOURS.items():
        text = text.replace(colour, f"var(--{variable})")
    text = _SPACE.sub(" ", _DECIMALS.sub(r"\1", text))
    return _SIZE.sub("", text, count=2).replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
