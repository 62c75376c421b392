"""YAML without its traps."""

from __future__ import annotations

import resource
import time
from typing import Any

import pytest

from spoold.errors import ManifestError
from spoold.supervisor.strict_yaml import load


def refused(data: bytes | str, name: str = "x.yaml") -> ManifestError:
    """The error that these bytes are refused with."""
    with pytest.raises(ManifestError) as caught:
        load(data.encode() if isinstance(data, str) else data, name=name)
    return caught.value


def read(text: str, name: str = "x.yaml") -> dict[str, Any]:
    """What a document means."""
    return load(text.encode(), name=name)[0]


def test_plain_values() -> None:
    """Words for truth and null, decimal numbers are what they look like; all else is text."""
    text = "a: true\nb: null\nc: ~\nd:\ne: -5\nf: 1.5\ng: 1.0e+3\nh: 1.2.3\ni: y\nj: a b\nk: [x, {l: m}]\n"
    assert read(text) == {
        "a": True, "b": None, "c": None, "d": None, "e": -5, "f": 1.5, "g": 1000.0, "h": "1.2.3", "i": "y", "j": "a b",
        "k": ["x", {"l": "m"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    "scalar",
    ["no", "off", "Yes", "ON", "0755", "0o755", "0x1F", "0b11", "12:30:45", "12:30", "1_000", "+5", "5.", ".5", "1e3",
     "1.5e3", "2024-01-01", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43", "2001-99-99", ".inf", "-.Inf",
     ".NaN", "1.0e+999", "9" * 5000, "18446744073709551616"],
)  # fmt: skip
def test_what_may_be_meant_otherwise(scalar: str) -> None:
    """What YAML would silently make something else of is refused in its place, and is text when quoted."""
    error = refused(f"a: 1\nb: {scalar}\n")
    assert (error.line, error.column) == (2, 4)
    assert "quote it" in str(error)
    assert read(f"b: '{scalar}'") == {"b": scalar}
    assert read(f"b: |\n  {scalar}\n") == {"b": f"{scalar}\n"}


def test_a_key_that_is_a_doubtful_word() -> None:
    """`on` is a key of the manifest, so it is text there; as a value, or written otherwise, it stays doubtful."""
    assert read("on: [a]\nb: {on: 1}\n") == {"on": ["a"], "b": {"on": 1}}
    assert "quote it" in str(refused("On: x"))
    assert "first at 1:1" in str(refused("on: x\n'on': y\n"))


@pytest.mark.parametrize(
    ("data", "line", "column", "word"),
    [
        ("a: &x 1", 1, 4, "anchor"),
        ("a: 1\nb: *x", 2, 4, "alias"),
        ("&a [*a]", 1, 1, "anchor"),
        ("<<: {a: 1}", 1, 1, "merge key"),
        ("a: !!python/object/apply:os.system [id]", 1, 4, "tag"),
        ("a: !!set {x, y}", 1, 4, "tag"),
        ("a: !!binary aGk=", 1, 4, "tag"),
        ("a: !mine x", 1, 4, "tag"),
        ("%TAG ! tag:x,2000:\n---\na: 1", 1, 1, "%TAG"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, 3, "first at 3:3"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("1: x", 1, 1, "key must be text"),
        ("no: x", 1, 1, "quote it"),
        ("? [a]\n: b", 1, 3, "key must be text"),
        ("a: b: c", 1, 5, "not valid YAML"),
        ("a: [1, 2\n", 2, 1, "not valid YAML"),
        ("a:\n\tb: 1", 2, 1, "not valid YAML"),
        ("a: @x", 1, 4, "not valid YAML"),
        ("", 1, 1, "the file is empty"),
        ("# only a comment\n", 1, 1, "the file is empty"),
        ("null", 1, 1, "mapping"),
        ("word", 1, 1, "mapping"),
        ("- a", 1, 1, "mapping"),
    ],
)
def test_refused_in_its_place(data: str, line: int, column: int, word: str) -> None:
    """Each of these is refused with its line, column and what it is."""
    error = refused(data)
    assert (error.line, error.column) == (line, column)
    assert word in str(error)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"a: 1\nb: \xff", (2, 4)),
        ("a: ä\nä\x1b".encode(), (2, 2)),
        (b"a: \x00", (1, 4)),
        ("a: \u202eb".encode(), (1, 4)),
        ("a: \x85b".encode(), (1, 4)),
        (b'a: "\\e[31m"', (1, 4)),
        (b'a: "\\0"', (1, 4)),
        (b'a: "\\u202e"', (1, 4)),
        (b"\xef\xbb\xbfa: 1", (1, 1)),
        ("a: 1".encode("utf-16"), (1, 1)),
        ("a: 1".encode("utf-16-le"), (1, 2)),
    ],
)
def test_bytes_that_are_no_text(data: bytes, place: tuple[int, int]) -> None:
    """Bad UTF-8, a BOM, UTF-16, control and bidi characters, also escaped ones, are refused in their place."""
    error = refused(data)
    assert (error.line, error.column) == place
    assert str(error).isprintable()


