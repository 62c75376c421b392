"""A source, a checkpoint and an engine for spoold."""
