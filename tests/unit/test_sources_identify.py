from __future__ import annotations

import pytest

from spoold.core.identity import content_id
from spoold.sources.base import Batch, Fault
from spoold.sources.identify import identifier
from spoold.sources.items import ItemsSource
from spoold.sources.jsonl import JsonlSource
from spoold.sources.range import RangeSource

JSONL = JsonlSource("unread")


def give(raw: bytes, mode: str | None = None) -> str | Fault:
    """The id of a record that stands between two good ones."""
    batch = Batch(0, [b'{"id":"first"}', raw, b'{"id":"last"}'], line=1)
    first, middle, last = identifier(mode, JSONL).identify(batch)
    assert type(first) is type(last) is str
    return middle


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"id": 1', "bad JSON: Input data was truncated"),
        (b'{"id": 1} {"id": 2}', "bad JSON: JSON is malformed: trailing characters (byte 11)"),
        (b'{"id": 1, "x": "\xff"}', "not UTF-8: byte 16 of the record is 0xff"),
        (b'{"id": 1, "x": NaN}', "bad JSON: JSON is malformed: invalid character (byte 15)"),
        (b'{"id": 1, "x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "bad JSON: nested too deeply"),
    ],
)
@pytest.mark.parametrize("mode", [None, "position", "content"])
def test_bad_json_is_a_fault_that_says_where(raw: bytes, reason: str, mode: str | None) -> None:
    """A record that is not one JSON value in UTF-8 is a fault, whatever ids are made of."""
    assert give(raw, mode) == Fault(reason)


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b"{}", "no field 'id'"),
        (b'{"ID": 1}', "no field 'id'"),
        (b"[1]", "Expected `object`, got `array`"),
        (b"7", "Expected `object`, got `int`"),
        (b'{"id": null}', "not null"),
        (b'{"id": true}', "not true or false"),
        (b'{"id": 1.0}', "not a fraction"),
        (b'{"id": ["a"]}', "not a list"),
        (b'{"id": ""}', "the id is empty"),
    ],
)
def test_a_record_without_a_usable_id_is_a_fault(raw: bytes, part: str) -> None:
    """A missing field, another type, empty text: a fault by field, an item by position."""
    fault = give(raw)
    assert isinstance(fault, Fault)
    assert part in fault.reason
    assert give(raw, "position") == "1"


@pytest.mark.parametrize("name", ["key", "doc-id", "é", 'a"b', "a\\b", "a\nb", "type"])
def test_any_field_name_can_be_the_id(name: str) -> None:
    """Fields are found also if their name needs escapes in JSON."""
    raws = ItemsSource([{name: "x"}, {name: 5}, {"other": 1}])
    ids = [id_ for batch in raws.batches() for id_ in identifier(name, raws).identify(batch)]
    assert ids[:2] == ["x", "5"]
    assert isinstance(ids[2], Fault)


def test_halves_of_a_character_in_two_records_do_not_make_one() -> None:
    """UTF-8 is checked record by record."""
    batch = Batch(0, [b'{"id":1}\xc3', b'\xa9{"id":2}'], line=1)
    assert all(isinstance(id_, Fault) for id_ in identifier("position", JSONL).identify(batch))


def test_a_value_over_two_lines_does_not_shift_the_ids() -> None:
    """Two damaged lines that together hold as many values as lines are two faults."""
    batch = Batch(0, [b'{"id":', b'1} {"id":2}', b'{"id":3}'], line=1)
    first, second, third = identifier(None, JSONL).identify(batch)
    assert isinstance(first, Fault)
    assert isinstance(second, Fault)
    assert third == "3"


def test_a_fault_of_the_source_stays_one() -> None:
    """What the source found wrong is told also when the bytes look like an item."""
    batch = Batch(0, [b'{"id":1}', b'{"id":2}'], line=1, faults={1: "too long"})
    for mode in (None, "content", "position"):
        assert identifier(mode, JSONL).identify(batch)[1] == Fault("too long")
        assert isinstance(identifier(mode, JSONL).identify(batch)[0], str)


def test_content_ids_do_not_depend_on_how_the_json_is_written() -> None:
    """Spaces, key order and escapes leave the content id as it is."""
    assert give(b'{"b": 1, "a": "\\u00e9"}', "content") == give('{"a":"é","b":1}'.encode(), "content")
    assert give(b'{"a":1}', "content") == content_id({"a": 1})


def test_only_ids_that_can_repeat_need_a_look_for_duplicates() -> None:
    """Positions and the numbers of a range are unique; fields and contents are not."""
    numbers = RangeSource(0, 5)
    assert identifier(None, numbers).unique
    assert identifier("position", JSONL).unique
    assert not identifier("n", numbers).unique
    assert not identifier("content", numbers).unique
    assert not identifier(None, JSONL).unique
