"""What a model found wrong, told in a sentence, in its place, with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

from pydantic import BaseModel

from spoold.core.manifest import HANDLER_PATTERN, JOB_PATTERN, RUN_PATTERN
from spoold.core.rules import CLASS_PATTERN
from spoold.core.text import printable
from spoold.supervisor.scalars import describe

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from spoold.supervisor.places import Path, Positions

_QUOTE: Final = "put it in quotes"
_NAME: Final = "a name is a-z, 0-9, '.', '_' and '-', at most 64 characters, a letter or digit first"
_FORMS: Final = {
    JOB_PATTERN: _NAME,
    RUN_PATTERN: "use a strftime format such as %Y-%m-%d",
    HANDLER_PATTERN: "write `package.module:name`",
    CLASS_PATTERN: "write a class's bare name, or `package.module:Class`",
}
_MOST: Final = 1000  # mistakes looked at, of a list of a hundred thousand wrong items
_KINDS: Final[dict[str, tuple[str, str]]] = {  # pydantic's type of error: what was expected, what to do
    "string_type": ("text", _QUOTE),
    "int_type": ("a whole number", "write a plain decimal number without quotes"),
    "int_from_float": ("a whole number", "write a plain decimal number"),
    "int_parsing": ("a whole number", "write a plain decimal number"),
    "float_type": ("a number", "write a plain decimal number without quotes"),
    "bool_type": ("true or false", "write true or false without quotes"),
    "bool_parsing": ("true or false", "write true or false"),
    "list_type": ("a list", "write [a, b], or one '- value' a line"),
    "dict_type": ("a mapping", "write `key: value` lines"),
    "model_type": ("a mapping", "write `key: value` lines"),
    "model_attributes_type": ("a mapping", "write `key: value` lines"),
}


class Mistake(NamedTuple):
    """One thing that is wrong.

    Attributes:
        path: of the value or key; empty for the document.
        line: from 1.
        column: from 1.
        what: the sentence.
        remedy: what to do, if that is clear.
    """

    path: Path
    line: int
    column: int
    what: str
    remedy: str | None


def first_mistake(error: ValidationError, model: type[BaseModel], positions: Positions) -> Mistake:
    """The mistake that comes first in the document; how many others there are is said with it.

    An unknown key is told before one that is missing: the one is often the other, misspelt.
    """
    details = error.errors(include_url=False)
    found = [(_absent(detail), _mistake(detail, model, positions)) for detail in details[:_MOST]]
    _, first = min(found, key=lambda one: (one[0], one[1].line, one[1].column))
    others = len(details) - 1
    if not others:
        return first
    return first._replace(what=f"{first.what} (and {others} more mistake{'s' if others > 1 else ''})")


def _absent(detail: ErrorDetails) -> bool:
    return detail["type"] in ("missing", "union_tag_not_found")


def _mistake(detail: ErrorDetails, model: type[BaseModel], positions: Positions) -> Mistake:
    path: Path = tuple(step for step in detail["loc"] if step != "[key]")
    _, shown = _resolve(model, path)
    shown = f"`{shown}`" if shown else "the whole"
    remedy: str | None = None
    match detail["type"]:
        case "extra_forbidden":
            line, column = positions.key(path)
            what = f"unknown key '{printable(str(path[-1]), 60)}'"
            known = [key for one in _resolve(model, path[:-1])[0] for key in one.model_fields]
            remedy = _nearest(str(path[-1]), known) or "remove it"
            return Mistake(path, line, column, what, remedy)
        case "union_tag_not_found":
            what, remedy = f"`type` of {shown} is missing", "add it"
        case "missing":
            what, remedy = f"{shown} is missing", "add it"
        case "handler_missing":
            what, remedy = "`handler` is missing", "add it, or `command` to run a program for each item"
        case "union_tag_invalid":
            context = detail["ctx"]
            known = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
            path = (*path, "type")
            what = f"unknown type '{printable(str(context['tag']), 60)}' of {shown}"
            remedy = _nearest(str(context["tag"]), known) or f"use one of {', '.join(known)}"
        case "unknown_name":
            context = detail["ctx"]
            what = f"unknown {shown} '{printable(str(context['name']), 60)}'"
            remedy = _nearest(str(context["name"]), context["known"].split(", ")) or f"use one of {context['known']}"
        case kind if kind in _KINDS:
            expected, remedy = _KINDS[kind]
            what = f"{shown} must be {expected}, found {describe(detail['input'])}"
        case "string_pattern_mismatch":
            what = f"{shown} can't be {describe(detail['input'])}"
            pattern = detail["ctx"]["pattern"]
            remedy = _FORMS.get(pattern, f"it must match {pattern}")
        case "value_error":
            what = f"{shown}: {printable(str(detail['ctx']['error']))}, found {describe(detail['input'])}"
        case _:
            what = f"{shown}: {printable(_lower(detail['msg']))}, found {describe(detail['input'])}"
    line, column = positions.key(path) if "[key]" in detail["loc"] else positions.at(path)
    return Mistake(path, line, column, what, remedy)


def _resolve(model: type[BaseModel], path: Path) -> tuple[list[type[BaseModel]], str]:
    """The models that `path` leads to, and the path as its author knows it: the tag of a union is no key."""
    models, shown = [model], ""
    for step in path:
        tagged = (
            [one for one in models if step in get_args(one.model_fields["type"].annotation)] if _union(models) else []
        )
        if tagged:
            models = tagged
            continue
        fields = [one.model_fields[step] for one in models if isinstance(step, str) and step in one.model_fields]
        models = [inner for field in fields for inner in _models(field.annotation)]
        shown += f"[{step}]" if isinstance(step, int) else f".{printable(step, 60)}"
    return models, shown.removeprefix(".")


def _union(models: list[type[BaseModel]]) -> bool:
    return len(models) > 1 and all("type" in one.model_fields for one in models)


def _models(kind: Any) -> list[type[BaseModel]]:
    """The models in an annotation."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [inner for part in get_args(kind) for inner in _models(part)]


def _nearest(word: str, known: list[str]) -> str | None:
    import difflib  # noqa: PLC0415 - only for a mistake

    found = difflib.get_close_matches(word[:100], known, n=1, cutoff=0.6)
    return f"did you mean '{found[0]}'?" if found else None


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
