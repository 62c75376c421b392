"""The rates as a picture: bars on a logarithmic scale, on paper of its own, so that it is readable on any page."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

OURS = "spoold"
_PAPER, _INK, _FAINT, _OURS, _THEIRS = "#ffffff", "#24292f", "#d0d7de", "#1f6feb", "#9aa7b4"


def draw(rates: dict[str, float], path: Path) -> None:
    """Write an SVG with a bar for each runner, the fastest at the top.

    Args:
        rates: items per second by name.
        path: where.
    """
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("svg")
    # the same figures make the same file, and a small one: the text stays text
    matplotlib.rcParams.update({"svg.hashsalt": "spoold", "svg.fonttype": "none", "text.color": _INK})
    pyplot: Any = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(8, 0.8 + 0.34 * len(rates)), facecolor=_PAPER, layout="constrained")
    names = sorted(rates, key=rates.__getitem__)
    values = [rates[name] for name in names]
    bars = axes.barh(names, values, color=[_OURS if name == OURS else _THEIRS for name in names], height=0.7)
    axes.bar_label(bars, [f"{value:,.0f}" for value in values], padding=4)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 3, max(values) * 5)
    axes.set_xlabel("no-op items per second (logarithmic)")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="x", color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
