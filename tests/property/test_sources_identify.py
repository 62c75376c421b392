from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from spoold.core.identity import IdentityError, content_id, id_text
from spoold.sources.base import Batch, Fault
from spoold.sources.identify import identifier
from spoold.sources.jsonl import JsonlSource

JSONL = JsonlSource("unread")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALAR = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
ITEM = st.dictionaries(TEXT | st.just("id"), VALUE, max_size=4) | st.builds(
    lambda v, more: {**more, "id": v}, SCALAR, st.dictionaries(TEXT, VALUE, max_size=2)
)
RECORD = (ITEM | VALUE).map(lambda item: json.dumps(item, ensure_ascii=False).encode())
DAMAGED = st.tuples(RECORD, st.integers(0, 30), st.binary(max_size=3)).map(
    lambda t: (t[0][: t[1]] + t[2] + t[0][t[1] :]).replace(b"\n", b"")
)


@given(st.lists(RECORD | DAMAGED, max_size=12), st.sampled_from([None, "position", "content"]))
def test_a_batch_gives_what_its_records_give_alone(raws: list[bytes], mode: str | None) -> None:
    """Records do not influence each other: damage in one changes no other's id."""
    give = identifier(mode, JSONL)
    together = give.identify(Batch(5, raws, line=1))
    assert together == [give.identify(Batch(5 + k, [raw], line=1 + k))[0] for k, raw in enumerate(raws)]


@given(ITEM)
def test_an_id_is_the_fields_text(item: dict[str, Any]) -> None:
    """The skimmed field is the one a full reading finds."""
    raw = json.dumps(item).encode()
    (got,) = identifier(None, JSONL).identify(Batch(0, [raw], line=1))
    try:
        assert got == id_text(item["id"])
    except (KeyError, IdentityError):
        assert isinstance(got, Fault)


@given(VALUE)
def test_a_content_id_is_that_of_the_read_item(item: Any) -> None:
    """Encoding an item and reading it back keeps its content id."""
    (got,) = identifier("content", JSONL).identify(Batch(0, [json.dumps(item).encode()], line=1))
    assert got == content_id(item)


@given(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")))
def test_any_bytes_are_an_id_or_a_fault(raw: bytes) -> None:
    """What gets an id is UTF-8 and one JSON value; nothing raises."""
    (got,) = identifier("position", JSONL).identify(Batch(0, [raw], line=1))
    if got == "0":
        json.loads(raw.decode())
    else:
        assert isinstance(got, Fault)
