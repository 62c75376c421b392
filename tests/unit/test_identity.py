from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from spoold.core.identity import IdentityError, content_id, id_text, mark, marks


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (5, "5"), (-3, "-3"), (0, "0"), ("é\n\0", "é\n\0"), ("5", "5")]
)
def test_text_and_integers_are_ids(value: object, text: str) -> None:
    """Text is its own id and an integer the id of its digits."""
    assert id_text(value) == text


@pytest.mark.parametrize("value", [None, True, False, 1.0, float("nan"), "", [], {}, b"x"])
def test_other_values_are_refused(value: object) -> None:
    """What is neither text nor an integer, or is empty, is no id."""
    with pytest.raises(IdentityError):
        id_text(value)


def test_values_that_cannot_be_written_are_refused() -> None:
    """An integer that Python won't print and text that UTF-8 can't hold are no ids."""
    for value in (10**5000, "\ud800" * 200):
        with pytest.raises(IdentityError):
            id_text(value)


@pytest.mark.parametrize(("long", "short"), [("x" * 513, "x" * 512), ("é" * 257, "é" * 256), (10**512, 10**511)])
def test_an_id_over_512_bytes_becomes_its_digest(long: str | int, short: str | int) -> None:
    """512 bytes of UTF-8 are kept as they are, one more gives the SHA-256."""
    assert id_text(short) == str(short)
    assert id_text(long) == "sha256:" + hashlib.sha256(str(long).encode()).hexdigest()


@pytest.mark.parametrize("item", [{"b": 1, "a": [1.5, None, "é"]}, [], "x", {"b": {"z": 1, "a": 2}}])
def test_content_is_the_digest_of_sorted_json(item: Any) -> None:
    """A content id is what the standard library's json gives, key order apart."""
    assert content_id(item) == hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize(
    "ids",
    [
        ["5", "17", "0"],
        ["5", "a"],
        ["5", "9999999999", "-3"],
        ["²", "5", "٣"],
        ["doc-1", "doc-2"],
        ["é", "007", "7", "\ud800"],
        ["doc-00000123", "doc-00000124", "doc-10000000"],
        ["doc-999999", "doc-1000000", "doc-1000001"],
        ["doc-000001", "doc-000002x"],
        ["a\ndoc-000001", "doc-000001"],
        ["doc-000001", "x\ndoc-000002"],
        ["1234567890123", "1234567890124"],
        ["9f3a-123456", "9f3b-123457", "12345"],
        ["²-123456", "²-123457", "\ud800000001"],
        ["user-000001", "user-٣٣٣٣٣٣"],
        [],
    ],
)
def test_an_id_has_the_same_mark_alone_and_among_others(ids: list[str]) -> None:
    """A mark depends on nothing but the id, and fits 32 bits."""
    assert marks(ids) == [mark(item_id) for item_id in ids]
    assert all(0 <= found < 2**32 for found in marks(ids))


def test_marks_of_numbered_names_follow_each_other() -> None:
    """Names that differ in a number of one length have marks without gaps, and other names are elsewhere."""
    first = mark("doc-00000000")
    assert [mark(f"doc-{n:08d}") - first for n in (1, 2, 1000)] == [1, 2, 1000]
    assert len({mark("doc-000000"), mark("doc-0000000"), mark("doe-000000"), mark("doc-00000x"), mark("0")}) == 5
