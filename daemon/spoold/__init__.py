"""What the author of a handler imports from spoold.

Each name is imported when it is asked for: the daemon's own processes import this package too, and need none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spoold.worker.context import Item
    from spoold.worker.retrying import retry
    from spoold.worker.steer import Fatal, RetryLater, Skip

__all__ = ["Fatal", "Item", "RetryLater", "Skip", "retry"]

_PLACES = {"Fatal": "steer", "Item": "context", "RetryLater": "steer", "Skip": "steer", "retry": "retrying"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.worker.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
