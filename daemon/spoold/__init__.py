"""What the author of a handler imports from spoold."""

from spoold.worker.context import Item
from spoold.worker.retrying import retry
from spoold.worker.steer import Fatal, RetryLater, Skip

__all__ = ["Fatal", "Item", "RetryLater", "Skip", "retry"]
