"""Walks the directories a pattern can match, each once, in a fixed order, and gives the files it does match.

The pattern is run as an automaton down the tree: each directory is entered with the set of pattern parts that its
entries may match, so a path that `**` could match in several ways still comes once, without remembering any path.
"""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spoold.errors import SourceError
from spoold.sources.names import sorted_names

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC: Final = re.compile(r"[*?[]")
_DEEP: Final = "**"
_FILE, _DIR, _LINK = (
    b"0",
    b"1",
    b"2",
)  # in front of a name: files sort before directories; the last is a link to a directory


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A directory that may hold matching files but can't be listed, and why."""

    path: str
    reason: str


class Pattern:
    """A parsed pattern: a fixed directory, and the parts to be matched below it.

    Attributes:
        prefix: the text before the first part with a wildcard; empty or ending in a slash.
    """

    def __init__(self, pattern: str) -> None:
        """Parses `pattern`.

        Raises:
            SourceError: it is empty, ends in a slash, or has `..` after a wildcard.
        """
        parts = pattern.split("/")
        if parts[-1] in {"", ".", ".."}:
            raise SourceError(
                "the pattern names no files", where=f"pattern {pattern!r}", remedy="end it as in dir/*.txt"
            )
        fixed = next((at for at, part in enumerate(parts) if _MAGIC.search(part)), len(parts) - 1)
        self.prefix = "".join(part + "/" for part in parts[:fixed])
        names: list[str] = []
        for part in parts[fixed:]:
            if part == "..":
                raise SourceError(
                    "`..` after a wildcard", where=f"pattern {pattern!r}", remedy="name the directory itself"
                )
            if part in {"", "."} or (part == _DEEP and names[-1:] == [_DEEP]):
                continue
            names.append(part)
        if names[-1] == _DEEP:
            names.append("*")
        self._parts = [None if name == _DEEP else _matcher(name) for name in names]

    def start(self) -> frozenset[int]:
        """The parts that the entries of the fixed directory may match."""
        return self._closed({0})

    def is_match(self, states: frozenset[int], name: str) -> bool:
        """Whether a file of that name, in a directory entered with `states`, matches."""
        last = len(self._parts) - 1
        part = self._parts[last]
        return last in states and part is not None and part.match(name) is not None

    def below(self, states: frozenset[int], name: str, *, link: bool) -> frozenset[int]:
        """The states with which to enter the directory `name`; empty if nothing below it can match."""
        after: set[int] = set()
        for at in states:
            part = self._parts[at]
            if part is None:
                if not link and not name.startswith("."):
                    after.add(at)
            elif at + 1 < len(self._parts) and part.match(name):
                after.add(at + 1)
        return self._closed(after)

    def _closed(self, states: set[int]) -> frozenset[int]:
        """The states and what follows from `**` matching no directory at all."""
        return frozenset(states | {at + 1 for at in states if self._parts[at] is None})


def is_pattern(path: str) -> bool:
    """Whether a path has wildcards."""
    return _MAGIC.search(path) is not None


def _matcher(part: str) -> re.Pattern[str]:
    hidden = "" if part.startswith(".") else r"(?!\.)"
    return re.compile(hidden + fnmatch.translate(part))


def walk(pattern: Pattern, cwd: str) -> Iterator[str | Unlisted]:
    """The paths that match, as the pattern begins them; relative patterns are looked up from `cwd`.

    Raises:
        SourceError: the fixed directory can't be listed.
    """
    start = pattern.start()
    stack = [(pattern.prefix, start, _listing(pattern, start, cwd, pattern.prefix))]
    while stack:
        path, states, entries = stack[-1]
        try:
            entry = next(entries, None)
        except OSError as error:
            stack.pop()
            if not stack:
                raise SourceError(
                    f"cannot be listed: {error.strerror}", where=path or cwd or ".", remedy="mend the pattern or `cwd`"
                ) from None
            if not isinstance(error, (FileNotFoundError, NotADirectoryError)):  # those were removed since
                yield Unlisted(path, f"cannot be listed: {error.strerror}")
            continue
        if entry is None:
            stack.pop()
            continue
        kind, name = entry[:1], _text(entry[1:])
        if kind == _FILE:
            yield path + name
        else:
            inner = pattern.below(states, name, link=kind == _LINK)
            stack.append((f"{path}{name}/", inner, _listing(pattern, inner, cwd, f"{path}{name}/")))


def _listing(pattern: Pattern, states: frozenset[int], cwd: str, path: str) -> Iterator[bytes]:
    """The entries of a directory that match or may hold matches, sorted, each with its kind in front."""
    where = os.path.join(cwd, path) or "."
    with os.scandir(where.encode(errors="surrogateescape")) as entries:
        yield from sorted_names(_wanted(pattern, states, entries))


def _wanted(pattern: Pattern, states: frozenset[int], entries: Iterator[os.DirEntry[bytes]]) -> Iterator[bytes]:
    for entry in entries:
        name = _text(entry.name)
        try:
            if pattern.is_match(states, name) and entry.is_file():
                yield _FILE + entry.name
            elif pattern.below(states, name, link=False) and entry.is_dir():
                link = entry.is_symlink()
                if not link or pattern.below(states, name, link=True):
                    yield (_LINK if link else _DIR) + entry.name
        except OSError:
            continue  # a symbolic link that leads in a circle or out of reach: neither a file nor a directory


def _text(name: bytes) -> str:
    """A name as text, whatever the locale; what is not UTF-8 in it becomes lone surrogates."""
    return name.decode(errors="surrogateescape")
