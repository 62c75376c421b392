"""What a handler returned or raised, as the parts of its record."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoold.worker.outcome import (
    DEPTH_CAP,
    ITEM_CAP,
    MESSAGE_CAP,
    TRACEBACK_CAP,
    ResultError,
    capped_item,
    encode_error,
    encode_result,
    is_starved,
    plain_error,
    type_and_message,
)

LIMIT = 1000
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    # a lone surrogate is no text
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab\n"', max_size=3), inner, max_size=3),
    max_leaves=8,
)


@dataclass
class Point:
    """What an encoder may know, and JSON does not."""

    x: int
    y: int


class Colour(IntEnum):
    """An enum whose members are numbers."""

    RED = 1


def nested(depth: int) -> list[Any]:
    """A list in a list in a list, and so on."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class Awkward(Exception):  # noqa: N818 - its name is part of the test
    """An exception that can't be shown."""

    def __str__(self) -> str:
        raise SystemExit(3)


def raised(error: BaseException) -> dict[str, Any]:
    """What is recorded of an error that was raised in a handler."""

    def handler() -> None:
        raise error

    try:
        handler()
    except BaseException as caught:  # noqa: BLE001 - the worker catches all of them too
        found: dict[str, Any] = json.loads(encode_error(caught))
        return found
    raise AssertionError


@given(JSON)
def test_any_json_value_is_recorded_as_it_is(value: Any) -> None:
    """On one line, compactly, and reading it gives the value; None is no result."""
    text = encode_result(value, 1 << 20)
    if value is None:
        assert text is None
    else:
        assert text is not None
        assert b"\n" not in text
        assert json.loads(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("é\n", '"é\\n"'),
        ((1, 2), "[1,2]"),
        ({1: "a"}, '{"1":"a"}'),
        (Colour.RED, "1"),
        (False, "false"),
    ],
)
def test_what_json_makes_of_it(value: object, text: str) -> None:
    """Tuples, number keys and enums are recorded as Python's json has them."""
    assert encode_result(value, LIMIT) == text.encode()


@pytest.mark.parametrize(
    "value",
    [
        object(),
        b"bytes",
        {1, 2},
        float("nan"),
        float("inf"),
        "\ud800",
        [10**5000],
        {"x": lambda: 1},
        {(1,): 2},
        [{"x": float("nan")}],
        [b"bytes"],
        {"x": {1}},
        datetime(2026, 1, 1, tzinfo=UTC),
        [Decimal("1.5")],
        UUID(int=1),
        Point(1, 2),
    ],
)
def test_what_is_not_json_is_refused(value: object) -> None:
    """The message names what the handler returned."""
    with pytest.raises(ResultError, match=f"the handler returned a {type(value).__name__} that is not JSON"):
        encode_result(value, LIMIT)


def test_what_contains_itself_is_refused() -> None:
    """Neither an endless nor a bottomless result takes the worker down."""
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ResultError):
        encode_result(loop, LIMIT)
    with pytest.raises(ResultError):
        encode_result(nested(100_000), 1 << 30)


