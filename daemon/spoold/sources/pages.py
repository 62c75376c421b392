"""Items that a callable gives page by page, by offset or by cursor.

By offset, an item's position is its offset, and a page that is not full is the last. By cursor, positions count the
items, and the page without a next cursor is the last. The next page is fetched while the present one is worked on,
since whoever reads this has a process of its own for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self

import msgspec

from spoold.errors import SourceError
from spoold.sources.base import Batch, cut, parse_options
from spoold.sources.encode import encode_items
from spoold.sources.foreign import find_callable
from spoold.sources.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE: Final = 100
"""Items asked for at once, unless the manifest says otherwise."""
_SHOWN: Final = 100  # characters of a cursor or of what a fetcher returned


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a pages source."""

    fetch: str
    page_size: int = PAGE
    cursor: bool = False


class _Page(NamedTuple):
    n: int
    items: list[Any] | tuple[Any, ...]
    at: Any


class PagesSource:
    """The items of all pages.

    Attributes:
        patience: how the callable is called.
    """

    natural_ids: ClassVar[bool] = False
    unique: ClassVar[bool] = False
    own_json: ClassVar[bool] = True
    foreign: ClassVar[bool] = True
    placed: ClassVar[bool] = True

    def __init__(self, fetch: str, *, page_size: int = PAGE, cursor: bool = False) -> None:
        """Fetches from `fetch`, named as module:callable.

        Raises:
            SourceError: a page has no items.
        """
        if page_size < 1:
            raise SourceError("a page has no items", where="source pages", remedy="set page_size to 1 or more")
        self.fetch = fetch
        self.page_size = page_size
        self.cursor = cursor
        self.patience = Patience()
        self._where = f"source pages: {fetch}"

    @classmethod
    def from_options(cls, options: dict[str, Any], _cwd: str) -> Self:
        """The source that a manifest describes.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        given = parse_options(options, Options, "pages")
        return cls(given.fetch, page_size=given.page_size, cursor=given.cursor)

    def stat(self) -> list[Any] | None:
        """None: only fetching tells."""
        return None

    def batches(self, start: int = 0, at: Any = None) -> Iterator[Batch]:
        """The items from position `start` on.

        Args:
            start: position of the first item wanted.
            at: the place of that item: {"offset": number} or {"cursor": value}. None: a cursor is followed from the
                first page.

        Raises:
            SourceError: the callable can't be found, failed for good, or returned something else than promised.
        """
        place = self._place(at)
        fetch = find_callable(self.fetch, self._where)
        pages = self._by_cursor(fetch, start, place) if self.cursor else self._by_offset(fetch, start, place)
        try:
            for page in pages:
                if page.n + len(page.items) > start:
                    raws, faults = encode_items(page.items)
                    yield from cut(Batch(page.n, raws, faults=faults, at=page.at), start)
        finally:
            self.patience.close()

    def describe(self) -> str:
        """The source in a few words."""
        return f"pages {self.fetch}"

    def _place(self, at: Any) -> Any:
        """The offset or cursor that a place names; None without one."""
        if at is None:
            return None
        key = "cursor" if self.cursor else "offset"
        value = at.get(key) if isinstance(at, dict) and len(at) == 1 else None
        if value is None or not (self.cursor or (type(value) is int and value >= 0)):
            raise SourceError(f"{_shown(at)} is no place to begin at", where=self._where, remedy=f"give its {key}")
        return value

    def _by_offset(self, fetch: Callable[..., Any], start: int, place: int | None) -> Iterator[_Page]:
        offset = start - start % self.page_size if place is None else place
        while True:
            where = f"{self._where} at offset {offset}"
            items = self._listed(self._call(fetch, offset, where), where)
            if len(items) > self.page_size:
                raise SourceError(
                    f"returned {len(items)} items, asked for {self.page_size}",
                    where=where,
                    remedy="obey the limit, or set page_size to what a page has",
                )
            yield _Page(offset, items, {"offset": offset})
            if len(items) < self.page_size:
                return
            offset += self.page_size

    def _by_cursor(self, fetch: Callable[..., Any], start: int, place: Any) -> Iterator[_Page]:
        cursor, n = place, 0 if place is None else start
        while True:
            where = self._where if cursor is None else f"{self._where} at cursor {_shown(cursor)}"
            pair = self._call(fetch, cursor, where)
            if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
                raise SourceError(f"returned {_kind(pair)}, not (list, next_cursor)", where=where)
            items, after = self._listed(pair[0], where), pair[1]
            yield _Page(n, items, _named(cursor))
            if after is None:
                return
            if after == cursor:
                raise SourceError("returned its own cursor as the next one: there would be no end", where=where)
            n, cursor = n + len(items), after

    def _call(self, fetch: Callable[..., Any], place: Any, where: str) -> Any:
        return self.patience.call(lambda: fetch(place, self.page_size), where)

    @staticmethod
    def _listed(items: Any, where: str) -> list[Any] | tuple[Any, ...]:
        if not isinstance(items, (list, tuple)):
            raise SourceError(f"returned {_kind(items)}, not a list of items", where=where)
        return items


def _named(cursor: Any) -> dict[str, Any] | None:
    """The place that a cursor names, if it comes back from JSON as it is."""
    try:
        same = cursor is not None and msgspec.json.decode(msgspec.json.encode(cursor)) == cursor
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None
    return {"cursor": cursor} if same else None


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}: {_shown(value)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
