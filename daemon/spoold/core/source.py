"""The manifest's `source`: what each type of source may be told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from spoold.core.values import Char, Part, Text


class JsonlSource(Part):
    """One JSON value a line."""

    type: Literal["jsonl"]
    path: Text
    """The file, also .gz or .zst; relative to `cwd`."""


class CsvSource(Part):
    """One row an item, a text per column."""

    type: Literal["csv"]
    path: Text
    """The file, also .gz or .zst; relative to `cwd`."""
    header: Annotated[list[Text], Field(min_length=1)] | None = None
    """Names of the columns, if the file's first row has none."""
    delimiter: Char = ","
    quotechar: Char | None = '"'
    """null: nothing is quoted."""
    escapechar: Char | None = None
    doublequote: bool = True
    skipinitialspace: bool = False


class LinesSource(Part):
    """One line of text an item, {"line": text}."""

    type: Literal["lines"]
    path: Text
    """The file, also .gz or .zst; relative to `cwd`."""


class ItemsSource(Part):
    """Items that stand in the manifest itself."""

    type: Literal["items"]
    items: list[Any]
    """Objects, or values that become {"value": value}."""


class RangeSource(Part):
    """Numbers, {"n": number}."""

    type: Literal["range"]
    start: Annotated[int, Field(ge=-(2**62), le=2**62)] = 0
    stop: Annotated[int, Field(ge=-(2**62), le=2**62)]
    """The first number that is not there any more."""
    step: Annotated[int, Field(ge=-(2**62), le=2**62)] = 1

    @model_validator(mode="after")
    def _moves(self) -> RangeSource:
        if self.step == 0:
            raise ValueError("step can't be 0")
        return self


class GlobSource(Part):
    """Files whose path matches, {"path": path}."""

    type: Literal["glob"]
    pattern: Text
    """`**` goes into folders; relative to `cwd`."""


Source = Annotated[
    JsonlSource | CsvSource | LinesSource | ItemsSource | RangeSource | GlobSource, Field(discriminator="type")
]
