"""The manifest's keys about failure, and the plain values of `core.policy` that they stand for."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema

from spoold.core.policy import FailureLimits, Recycling, RetryPolicy
from spoold.core.units import format_duration
from spoold.core.values import DOTTED, Duration, Part, Size

CLASS_PATTERN: Final = rf"^({DOTTED}:{DOTTED}|[A-Za-z_][A-Za-z0-9_]*)$"
_SHARE_PATTERN: Final = r"^[0-9]{1,3}(\.[0-9]{1,6})?%$"
_SHARE: Final = re.compile(_SHARE_PATTERN.removesuffix("$") + r"\Z", re.ASCII)
_DAY: Final = 86400.0
_MANY: Final = 1 << 53
_ENOUGH: Final = 100
"""Items that must have finished before a share is judged, if the manifest does not say."""


def _most(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MANY:
        return value
    if isinstance(value, str) and _SHARE.match(value) and Decimal(value.removesuffix("%")) <= 100:
        return value
    raise ValueError("what may fail is a number of items from 0, or a share from 0% to 100%")


def _not_below_backoff(value: float, info: ValidationInfo) -> float:
    backoff = info.data.get("backoff")
    if backoff is not None and value < backoff:
        raise ValueError(f"the longest wait can't be shorter than `backoff`, the first ({format_duration(backoff)})")
    return value


Most = Annotated[
    int | str,
    PlainValidator(_most),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _SHARE_PATTERN}],
            "examples": [10, "5%"],
        }
    ),
]
"""A number of items, or a share of them, written `5%`."""


class Retry(Part):
    """When an attempt that raised is followed by another."""

    attempts: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many an item has, the first included."""
    backoff: Annotated[Duration, Field(ge=0, le=_DAY)] = "500ms"  # type: ignore[assignment]  # read like a user's text
    """Wait before the second attempt; each further wait is double the one before."""
    max_backoff: Annotated[Duration, Field(ge=0, le=_DAY), AfterValidator(_not_below_backoff)] = "60s"  # type: ignore[assignment]  # as above
    """The longest wait."""
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of a wait by which it may be shorter or longer."""
    on: list[Annotated[str, Field(pattern=CLASS_PATTERN, max_length=512)]] = Field(
        default=["ConnectionError", "TimeoutError"]
    )
    """Exceptions after which there is another attempt, with all their subclasses: a class's name, or module:Class."""

    def policy(self) -> RetryPolicy:
        """The same as a plain value."""
        return RetryPolicy(
            attempts=self.attempts,
            backoff=self.backoff,
            max_backoff=self.max_backoff,
            jitter=self.jitter,
            on=tuple(self.on),
        )


class Failures(Part):
    """How much may fail."""

    max: Most | None = None
    """Failed items, a number or a share of those finished; past it the job fails. Default: any number."""
    after: Annotated[int, Field(ge=0, le=_MANY)] | None = None
    """Items that must have finished before `max` is judged. Default: 100 for a share, 0 for a number."""
    streak: Annotated[int, Field(ge=1, le=_MANY)] = 1000
    """Failures in a row, with no success between, that pause the job."""

    def limits(self) -> FailureLimits:
        """The same as a plain value."""
        if isinstance(self.max, str):
            share = float(Decimal(self.max.removesuffix("%")) / 100)
            after = _ENOUGH if self.after is None else self.after
            return FailureLimits(share=share, after=after, streak=self.streak)
        return FailureLimits(most=self.max, after=self.after or 0, streak=self.streak)


class Recycle(Part):
    """When a worker is replaced though nothing is wrong with it."""

    items: Annotated[int, Field(ge=1, le=_MANY)] | None = None
    """Items after which it is. Default: any number."""
    growth: Annotated[Size, Field(ge=1)] | None = None
    """Growth of its memory after the handler was loaded, past which it is. Default: any."""

    def recycling(self) -> Recycling:
        """The same as a plain value."""
        return Recycling(items=self.items, growth=self.growth)