def test_a_result_is_whole_or_refused() -> None:
    """The limit counts the bytes of its text; nothing is cut."""
    assert encode_result("x" * (LIMIT - 2), LIMIT) == b'"' + b"x" * (LIMIT - 2) + b'"'
    with pytest.raises(ResultError, match=rf"has {LIMIT + 1} bytes, the limit is {LIMIT} \(limits.result\)"):
        encode_result("x" * (LIMIT - 1), LIMIT)
    with pytest.raises(ResultError):
        encode_result("é" * (LIMIT // 2), LIMIT)


def test_an_error_has_type_message_and_traceback() -> None:
    """The traceback begins in the handler, not in spoold."""
    found = raised(ValueError("no such page"))
    assert (found["type"], found["message"]) == ("ValueError", "no such page")
    assert found["traceback"].splitlines()[1].endswith("in handler")


def test_a_result_error_is_of_its_own_kind() -> None:
    """An error that the handler did not raise has a type by which it is grouped."""
    assert json.loads(encode_error(ResultError("too large"), kind="result"))["type"] == "result"
    assert json.loads(plain_error("memory", "512 MiB")) == {"type": "memory", "message": "512 MiB"}


def test_causes_are_shown() -> None:
    """An exception raised from another shows both."""
    error = RuntimeError("outer")
    error.__cause__ = KeyError("inner")
    assert "KeyError: 'inner'" in raised(error)["traceback"]


@pytest.mark.parametrize("error", [Awkward(), SystemExit(3), KeyboardInterrupt(), ValueError("\ud800\x00\x1b[2J")])
def test_every_exception_can_be_recorded(error: BaseException) -> None:
    """One whose str() raises, one that means to end the process, one whose text is no text."""
    assert raised(error)["type"] == type(error).__name__


def test_a_long_error_keeps_its_ends() -> None:
    """Message and traceback are cut in the middle and say so."""
    found = raised(ValueError("begin" + "x" * 1_000_000 + "end"))
    assert found["message"].startswith("begin")
    assert found["message"].endswith("end")
    assert "characters left out" in found["message"]
    assert len(found["message"]) < MESSAGE_CAP + 100
    assert len(found["traceback"]) < TRACEBACK_CAP + 100


def test_a_bottomless_recursion_is_an_ordinary_error() -> None:
    """Its traceback is short."""

    def down() -> None:
        down()

    with pytest.raises(RecursionError) as caught:
        down()
    found = json.loads(encode_error(caught.value))
    assert found["type"] == "RecursionError"
    assert len(found["traceback"]) < TRACEBACK_CAP + 100


@pytest.mark.parametrize("raw", [b'{"id": 1}', b"[]", b'"x"', '{"é": 1e999}'.encode()])
def test_an_item_is_kept_as_it_is(raw: bytes) -> None:
    """A failure's record holds the item byte for byte."""
    assert capped_item(raw) == raw


@pytest.mark.parametrize("raw", [b"", b'{"id": 1', b"nul", b'{"a":"\xff"}', b"\xff\x00", b"[" * 5000])
def test_what_is_no_item_is_kept_as_text(raw: bytes) -> None:
    """A malformed record is shown escaped."""
    assert json.loads(capped_item(raw)) == raw.decode(errors="backslashreplace")


def test_a_large_item_is_shown_by_its_beginning() -> None:
    """And its size, so that nobody takes it for the whole."""
    raw = json.dumps({"text": "x" * ITEM_CAP}).encode()
    found = json.loads(capped_item(raw))
    assert found == {"truncated": True, "bytes": len(raw), "head": raw[:1024].decode()}


@pytest.mark.parametrize("depth", [DEPTH_CAP, DEPTH_CAP + 1, 900, 20_000])
@pytest.mark.parametrize(("left", "right"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"\\"]":', b"}]")])
def test_a_record_never_nests_deep(depth: int, left: bytes, right: bytes) -> None:
    """Whoever reads failures.jsonl does not run into a recursion limit: what is nested deeper becomes text."""
    raw = left * depth + b"1" + right * depth
    levels = depth * len(right)
    found = msgspec.json.decode(capped_item(raw))
    if len(raw) <= ITEM_CAP:
        assert isinstance(found, str) == (levels > DEPTH_CAP)


def test_many_brackets_are_not_depth() -> None:
    """A long list of small objects, and brackets in text, are kept as they are."""
    for raw in (json.dumps([{"a": [1]}] * 2000).encode(), json.dumps(["[" * 5000, "}"]).encode()):
        assert capped_item(raw) == raw


def test_a_raised_recursion_limit_changes_nothing() -> None:
    """A handler may set it as high as it likes."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(50_000)
    try:
        assert isinstance(json.loads(capped_item(b"[" * 3000 + b"]" * 3000)), str)
    finally:
        sys.setrecursionlimit(before)


def test_an_exception_named_as_one_of_ours_is_told_apart() -> None:
    """A handler's class may have any name; the kinds that spoold acts on are its own."""
    resolved = type("Resolved", (Exception,), {"__module__": "mine"})
    assert type_and_message(encode_error(resolved("x"))) == ("mine.Resolved", "x")
    assert type_and_message(encode_error(resolved("x"), kind="memory")) == ("memory", "x")


@pytest.mark.parametrize("value", ["x" * 101, {"text": "x" * 101}, ["x" * 101, 1], ("x" * 101,)])
def test_a_text_that_is_too_long_is_not_encoded(value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """To find out how long it would be exactly takes several times its memory."""
    monkeypatch.setattr("spoold.worker.outcome._strict", lambda value: pytest.fail("encoded"))
    with pytest.raises(ResultError, match="at least 101 bytes, the limit is 100"):
        encode_result(value, 100)


def test_memory_that_runs_out_while_a_result_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is what can't be recorded; that memory ran out is still to be seen."""

    def runs_out(_value: object) -> str:
        raise MemoryError

    for encoder in ("_to_json", "_strict"):
        monkeypatch.setattr(f"spoold.worker.outcome.{encoder}", runs_out)
    with pytest.raises(ResultError, match="memory ran out") as raised:
        encode_result([1], 100)
    assert is_starved(raised.value)


def test_who_ran_out_of_memory() -> None:
    """A MemoryError did, and what was raised over one, however often; nothing else."""
    assert is_starved(MemoryError())
    assert is_starved(_raised_over(_raised_over(MemoryError())))
    assert not is_starved(_raised_over(ValueError()))
    circle = ValueError()
    other = _raised_over(circle)
    circle.__context__ = other
    assert not is_starved(circle)


def _raised_over(error: BaseException) -> BaseException:
    second = ValueError("second")
    second.__context__ = error
    return second
