from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.handlers import fetchers
from tests.handlers.fetchers import shop, stock

from spoold.core.policy import RetryPolicy
from spoold.errors import SourceError
from spoold.sources.identify import identifier
from spoold.sources.pages import PagesSource
from spoold.sources.patience import Patience

if TYPE_CHECKING:
    from spoold.sources.base import Batch


def pages(name: str, **options: Any) -> PagesSource:
    """A source that fetches from one of the tests' callables."""
    return PagesSource.from_options({"type": "pages", "fetch": f"tests.handlers.fetchers:{name}", **options}, "/")


def places(batches: list[Batch]) -> list[tuple[int, int, Any]]:
    """Position, number of records and place of each."""
    return [(batch.n, len(batch.raws), batch.at) for batch in batches]


def test_a_page_that_is_not_full_is_the_last() -> None:
    """Also an empty one, which is asked for when the page before was full."""
    for count, asked in ((250, [0, 100, 200]), (200, [0, 100, 200]), (0, [0])):
        stock(count)
        assert sum(len(batch.raws) for batch in pages("by_offset").batches()) == count
        assert shop.asked == asked


def test_offsets_are_positions_and_places() -> None:
    """A reading that begins at a position fetches from the page that holds it, or from the place that it is told."""
    stock(250)
    assert places(list(pages("by_offset").batches(120))) == [(120, 80, None), (200, 50, {"offset": 200})]
    assert shop.asked == [100, 200]
    stock(250)
    told = list(pages("by_offset").batches(120, {"offset": 120}))
    assert places(told) == [(120, 100, {"offset": 120}), (220, 30, {"offset": 220})]
    assert shop.asked == [120, 220]


def test_a_cursor_is_a_place() -> None:
    """A reading can begin at any page but the first by the cursor that names it."""
    stock(250)
    whole = list(pages("by_cursor", cursor=True).batches())
    assert places(whole) == [(0, 100, None), (100, 100, {"cursor": "100"}), (200, 50, {"cursor": "200"})]
    shop.asked.clear()
    assert list(pages("by_cursor", cursor=True).batches(200, {"cursor": "200"})) == whole[2:]
    assert shop.asked == ["200"]


@pytest.mark.parametrize("at", [{"cursor": "x"}, {"offset": -1}, {"offset": "1"}, {"offset": 1, "x": 2}, 5])
def test_what_is_no_place_is_refused(at: Any) -> None:
    """Nothing is fetched from a place of another kind."""
    with pytest.raises(SourceError, match="is no place to begin at; give its offset"):
        next(pages("by_offset").batches(0, at))


def test_a_large_page_comes_in_batches_of_which_the_first_has_the_place() -> None:
    """What is to be read from a place is a page."""
    stock(3000)
    found = places(list(pages("by_offset", page_size=2000).batches()))
    assert [n for n, _, at in found if at] == [0, 2000]
    assert len(found) > 2


def test_a_class_is_made_once_and_stays_in_one_event_loop() -> None:
    """So that a client's connections can be used for all pages."""
    stock(250)
    before = fetchers.Client.made
    assert sum(len(batch.raws) for batch in pages("Client", cursor=True).batches()) == 250
    assert fetchers.Client.made == before + 1


def test_only_what_is_no_object_is_a_fault() -> None:
    """Scalars are objects of one value; lists and what JSON has no form for cost themselves."""
    (batch,) = pages("mixed").batches()
    assert [json.loads(raw) for i, raw in enumerate(batch.raws) if i not in batch.faults] == [
        {"id": 1},
        {"value": "text"},
        {"value": 7},
        {"value": None},
        {"id": 2},
    ]
    assert sorted(batch.faults) == [4, 5, 6, 7]
    assert "is a list" in batch.faults[4]
    assert "type object" in batch.faults[5]
    assert batch.faults[6] == "not UTF-8"
    assert b"0x" not in batch.raws[5]  # an address would be another at the next reading
    give = identifier(None, pages("mixed"))
    assert [str(one) for one in give.identify(batch) if isinstance(one, str)] == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "options", "what"),
    [
        ("failing", {}, r"fetchers:failing at offset 200: LookupError: no page at 200; mend it and resume"),
        ("nonsense", {}, r"nonsense at offset 0: returned a dict: {'items': .*, not a list of items"),
        ("aimless", {"cursor": True}, r"aimless: returned a dict: .*, not \(list, next_cursor\)"),
        ("greedy", {}, r"greedy at offset 0: returned 101 items, asked for 100; obey the limit"),
        ("circle", {"cursor": True}, r"circle at cursor 'again': returned its own cursor as the next one"),
        ("nowhere", {}, r"module 'tests.handlers.fetchers' has no 'nowhere'; name it as module:callable"),
        ("no_callable", {}, r"is a int, not a callable"),
        ("shop.missing", {}, r"has no 'shop.missing'"),
    ],
)
def test_what_ends_it_is_told(name: str, options: dict[str, Any], what: str) -> None:
    """The callable, the place and the reason; everything before was given."""
    stock(250)
    found = pages(name, **options).batches()
    with pytest.raises(SourceError, match=what):
        list(found)


def test_a_module_that_is_not_there_is_told_when_it_is_read() -> None:
    """Making the source imports nothing."""
    source = PagesSource("no.such.module:fetch")
    with pytest.raises(SourceError, match=r"no\.such\.module:fetch: can't be imported: ModuleNotFoundError"):
        next(source.batches())


def test_options_are_checked() -> None:
    """Unknown ones, wrong ones, and a page without items."""
    for options in ({"size": 5}, {"page_size": "5"}, {"page_size": 0}):
        with pytest.raises(SourceError):
            pages("by_offset", **options)


def test_a_fetch_is_tried_again_as_the_manifest_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Each failure is told; no item is missing or comes twice."""
    stock(250)
    source = pages("flaky")
    source.patience = Patience(RetryPolicy(attempts=2, backoff=0.001, jitter=0.0))
    assert [batch.n for batch in source.batches()] == [0, 100, 200]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert "flaky at offset 100: ConnectionResetError: no answer for 100; attempt 2 of 2 in 0.001 s" in said[1]


def test_what_the_manifest_does_not_retry_fails_at_once() -> None:
    """Only the errors that it names, by name or by class, are tried again, and so often."""
    for on, attempts, failed in (
        (("KeyError",), 3, "attempt 1 of 3"),
        (("IndexError", "builtins:LookupError"), 2, "attempt 2 of 2"),
    ):
        stock(250)
        source = pages("failing")
        source.patience = Patience(RetryPolicy(attempts=attempts, backoff=0.001, on=on))
        with pytest.raises(SourceError, match=failed):
            list(source.batches())
