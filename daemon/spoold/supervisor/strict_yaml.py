"""YAML 1.1 without its traps, read from hostile bytes, with the place of every node.

Promises: time and memory stay in proportion to the (capped) input, whatever the bytes are; nothing is built before its
event has been checked; every refusal is a ManifestError with line and column. Only PyYAML's events are used, never its
composer or constructor, so aliases cannot multiply, tags cannot construct and nesting cannot overflow the C stack.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml

from spoold.core.text import printable
from spoold.errors import ManifestError
from spoold.supervisor.document import decode
from spoold.supervisor.places import Place, Positions
from spoold.supervisor.scalars import CONTROL, KEYS, codepoint, describe, plain

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class _Open:
    """A container whose end has not come."""

    value: dict[str, Any] | list[Any]
    place: Place
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Events in, plain values and places out; refuses what must not be there."""

    name: str
    nesting: int
    stack: list[_Open] = field(default_factory=list)
    root: tuple[Any, Place] | None = None

    def refuse(self, what: str, mark: Any, remedy: str | None = None) -> NoReturn:
        line, column = _spot(mark)
        raise ManifestError(what, name=self.name, line=line, column=column, remedy=remedy)

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent() | yaml.CollectionStartEvent():
                self._node(event)
            case yaml.CollectionEndEvent():
                self.stack.pop()
            case yaml.AliasEvent():
                self.refuse(
                    "an alias (*) can't be used", event.start_mark, "write the value again, or quote it if text"
                )
            case yaml.DocumentStartEvent():
                if self.root is not None:
                    self.refuse("a second document begins here", event.start_mark, "put it into a file of its own")
                if event.tags:
                    self.refuse("a %TAG directive can't be used", event.start_mark, "remove it")
            case _:
                pass

    def _node(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        mark = event.start_mark
        if event.anchor is not None:
            self.refuse(f"an anchor (&{printable(event.anchor, 40)}) can't be used", mark, "remove it")
        if event.tag is not None:
            self.refuse(f"a tag ({printable(event.tag, 60)}) can't be used", mark, "remove it, or quote it if text")
        top = self.stack[-1] if self.stack else None
        if top is not None and top.key is None and isinstance(top.value, dict):
            self._key(event, top)
            return
        place = Place(*_spot(mark))
        if isinstance(event, yaml.ScalarEvent):
            self._attach(top, self._scalar(event), place)
            return
        if len(self.stack) >= self.nesting:
            self.refuse(f"nested deeper than {self.nesting} levels", mark, "make it flatter")
        mapping = isinstance(event, yaml.MappingStartEvent)
        value: dict[str, Any] | list[Any] = {} if mapping else []
        place.children, place.keys = ({}, {}) if mapping else ([], None)
        self._attach(top, value, place)
        self.stack.append(_Open(value, place))

    def _key(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, top: _Open) -> None:
        mark = event.start_mark
        if not isinstance(event, yaml.ScalarEvent):
            self.refuse("a key must be text, found a collection", mark, "quote it if it is text")
        if event.implicit[0] and event.value == "<<":
            self.refuse("a merge key (<<) can't be used", mark, "write the keys out")
        key = event.value if event.value in KEYS else self._scalar(event)
        if not isinstance(key, str):
            self.refuse(f"a key must be text, found {describe(key)}", mark, "put it in quotes")
        assert top.place.keys is not None
        if first := top.place.keys.get(key):
            shown = printable(key, 60)
            self.refuse(f"the key '{shown}' stands here again, first at {first[0]}:{first[1]}", mark, "remove one")
        top.key = key
        top.place.keys[key] = _spot(mark)

    def _attach(self, top: _Open | None, value: Any, place: Place) -> None:
        if top is None:
            self.root = (value, place)
        elif isinstance(top.value, list):
            top.value.append(value)
            assert isinstance(top.place.children, list)
            top.place.children.append(place)
        else:
            assert isinstance(top.place.children, dict)
            assert top.key is not None
            top.value[top.key] = value
            top.place.children[top.key] = place
            top.key = None

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text: str = event.value
        if bad := CONTROL.search(text):
            self.refuse(f"the character {codepoint(bad[0])} can't be used, also not escaped", event.start_mark)
        if not event.implicit[0]:
            return text
        try:
            return plain(text, json=self.name.endswith(".json"))
        except ValueError as error:
            self.refuse(f"'{printable(text, 60)}' {error}", event.start_mark, "quote it if text is meant")


def load(
    data: bytes, *, name: str, nesting: int = 32, events: int = 100_000, empty: bool = False
) -> tuple[dict[str, Any], Positions]:
    """Read one document, a mapping.

    Args:
        data: the file's bytes.
        name: how messages call it; one that ends in `.json` is read as JSON.
        nesting: the deepest level of collections.
        events: the most nodes and ends of collections.
        empty: take an empty document for an empty mapping.

    Returns:
        The mapping and the places of its nodes.

    Raises:
        ManifestError: with line and column of the mistake.
    """
    text = decode(data, name)
    builder = _Builder(name, nesting)
    try:
        for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
            if count > events:
                builder.refuse(f"more than {events} nodes", event.start_mark, "put the items into a file of their own")
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(part) for part in (error.context, error.problem) if part)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = f"not valid YAML: {printable(problem)}"
        raise ManifestError(what, name=name, line=line, column=column, remedy="mend it, or quote the text") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ManifestError(f"not valid YAML: {printable(str(error))}", name=name) from error
    value, place = builder.root or (None, Place(1, 1))
    if value is None and empty:
        return {}, Positions(place)
    if not isinstance(value, dict):
        found = "the file is empty" if builder.root is None else f"found {describe(value)}"
        what = f"a mapping of keys to values is expected, {found}"
        raise ManifestError(what, name=name, line=place.line, column=place.column, remedy="write `key: value` lines")
    return value, Positions(place)


def _spot(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1