@pytest.mark.parametrize(
    "data",
    ["[" * 500_000, "{" * 500_000, "- " * 500_000, "? " * 500_000, '{"a":' * 200_000, "- 1\n" * 250_000,
     "[" + "1," * 400_000, "!" * 900_000, "&a " * 300_000, "''" * 400_000, "a: " * 300_000,
     "\n".join(" " * i + "a:" for i in range(1400)), "&a [&b [&c [*a,*a],*a,*b],*c]",
     "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["x.yaml", "x.json"])
def test_hostile_input_is_refused_quickly(data: str, name: str) -> None:
    """A million nested, repeated or unfinished things cost neither time nor memory nor the process."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    refused(data, name)
    assert time.process_time() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_nesting_is_counted_exactly() -> None:
    """The 32nd level is taken, the 33rd is refused where it begins."""
    assert read("a: " + "[" * 31 + "]" * 31)
    assert refused("a: " + "[" * 32 + "]" * 32).column == 35


def test_json_is_read_as_json() -> None:
    """Tabs, escapes and pairs of surrogates are what JSON says."""
    text = '{\n\t"a":1e5,\t"b": "\\ud83d\\ude00 \\\\ud83d \\/",\n\t"c": [null, true, -0.5]}'
    assert read(text, "x.json") == {"a": 100000.0, "b": "😀 \\ud83d /", "c": [None, True, -0.5]}


@pytest.mark.parametrize(
    ("text", "line"),
    [('{"a": 1,}', 1), ('{"a": 1\n"b": 2}', 2), ('{"a": NaN}', 1), ('{"a": "\\ud83d"}', 1), ("a: 1", 1)],
)
def test_bad_json(text: str, line: int) -> None:
    """What is not JSON is refused under a name that says it is."""
    assert refused(text, "x.json").line == line


def test_duplicate_key_in_json() -> None:
    """JSON's duplicate keys are refused too, with both places."""
    error = refused('{"a": 1,\n\t"a": 2}', "x.json")
    assert (error.line, error.column) == (2, 2)
    assert "1:2" in str(error)


def test_positions() -> None:
    """Every key and value has its place; a path into nothing has that of the nearest node above."""
    _, positions = load(b"a: 1\nb:\n  - x\n  - {c: d}\n", name="x.yaml")
    assert positions.at(("b", 1, "c")) == (4, 9)
    assert positions.key(("b", 1, "c")) == (4, 6)
    assert positions.at(("b", 1, "nothing")) == (4, 5)
    assert positions.at(()) == (1, 1)
    assert positions.at(("b", "tag", 0)) == (3, 5)


def test_empty_where_that_is_allowed() -> None:
    """A configuration may be empty."""
    assert load(b"# nothing\n", name="x.yaml", empty=True)[0] == {}
