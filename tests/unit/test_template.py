"""The arguments of a command, and what items put into them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from spoold.core.template import ArgumentError, parse


def filled(argument: str, item: Any) -> str:
    """The argument for an item whose identity is a-1."""
    return parse(argument).fill(
        item, {"id": "a-1", "key": "0f" * 16, "attempt": 2, "job": "j@1", "worker": 0}.__getitem__
    )


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{name}", "a b"),
        ("out/{name}-{n}.png", "out/a b-7.png"),
        ("{{name}}", "{name}"),
        ("{{{name}}}", "{a b}"),
        ("{}}}".replace("{}", "{n}"), "7}"),
        ("{with space}{däsh-1}", "12"),
        ("{yes}/{no}/{half}/{big}/{tiny}", "true/false/0.5/123456789012345678901234567890/1e-07"),
        ("{empty}", ""),
        ("{id} {key} {attempt} {job} {worker}", f"a-1 {'0f' * 16} 2 j@1 0"),
    ],
)
def test_filling(argument: str, text: str) -> None:
    """Text goes in as it is, numbers and truth as JSON; what the item does not say of itself is known of it."""
    item = {"name": "a b", "n": 7, "with space": 1, "däsh-1": 2, "yes": True, "no": False, "half": 0.5, "empty": ""}
    assert filled(argument, {**item, "big": 123456789012345678901234567890, "tiny": 1e-7}) == text


def test_an_items_own_fields_come_first() -> None:
    """An item that has a field named as something known of it is taken at its word."""
    assert filled("{id}/{job}", {"id": "b", "job": 5}) == "b/5"


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"nmae": 1}, "the item has no field 'name' for the command's {name}; it has nmae"),
        ({str(i): i for i in range(9)}, "it has 0, 1, 2, 3, 4, 5, 6, 7, …"),
        ({}, "it is empty"),
        ([1], "it is no object"),
        ("text", "it is no object"),
        ({"name": None}, "the field 'name' of the item is null, and an argument is text or a number"),
        ({"name": []}, "is a list"),
        ({"name": {}}, "is an object"),
        ({"name": "a\0b"}, "the field 'name' of the item holds a NUL, which no argument can"),
    ],
)
def test_an_item_that_does_not_fit(item: Any, why: str) -> None:
    """A field that is missing, or that no argument can be made from, is named with what is there instead."""
    with pytest.raises(ArgumentError) as caught:
        filled("-{name}", item)
    assert why in str(caught.value)


def test_a_known_name_needs_no_object() -> None:
    """An item that is no object still has its identity."""
    assert filled("{id}", 5) == "a-1"


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("a{b", "the '{' at character 2 is never closed; a brace itself is written twice"),
        ("a}b", "the '}' at character 2 is never opened"),
        ("{a{b}", "the '{' at character 1 is never closed"),
        ("{}", "'{}' names no field"),
        ("{ }", "'{ }' names no field"),
        ("{a!r}", "'{a!r}' is not understood"),
        ("{a:5}", "'{a:5}' is not understood"),
        ("{a.b}", "'{a.b}' is not understood: in braces stands a field's name, without format or path"),
        ("{a[0]}", "'{a[0]}' is not understood"),
        ("a\0", "an argument can't hold a NUL"),
    ],
)
def test_an_argument_that_makes_no_sense(argument: str, why: str) -> None:
    """Braces that name nothing, and what looks like Python's formats, are refused when the argument is read."""
    with pytest.raises(ValueError, match=re.escape(why)):
        parse(argument)


def test_whether_an_argument_is_always_the_same() -> None:
    """An argument without a field is known before any item is."""
    assert parse("a{{b}}").fixed == "a{b}"
    assert parse("a{b}").fixed is None
