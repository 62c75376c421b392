"""What the author of a handler imports from spoold."""

from spoold.worker.context import Item

__all__ = ["Item"]
