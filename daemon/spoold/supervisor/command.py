"""What a control file says, read as strictly as a manifest."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError

from spoold.core.identity import IdentityError, id_text
from spoold.core.text import printable
from spoold.core.values import Part
from spoold.errors import ManifestError
from spoold.supervisor.drop import Drop
from spoold.supervisor.mistakes import first_mistake
from spoold.supervisor.places import Positions
from spoold.supervisor.strict_yaml import load

_OWN: Final = {"scale": ("workers",), "resolve": ("id", "outcome")}
"""Keys that one verb needs and no other takes."""


def _id(value: object) -> str:
    try:
        return id_text(value)
    except IdentityError as error:
        raise ValueError(error.what) from None


class Command(Part):
    """What a control file says."""

    verb: Literal["pause", "resume", "cancel", "retry-failures", "scale", "resolve"]
    job: Annotated[str, Field(min_length=1, max_length=200)]
    workers: Annotated[int, Field(ge=1)] | None = None
    """How many the job is to have (scale)."""
    id: Annotated[str, BeforeValidator(_id)] | None = None
    """Of the item in doubt; a number is as good as its text (resolve)."""
    outcome: Literal["ok", "retry"] | None = None
    """Whether the item counts as done, or runs again (resolve)."""


def parse(drop: Drop) -> Command:
    """Read a control file.

    Raises:
        ManifestError: with line and column.
    """
    shown = printable(drop.name)
    value, positions = load(drop.data, name=shown)
    try:
        command = Command.model_validate(value)
    except ValidationError as error:
        mistake = first_mistake(error, Command, positions)
        raise ManifestError(
            mistake.what, name=shown, line=mistake.line, column=mistake.column, remedy=mistake.remedy
        ) from None
    _check_own(command, positions, shown)
    return command


def _check_own(command: Command, positions: Positions, shown: str) -> None:
    """See that the keys are those of the verb."""
    for verb, keys in _OWN.items():
        for key in keys:
            if verb == command.verb and getattr(command, key) is None:
                line, column = positions.at((key,))
                raise ManifestError(f"`{key}` is missing", name=shown, line=line, column=column, remedy="add it")
            if verb != command.verb and key in command.model_fields_set:
                line, column = positions.key((key,))
                what = f"`{key}` belongs to {verb}, not to {command.verb}"
                raise ManifestError(what, name=shown, line=line, column=column, remedy="remove it")


def control(ident: tuple[int, int], drop: Drop, **more: object) -> dict[str, object]:
    """What the journal keeps of a command that begins a run, so that it is not obeyed twice."""
    return {"name": printable(drop.name, 255), "ino": ident[0], "ctime_ns": ident[1], "uid": drop.identity.uid, **more}
