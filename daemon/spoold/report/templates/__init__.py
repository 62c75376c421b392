"""The pages' templates, and how what is in them is written."""

from __future__ import annotations

import re
import time
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from spoold.core.text import printable
from spoold.core.units import format_duration, format_size
from spoold.report.moment import moment

if TYPE_CHECKING:
    from jinja2 import Environment


_CODE: Final = re.compile(r"`([^`]*)`")


class Figure(str):
    """An SVG that was drawn here: it holds nothing that users wrote, and is not escaped."""

    __slots__ = ()

    def __html__(self) -> str:
        """For the template."""
        return str(self)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only who makes pages needs it

    found = Environment(
        loader=PackageLoader("spoold.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "shown": shown,
        "lines": lines,
        "prose": prose,
        "number": lambda value: "?" if value is None else f"{value:,}",
        "share": lambda value: f"{value:.1%}",
        "ms": ms,
        "rate": lambda value: f"{value:,.0f}" if value >= 10 else f"{value:.2g}",
        "duration": lambda seconds: format_duration(max(0.0, seconds)),
        "size": format_size,
        "moment": moment,
        "clock": lambda t: moment(t)[:19],
    }
    return found


@cache
def _version() -> str:
    return version("spoold")


def render(name: str, **content: Any) -> str:
    """A page of this template."""
    made = {"made": moment(time.time())[:19], "zone": time.strftime("%Z (UTC%z)"), "version": _version()}
    return _environment().get_template(name).render(**made, **content)


def shown(text: object, limit: int = 300) -> str:
    """What users wrote, in one line and without characters that are not to be shown."""
    return printable(str(text), limit)


def prose(text: str) -> Markup:
    """A sentence of ours, in which what stands between backticks is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(shown(text, 600)))))  # noqa: S704 - escaped before


def lines(text: str) -> str:
    """The same of several lines."""
    return "\n".join(shown(line) for line in text.splitlines())


def ms(value: float) -> str:
    """A duration in milliseconds."""
    return f"{value:,.2f} ms" if value < 1000 else format_duration(value / 1000)
