"""A manual page in the language of man(7)."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Final, Self

_SPECIAL: Final = {"\\": "\\(rs", "-": "\\-", "'": "\\(aq", "^": "\\(ha", "~": "\\(ti", "`": "\\(ga"}


def escaped(text: str) -> str:
    """Text that is shown as it is, wherever in a line it stands."""
    shown = "".join(_SPECIAL.get(char, char) for char in text)
    return f"\\&{shown}" if shown.startswith(".") else shown


class Roff:
    """A page that is written from its top to its end.

    Args:
        name: of what it is about.
        section: of the manual.
        what: that is, in a line.
    """

    def __init__(self, name: str, section: int, what: str) -> None:
        self._lines = [f'.TH "{escaped(name)}" {section} "" "spoold" "spoold manual"', ".nh"]
        self.section("NAME")
        self._lines.append(f"{escaped(name)} \\- {escaped(what)}")

    def text(self) -> str:
        """The whole page."""
        return "\n".join(self._lines) + "\n"

    def section(self, title: str) -> Self:
        """Begin a section."""
        self._lines.append(f'.SH "{escaped(title)}"')
        return self

    def subsection(self, title: str) -> Self:
        """Begin a part of a section."""
        self._lines.append(f'.SS "{escaped(title)}"')
        return self

    def command(self, text: str) -> Self:
        """A command as it is typed."""
        self._lines.append(f".B {escaped(text)}")
        return self

    def help(self, text: str) -> Self:
        r"""Paragraphs as click takes them: what begins with a line `\b` keeps its lines."""
        for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
            if paragraph.startswith("\b\n"):
                self._verbatim(paragraph.split("\n")[1:])
            else:
                self._lines += [".PP", self._marked(paragraph)]
        return self

    def item(self, name: str, text: str, *, kind: str = "", depth: int = 0) -> Self:
        """A name, and what it is; `depth` items it belongs to."""
        of = f" \\fI{escaped(kind)}\\fP" if kind else ""
        head = [".RS 4"] * depth + [".TP", f"\\fB{escaped(name)}\\fP{of}"]
        self._lines += [*head, self._marked(text) or "\\&", *[".RE"] * depth]
        return self

    def _verbatim(self, lines: list[str]) -> None:
        title = [".PP", escaped(lines.pop(0))] if lines[0].endswith(":") else []
        self._lines += [
            *title,
            ".PP",
            ".RS 4",
            ".nf",
            *map(escaped, textwrap.dedent("\n".join(lines)).split("\n")),
            ".fi",
            ".RE",
        ]

    def _marked(self, text: str) -> str:
        """Running text, in which `this` is bold."""
        parts = re.split(r"`([^`]+)`", " ".join(text.split()))
        return "".join(f"\\fB{escaped(part)}\\fP" if i % 2 else escaped(part) for i, part in enumerate(parts))
