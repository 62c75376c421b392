"""Items that are numbers: {"n": k} for k in Python's range(start, stop, step), the number being the id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from spoold.errors import SourceError
from spoold.sources.base import MAX_POSITIONS, MAX_RECORDS, Batch, Size, parse_options

if TYPE_CHECKING:
    from collections.abc import Iterator


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a manifest says of a range source; `stop` itself is not in the range."""

    stop: int
    start: int = 0
    step: int = 1


class RangeSource:
    """Numbers; any position is reached at once."""

    natural_ids: ClassVar[bool] = True
    unique: ClassVar[bool] = True
    own_json: ClassVar[bool] = True
    foreign: ClassVar[bool] = False

    def __init__(self, start: int, stop: int, step: int = 1) -> None:
        """Numbers as Python's range has them.

        Raises:
            SourceError: the step is 0, a number needs more than 64 bits, or there are too many.
        """
        if step == 0:
            raise SourceError("step is 0", where="source range", remedy="set a step other than 0")
        if max(abs(start), abs(stop), abs(step)) >= 2**63:
            raise SourceError("a number needs more than 64 bits", where="source range", remedy="use smaller numbers")
        if (stop - start) // step > MAX_POSITIONS:
            raise SourceError(
                f"more than {MAX_POSITIONS} numbers", where="source range", remedy="split it into several jobs"
            )
        self._numbers = range(start, stop, step)

    @classmethod
    def from_options(cls, options: dict[str, Any], _cwd: str) -> Self:
        """The source that a manifest describes.

        Raises:
            SourceError: an option is missing, unknown, or of the wrong kind.
        """
        given = parse_options(options, Options, "range")
        return cls(given.start, given.stop, given.step)

    def stat(self) -> list[Any] | None:
        """A list that differs whenever the numbers do."""
        return ["range", self._numbers.start, self._numbers.stop, self._numbers.step]

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The numbers from position `start` on."""
        for n in range(start, len(self._numbers), MAX_RECORDS):
            numbers = self._numbers[n : n + MAX_RECORDS]
            yield Batch(n, [b'{"n":%d}' % k for k in numbers], ids=list(map(str, numbers)))

    def size(self) -> Size | None:
        """How many numbers there are."""
        return Size(len(self._numbers), exact=True)

    def describe(self) -> str:
        """The source in a few words."""
        return f"range {self._numbers.start} to {self._numbers.stop} by {self._numbers.step}"
