"""Where the nodes of a document stand, so that every mistake found later can be shown in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True)
class Place:
    """Where a node stands, and its children; line and column count from 1."""

    line: int
    column: int
    children: dict[str, Place] | list[Place] | None = None
    keys: dict[str, tuple[int, int]] | None = None


@dataclass(slots=True)
class Positions:
    """The places of a document's nodes."""

    root: Place

    def at(self, path: Path) -> tuple[int, int]:
        """Line and column of the value at `path`, or of the nearest node above it that exists."""
        place = self._walk(path)
        return place.line, place.column

    def key(self, path: Path) -> tuple[int, int]:
        """Line and column of the key that ends `path`; where there is none, as `at`."""
        place = self._walk(path[:-1])
        if path and place.keys and (found := place.keys.get(str(path[-1]))):
            return found
        return self.at(path)

    def _walk(self, path: Path) -> Place:
        place = self.root
        for step in path:
            children = place.children
            if isinstance(children, dict) and step in children:
                place = children[str(step)]
            elif isinstance(children, list) and isinstance(step, int) and 0 <= step < len(children):
                place = children[step]
            # A step that is no node (the tag of a union, a model's own name) leads nowhere: stay.
        return place
