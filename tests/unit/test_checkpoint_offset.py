"""A file that says where to go on in a source of pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.keeping import Keeping

from spoold.checkpoints.base import Found


class Source:
    """A job over pages of ten items, with the keeper of its offset."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "offset.json"
        self.keeping = Keeping(folder, {"type": "offset", "path": "offset.json"})

    def page(self, number: int, at: dict[str, Any] | None = None, **where: Any) -> None:
        """Note that a page was read, 100 records into the source."""
        self.keeping.journal.job("page", first=10 * number, at=at or {"offset": 100 + 10 * number}, **where)

    def settle(self, *numbers: int, **where: Any) -> dict[str, Any]:
        """Settle the items at these positions; what the file says then."""
        for n in numbers:
            self.keeping.write([f"id-{n}"], ("ok", "failed", "skipped", "in-doubt", "kept")[n % 5], first=n, **where)
        self.keeping.settle()
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def begin(self) -> object:
        """Start a keeper; where it says that the source begins."""
        self.keeping.begin()
        self.keeping.ready()
        return self.keeping.store.start


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    """A job that is not started yet."""
    made = Source(tmp_path)
    yield made
    made.keeping.close()


def test_it_passes_only_pages_that_are_settled(source: Source) -> None:
    """One open item holds it; whatever an item's end was, it is settled; other keys in the file stay."""
    source.path.write_text('{"offset": 100, "by": "me"}')
    assert source.begin() == {"offset": 100}
    for number in range(4):
        source.page(number)
    assert source.settle(*range(9), *range(10, 20))["offset"] == 100
    assert source.settle(25) == {"offset": 100, "by": "me"}
    assert source.settle(9) == {"offset": 120, "by": "me"}
    assert source.settle(*range(20, 40))["offset"] == 130, "the last page may go on"
    assert set(source.keeping.look(["id-1", "x"]).values()) == {Found.OPEN}


def test_at_the_end_it_passes_everything(source: Source) -> None:
    """Also the last page, and items that repeated an id; when the source has grown it goes on."""
    assert source.begin() is None
    source.page(0)
    source.page(1)
    assert source.settle(*range(10), *range(10, 14))["offset"] == 110
    source.keeping.journal.job("planned", gen=1, items=16, duplicates=1)
    assert source.settle() == {"offset": 110}
    assert source.settle(14) == {"offset": 116}
    source.keeping.journal.job("page", first=16, at={"offset": 116})
    assert source.settle(16) == {"offset": 116}
    source.keeping.journal.job("planned", gen=1, items=18, duplicates=1)
    assert source.settle(17) == {"offset": 118}


def test_a_cursor_stays_at_the_last_page(source: Source) -> None:
    """What comes behind it is not known."""
    source.begin()
    for number, cursor in enumerate((None, "abc", {"after": 5})):
        source.page(number, {"cursor": cursor})
    assert source.settle(*range(10)) == {"cursor": "abc"}
    assert source.settle(*range(10, 20)) == {"cursor": {"after": 5}}
    source.keeping.journal.job("planned", gen=1, items=25, duplicates=0)
    assert source.settle(*range(20, 25)) == {"cursor": {"after": 5}}


def test_it_goes_on_after_a_restart(source: Source) -> None:
    """What was known of pages is still known, also when everything is told again, or the file is gone."""
    source.begin()
    source.page(0)
    source.page(1)
    source.settle(*range(5))
    for number, remove in enumerate(("nothing", "checkpoint.json", "offset.json", "nothing")):
        source.keeping.store.close()
        (source.keeping.folder / remove).unlink(missing_ok=True)
        source.begin()
        assert source.settle(5 + number) == {"offset": 100}
    assert source.settle(9) == {"offset": 110}


def test_a_new_generation_has_its_own_positions(source: Source) -> None:
    """Nothing that was settled in the old one counts, and the offset does not go back."""
    source.begin()
    source.page(0)
    source.page(1)
    assert source.settle(*range(10)) == {"offset": 110}
    for number in range(3):
        source.page(number, run=2, gen=2)
    assert source.settle(*range(9), run=2, gen=2) == {"offset": 110}
    assert source.settle(*range(9, 20), run=2, gen=2) == {"offset": 120}


@pytest.mark.parametrize("content", ["", "17", '{"offset": -1}', '{"offset": "5"}', '{"offset": 5'])
def test_a_file_that_says_no_place_is_kept(source: Source, content: str) -> None:
    """And named, with what it should say."""
    source.path.write_text(content)
    source.keeping.begin()
    reason = source.keeping.fails()
    assert str(source.path) in reason
    assert "not overwritten" in reason
    assert source.path.read_text() == content
