"""What stands behind a key: durations, sizes, rates, as their author writes them and as they are used."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from spoold.core.units import DURATION_PATTERN, RATE_PATTERN, SIZE_PATTERN, parse_duration, parse_rate, parse_size

DOTTED: Final = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
_LEAST_MEMORY: Final = 1 << 20


class Part(BaseModel):
    """A level of a document: strict, without unknown keys, unchangeable; defaults are written as a user would."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
    )


def _duration(value: object) -> float:
    return parse_duration(value if isinstance(value, str) else "")


def _size(value: object) -> int:
    return parse_size(value if isinstance(value, (int, str)) and not isinstance(value, bool) else "")


def _memory(size: int) -> int:
    if size < _LEAST_MEMORY:
        raise ValueError("no worker can do with less than 1MiB")
    return size


def _rate(value: object) -> float:
    return parse_rate(value if isinstance(value, str) else "")


def _workers(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError("workers is a number from 1, or auto")


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["250ms", "30s", "1h30m"]}),
]
"""Seconds, written `30s`."""

Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": SIZE_PATTERN}],
            "examples": ["512MiB", "2GB"],
        }
    ),
]
"""Bytes, written `512MiB`."""

Memory = Annotated[Size, AfterValidator(_memory)]
"""Bytes that a process may use."""

Rate = Annotated[
    float,
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "pattern": RATE_PATTERN, "examples": ["100/s", "2.5/m", "1000/h"]}),
]
"""Times a second, written `100/s`."""

Workers = Annotated[
    int | Literal["auto"],
    PlainValidator(_workers),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Char = Annotated[str, Field(min_length=1, max_length=1)]
