"""The arguments of a `command`: text in which {field} stands for a field of the item.

    "out/{id}.png"      a field of the item, or its identity where it has no such field
    "{{literally}}"     a brace is written twice

A name is everything between the braces. Nothing of Python's format language is understood: what looks like it is
refused, so that nobody waits for what never happens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

KNOWN: Final = ("id", "key", "attempt", "job", "worker")
"""What an item without such a field is still asked for."""
_PIECE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_FORMAT: Final = re.compile(r"[!:.\[]")
_SHOWN: Final = 8


class ArgumentError(ValueError):
    """An item does not have what an argument is made of."""


@dataclass(frozen=True, slots=True)
class Template:
    """An argument, parsed.

    Attributes:
        texts: what stands before, between and after the fields; one more than fields.
        fields: their names.
    """

    texts: tuple[str, ...]
    fields: tuple[str, ...]

    @property
    def fixed(self) -> str | None:
        """The argument, if it is the same for every item."""
        return None if self.fields else self.texts[0]

    def fill(self, item: object, known: Callable[[str], object]) -> str:
        """The argument for an item.

        Args:
            item: a JSON value.
            known: gives what one of `KNOWN` is, for an item that has no such field.

        Raises:
            ArgumentError: the item has no such field, or what it has is no text, number, true or false.
        """
        filled = [self.texts[0]]
        for name, text in zip(self.fields, self.texts[1:], strict=True):
            filled += [_text(name, _value(item, name, known)), text]
        return "".join(filled)


def parse(argument: str) -> Template:
    """Read an argument.

    Raises:
        ValueError: its braces make no sense, or it has a NUL.
    """
    if "\0" in argument:
        raise ValueError("an argument can't hold a NUL")
    texts, fields = [""], []
    end = 0
    for piece in _PIECE.finditer(argument):
        texts[-1] += argument[end : piece.start()]
        end = piece.end()
        if piece[0] in ("{{", "}}"):
            texts[-1] += piece[0][0]
        elif piece[1] is None:
            other = "closed" if piece[0] == "{" else "opened"
            raise ValueError(f"the '{piece[0]}' at character {end} is never {other}; a brace itself is written twice")
        else:
            fields.append(_name(piece[1]))
            texts.append("")
    texts[-1] += argument[end:]
    return Template(tuple(texts), tuple(fields))


def _name(name: str) -> str:
    if not name.strip():
        raise ValueError(f"'{{{name}}}' names no field; a brace itself is written twice")
    if _FORMAT.search(name):
        raise ValueError(f"'{{{name}}}' is not understood: in braces stands a field's name, without format or path")
    return name


def _value(item: object, name: str, known: Callable[[str], object]) -> object:
    if isinstance(item, dict):
        if name in item:
            return item[name]
        fields = [str(field) for field in item]
        more = ", …" if len(fields) > _SHOWN else ""
        has = f"it has {', '.join(fields[:_SHOWN])}{more}" if fields else "it is empty"
    else:
        has = "it is no object"
    if name in KNOWN:
        return known(name)
    raise ArgumentError(f"the item has no field '{name}' for the command's {{{name}}}; {has}")


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        text = value
    elif isinstance(value, (bool, int, float)):
        text = json.dumps(value)
    else:
        kind = "null" if value is None else "an object" if isinstance(value, dict) else "a list"
        raise ArgumentError(f"the field '{name}' of the item is {kind}, and an argument is text or a number")
    if "\0" in text:
        raise ArgumentError(f"the field '{name}' of the item holds a NUL, which no argument can")
    return text
