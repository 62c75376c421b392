"""Items that stand in the manifest itself; a scalar becomes {"value": scalar} and is its own id."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import msgspec

from spoold.errors import SourceError
from spoold.sources.base import Batch, Fault, Size, cut, parse_options
from spoold.sources.encode import encode_records
from spoold.sources.identify import DEFAULT_FIELD, id_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

_MISSING: Final = Fault(f"no field {DEFAULT_FIELD!r}: name an existing one by `id`, or set `id: content`")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of an items source."""

    items: list[Any]


class ItemsSource:
    """An inline list; small, since a manifest is."""

    natural_ids: ClassVar[bool] = True
    unique: ClassVar[bool] = False
    own_json: ClassVar[bool] = True
    foreign: ClassVar[bool] = False

    def __init__(self, items: list[Any]) -> None:
        """Takes scalars and mappings.

        Raises:
            SourceError: one of them is a list, or not a JSON value.
        """
        for index, item in enumerate(items):
            if isinstance(item, list):
                raise SourceError("is a list", where=f"items[{index}]", remedy="give a mapping, or text or a number")
        mappings = [item if isinstance(item, dict) else {"value": item} for item in items]
        try:
            self._raws = encode_records(mappings)
        except (TypeError, UnicodeEncodeError, RecursionError) as error:
            raise SourceError(
                f"not JSON: {error}", where="source items", remedy="quote what is meant as text"
            ) from None
        self._ids = id_texts([item.get(DEFAULT_FIELD, _MISSING) if isinstance(item, dict) else item for item in items])

    @classmethod
    def from_options(cls, options: dict[str, Any], _cwd: str) -> Self:
        """The source that a manifest describes.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        return cls(parse_options(options, Options, "items").items)

    def stat(self) -> list[Any] | None:
        """A list that differs whenever the items do."""
        return ["items", hashlib.sha256(b"\n".join(self._raws)).hexdigest()]

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The items from position `start` on."""
        yield from cut(Batch(0, self._raws, ids=self._ids), start)

    def size(self) -> Size | None:
        """How many items there are."""
        return Size(len(self._raws), exact=True)

    def describe(self) -> str:
        """The source in a few words."""
        return f"{len(self._raws)} inline items"
