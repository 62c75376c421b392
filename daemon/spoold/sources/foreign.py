"""Finds the foreign code that a manifest's source names."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from spoold.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable


def find(name: str, where: str) -> Any:
    """What `module:attribute` names.

    Args:
        name: with dots on both sides of the colon where need be.
        where: what names it, for errors.

    Raises:
        SourceError: there is no such module or attribute, or the module raises when it is imported.
    """
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        raise SourceError(
            f"can't be imported: {type(error).__name__}: {error}", where=where, remedy="mend it, `cwd` or `pythonpath`"
        ) from error
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise SourceError(
                f"module {module!r} has no {path!r}", where=where, remedy="name it as module:callable"
            ) from None
    return found


def find_callable(name: str, where: str) -> Callable[..., Any]:
    """The function that `module:attribute` names; of a class, an instance, made now.

    Raises:
        SourceError: there is none, it can't be called, or the class's constructor raises.
    """
    found = find(name, where)
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            raise SourceError(f"can't be made: {type(error).__name__}: {error}", where=where) from error
    if not callable(found):
        raise SourceError(f"is a {type(found).__name__}, not a callable", where=where)
    made: Callable[..., Any] = found
    return made
