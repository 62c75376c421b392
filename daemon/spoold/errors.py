"""The errors spoold raises: each says what happened, where, and what to do about it."""

from __future__ import annotations


class SpooldError(Exception):
    """A failure with its place and its remedy.

    Attributes:
        what: what happened and why, one line.
        where: file:line:col, job or item it concerns.
        remedy: what the reader can do.
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what, where, remedy)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        mend = f"; {self.remedy}" if self.remedy else ""
        return f"{place}{self.what}{mend}"


class ManifestError(SpooldError):
    """A manifest that can't be taken; line and column count from 1."""

    def __init__(self, what: str, *, name: str, line: int = 1, column: int = 1, remedy: str | None = None) -> None:
        super().__init__(what, where=f"{name}:{line}:{column}", remedy=remedy)
        self.line = line
        self.column = column


class ConfigError(SpooldError):
    """The configuration is wrong (exit 78)."""


class SpoolError(SpooldError):
    """The spool directory can't be used as it is (exit 74)."""


class JournalError(SpooldError):
    """A journal that can't be read or must not be touched."""


class SourceError(SpooldError):
    """The items can't be read."""


class HandlerError(SpooldError):
    """The handler can't be imported or constructed."""


class CheckpointError(SpooldError):
    """A checkpoint's store can't be used as it is; only a person can mend that."""


class CheckpointAway(CheckpointError):  # noqa: N818 (a condition to wait out)
    """A checkpoint's store can't be used now: it is locked, full, or out of reach."""


class CheckpointLost(CheckpointError):  # noqa: N818 (the state the store is in)
    """A checkpoint's store is not what it was: it has to be opened anew and told everything again."""


class PluginError(SpooldError):
    """A source, checkpoint or engine of another distribution can't be used."""
